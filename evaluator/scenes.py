"""How often a network that says scenes (DEVIAS) names the right one of an ordinary test video: scene top-1.

The true scene of a rendered video is in the render's facts.csv. Of other videos it is the scene that a Places365
network finds likeliest, as in training (:mod:`albar.data.scenes`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmark_builder.datasets import dataset_root
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from evaluator.models.base import ScoredModel
from evaluator.options import EvalOptions
from evaluator.predictions.files import Predictions, with_scenes
from evaluator.records import TrueScenes
from evaluator.testsets import TestSet

_FETCH = "resnet18_places365.pth.tar; `bench weights fetch places365-resnet18` brings it and says where it is"


@dataclass(frozen=True)
class SceneTest:
    """The ordinary test videos, to be classified by scene.

    Attributes:
        of: name of their test set.
        set: their test set with another name and digest, whose classes are the scenes.
        truth: where the true scenes are from: the name of a file.
        find: video id -> its true scene, counting from 0; raises BenchError if the video cannot be decoded.
    """

    of: str
    set: TestSet
    truth: str
    find: Callable[[str], int]

    def told(self, predictions: str) -> TrueScenes:
        """The entry of a record. ``predictions``: their file, relative to the ``--out`` folder."""
        said = {"truth": self.truth, "digest": self.set.digest, "count": len(self.set.classes)}
        return TrueScenes.model_validate({**said, "predictions": predictions})


class _CannotBeMeasuredError(BenchError):
    """Why there is no scene top-1."""


def scene_test(
    model: ScoredModel, sets: Sequence[TestSet], options: EvalOptions, device: torch.device
) -> SceneTest | str:
    """What to measure scene top-1 on, or why it is not measured; empty: nobody expects it.

    Raises:
        BenchError: it is asked for (``options.scenes`` or ``options.places``) and cannot be measured.
    """
    asked = "--places" if options.places is not None else "--scenes" if options.scenes else ""
    if options.scenes is False or (model.scenes is None and not asked):
        return ""
    try:
        return _scene_test(model, next((s for s in sets if s.kind == "iid"), None), options, device)
    except _CannotBeMeasuredError as error:
        if asked:
            raise BenchError(f"{asked}: {error}") from None
        return f"no scene top-1: {error}"


def _scene_test(model: ScoredModel, iid: TestSet | None, options: EvalOptions, device: torch.device) -> SceneTest:
    from albar.data.scenes import PLACE_NAMES

    if model.scenes is None:
        raise _CannotBeMeasuredError(
            f"{model.source} says no scenes, only checkpoints of devias do; leave the option out"
        )
    if iid is None:
        raise _CannotBeMeasuredError("it is measured on the ordinary test videos; leave --no-iid out")
    names = model.scenes.names
    if not names:
        raise _CannotBeMeasuredError(
            f"{model.source} was written by an older version, which did not store the order of its scenes; train again"
        )
    if names == PLACE_NAMES:
        return _guessed(iid, names, options.places, device)
    if options.places is not None:
        raise _CannotBeMeasuredError(
            f"the scenes of {model.source} are those of its render ({names[0]}, …), not of Places365; leave the option "
            "out"
        )
    return _rendered(model, iid, names, options)


def _rendered(model: ScoredModel, iid: TestSet, names: tuple[str, ...], options: EvalOptions) -> SceneTest:
    from albar.data.scenes import FACTS, sceneries

    if iid.dataset != "synthactions":
        raise _CannotBeMeasuredError(
            f"{model.source} knows scenes of synthactions ({names[0]}, …), which {iid.dataset} does not have"
        )
    root = dataset_root(options.dataset or iid.dataset, options.root)
    try:
        told = sceneries([item.id for item in iid.items], root)
    except BenchError as error:
        raise _CannotBeMeasuredError(str(error)) from None
    own = {item.id: told[item.id] for item in iid.items}
    unknown = sorted(set(own.values()) - set(names))
    if unknown:
        count = sum(scenery in unknown for scenery in own.values())
        raise _CannotBeMeasuredError(
            f"{root / FACTS}: {count} of {len(own)} test videos show {', '.join(unknown[:3])}, which {model.source} "
            f"was not trained on (it knows {', '.join(names[:8])}); score it on a render with the same sceneries"
        )
    places = {name: k for k, name in enumerate(names)}
    table = "".join(f"{i}\x1f{scenery}\n" for i, scenery in sorted(own.items()))
    return _made(iid, names, FACTS, table, lambda video_id: places[own[video_id]])


def _guessed(iid: TestSet, names: tuple[str, ...], weights: Path | None, device: torch.device) -> SceneTest:
    from albar.data.scenes import guessed_scene, places_network

    if weights is None:
        raise _CannotBeMeasuredError(f"its scenes are those of Places365; give --places FILE, the weights of a "
                                     f"Places365 ResNet ({_FETCH})")  # fmt: skip
    network = places_network(weights).to(device)
    paths = {item.id: item.path for item in iid.items}
    found: Callable[[str], int] = lambda i: int(guessed_scene(paths[i], network, device).argmax())  # noqa: E731
    return _made(iid, names, weights.name, sha256_file(weights), found)


def _made(iid: TestSet, names: tuple[str, ...], truth: str, facts: str, find: Callable[[str], int]) -> SceneTest:
    """``facts``: text that says which scenes are true."""
    digest = hashlib.sha256("\x1e".join((iid.digest, truth, facts, *names)).encode()).hexdigest()
    return SceneTest(iid.name, replace(iid, name=f"{iid.name}+scenes", classes=list(names), digest=digest), truth, find)


def attach(predictions: Mapping[str, Predictions], of: str, scenes: Predictions) -> dict[str, Predictions]:
    """The predictions, those of the set ``of`` with the answers for the scenes."""
    return {name: with_scenes(p, scenes) if name == of else p for name, p in predictions.items()}
