"""Features of groups of videos, each group in one process: what it needs there, and what follows if a process ends."""

import contextlib
import gc
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from albar.clips.clips import ClipSampling, Normaliser
from albar.training.accelerator import pick_device
from benchmark_builder.untrimmed import LongVideo
from benchmark_builder.utils import engine, runner
from benchmark_builder.utils.errors import BenchError, Crashed
from benchmark_builder.utils.pool import Note, in_this_process
from benchmark_builder.utils.registry import first_line
from evaluator.features.formats import FORMATS
from evaluator.features.stream import Ended, VideoWindows, window_batches
from evaluator.features.windows import Plan
from evaluator.features.writing import ArrayWriter
from evaluator.inference.pooled import HEAD, pooled_features, require_module
from evaluator.models import ScoredModel, load_model
from evaluator.models.base import ModelOptions

GROUP_VIDEOS, GROUP_BYTES = 16, 2**24  # a group ends with the video that reaches one of these
CLASSES = ("an action", "another action")  # of a network that compares videos with texts: features do not need them


class FeatureNetwork:
    """A network with its settings: clips to features.

    It can be sent to other processes and machines: these load it again from the same files, or get a copy of a module
    that a user made in Python. It is loaded when it is first needed.

    Attributes:
        device: of the processes that run it. bf16: run in bf16. dimension: length of a feature.
    """

    def __init__(
        self, spec: "Path | str | ScoredModel", model_options: ModelOptions, model: ScoredModel, sampling: ClipSampling,
        device: str, bf16: bool, batch: int, layer: str = HEAD,
    ) -> None:  # fmt: skip
        """Load the network, and run it once to find the length of a feature.

        Args:
            spec, model_options: the model, as the user names it. model: the same, ready to load.
            sampling: how its clips are cut. batch: clips at once. layer: as in
                :func:`~evaluator.inference.pooled.pooled_features`.

        Raises:
            BenchError: the network cannot be loaded, or gives no features.
        """
        # A path, not a text, so that the engine finds it and compares the file on all machines.
        named = Path(spec) if isinstance(spec, str) and Path(spec).exists() else spec
        self.spec = None if isinstance(named, ScoredModel) else named
        self.model_options, self.source, self.digest = model_options, model.source, model.digest
        self.sampling, self.device, self.bf16, self.batch, self.layer = sampling, device, bf16, batch, layer
        # The process that gives out work on a cluster may have no GPU.
        self.place = device if engine.current().local else "cpu"
        self.network: nn.Module | None = require_module(model.network(torch.device(self.place)), model.source)
        s = sampling
        self.dimension = self(torch.zeros((1, 3, s.frames, s.size, s.size), dtype=torch.uint8)).shape[1]

    def __call__(self, clips: torch.Tensor) -> np.ndarray:
        """Features of clips, uint8 (n, 3, T, S, S): float32 (n, D)."""
        if self.network is None:
            self.network = self._load()
        found, prepare = [], Normaliser(self.sampling)
        device = torch.device(self.place)
        cast = torch.autocast(device.type, torch.bfloat16) if self.bf16 else contextlib.nullcontext()
        with _threads(device), torch.inference_mode(), cast:
            for part in clips.split(self.batch):
                x = prepare(part.to(device, non_blocking=True))
                made = pooled_features(self.network, x, self.sampling, self.batch, self.source, self.layer)
                found.append(made.float().cpu())
        return torch.cat(found).numpy()

    def release(self) -> None:
        """Free the memory of the network, which is loaded again when it is needed."""
        if self.spec is not None:
            self.network = None
            gc.collect()
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()

    def _load(self) -> nn.Module:
        assert self.spec is not None
        model = load_model(self.spec, self.model_options)
        if model.digest != self.digest:
            raise BenchError(f"{self.source}: its weights have changed since the command started; start it again")
        if model.zero_shot is not None:
            model = model.with_classes(CLASSES, "")
        return require_module(model.network(torch.device(self.device)), self.source)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"network": None, "place": self.device}
        if self.spec is None:
            # Not the sharing of memory that torch does otherwise, which ends at the machine.
            try:
                state["network"] = pickle.dumps(self.network)
            except Exception as error:
                raise BenchError(
                    f"{self.source}: cannot be sent to other processes ({first_line(error)[:200]}); give --workers 0, "
                    "or a checkpoint or package.module:factory instead"
                ) from None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if state["network"] is not None:
            self.network = pickle.loads(state["network"]).to(self.device)  # noqa: S301  # the other process made it


def device_of_processes(said: str, say: Callable[[str], None]) -> str:
    """The device of the processes that run the network. On a cluster, they may have GPUs where this machine has none.

    Raises:
        BenchError: there is no such device here.
    """
    chosen = engine.current()
    if chosen.local or (said != "auto" and not said.startswith("cuda")):
        return str(pick_device(said))
    if said not in ("auto", "cuda", "cuda:0"):
        raise BenchError(f"--device {said}: with --engine ray, each process sees only its own GPU; give cuda")
    if said == "auto" and not chosen.gpus:
        say(f"--engine {chosen.name}: the network runs on CPUs; for GPUs give the share that each process uses, such "
            "as --engine-gpus 0.5")  # fmt: skip
        return "cpu"
    return "cuda"


@dataclass(frozen=True)
class Group:
    """Videos that share batches, in order, and the ids of those whose features are to be written."""

    videos: tuple[LongVideo, ...]
    todo: tuple[str, ...]

    def without(self, ids: Set[str]) -> "Group":
        return Group(tuple(v for v in self.videos if v.id not in ids), tuple(i for i in self.todo if i not in ids))


def groups(videos: Sequence[LongVideo], todo: Set[str]) -> list[Group]:
    """Groups of consecutive videos, until they are several or large. They do not depend on ``todo``, which has the ids
    of videos whose features are to be written; groups without one of them are left out."""
    made = list[list[LongVideo]]()
    size = GROUP_BYTES
    for video in videos:
        if size >= GROUP_BYTES or len(made[-1]) >= GROUP_VIDEOS:
            made.append([])
            size = 0
        made[-1].append(video)
        size += _size(video.path)
    found = [Group(tuple(group), tuple(video.id for video in group if video.id in todo)) for group in made]
    return [group for group in found if group.todo]


def _size(path: Path | None) -> int:
    if path is None:
        return 0
    try:
        return GROUP_BYTES if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True)
class GroupMaker:
    """Writes the features of a group's videos; part of a :class:`~benchmark_builder.utils.runner.Filling`.

    Attributes:
        out: the folder. network, plan: what the features are. batch: clips per batch. format: of the files. root: of
            the dataset; paths in the table are relative to it.
    """

    out: Path
    network: FeatureNetwork
    plan: Plan
    batch: int
    format: str
    root: Path

    def make(self, group: Group) -> "list[tuple[LongVideo, runner.Made | BenchError]]":
        """The result of each video that is to be written.

        Raises:
            BenchError: the network gives no features of a batch, or nothing can be written.
        """
        writers: dict[int, ArrayWriter] = {}
        wrong: set[int] = set()
        results = list[tuple[LongVideo, runner.Made | BenchError]]()
        wanted = {place for place, video in enumerate(group.videos) if video.id in group.todo}
        try:
            for batch in window_batches(group.videos, self.plan, self.batch):
                if batch.clips is not None:
                    made = self.network(batch.clips).reshape(len(batch.places), self.plan.crops, -1)
                    for place, part in _parts(batch.places, made):
                        if place not in wanted or place in wrong:
                            continue
                        if not np.isfinite(part).all():
                            wrong.add(place)
                            continue
                        if place not in writers:
                            names = FORMATS[self.format].files(group.videos[place].id, self.plan.crops)
                            writers[place] = ArrayWriter(self.out, names, FORMATS[self.format])
                        writers[place].append(part)
                for ended in batch.ended:
                    writer, video = writers.pop(ended.place, None), group.videos[ended.place]
                    if ended.place in wanted:
                        results.append((video, self._result(video, ended, writer, ended.place in wrong)))
        finally:
            for writer in writers.values():
                writer.drop()
        return results

    def _result(
        self, video: LongVideo, ended: Ended, writer: ArrayWriter | None, wrong: bool
    ) -> "runner.Made | BenchError":
        error: BenchError | None = None
        if ended.error:
            error = Crashed(ended.error, ended.details) if ended.details else BenchError(ended.error)
        elif wrong or writer is None:
            error = BenchError(f"{video.path}: its features are not finite; check the weights of the network")
        if error is not None:
            if writer is not None:
                writer.drop()
            return error
        assert writer is not None and writer.windows == ended.windows
        digest = writer.finish()
        path = video.path
        assert path is not None
        source = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        row = {
            "video": video.id, "file": FORMATS[self.format].files(video.id, self.plan.crops)[0], "split": video.split,
            "label": "", "frames": str(ended.frames), "fps": repr(ended.fps),
            "duration": repr(ended.frames / ended.fps), "windows": str(ended.windows), "sha256": digest,
            "source": source, "source_sha256": ended.sha256, "source_frames": str(ended.source_frames),
            "source_fps": repr(ended.source_fps), "reason": "",
        }  # fmt: skip
        return runner.Made([row], [Note(video.id, "note", f"{path.name} {note}") for note in ended.notes])


@dataclass(frozen=True)
class Decoder:
    """Decodes a video and keeps nothing."""

    plan: Plan

    def make(self, video: LongVideo) -> None:
        assert video.path is not None
        for _ in VideoWindows(video.path, self.plan):
            pass


def features_of(
    wanted: Sequence[Group], maker: GroupMaker, workers: int
) -> Generator[tuple[LongVideo, Any], None, None]:
    """Yield each video that is to be written, with its result.

    If the process of a group ends, twice, its videos are decoded one by one: those whose decoder ends its process fail,
    and the features of the others are made without them.

    Args:
        wanted: the groups. maker: makes their features. workers: processes, see
            :func:`benchmark_builder.utils.engine.run`.

    Raises:
        BenchError: the network gives no features of a batch, or nothing can be written.
    """
    if not in_this_process(workers) or not engine.current().local:
        maker.network.release()
    died = list[tuple[Group, Crashed]]()
    yield from _features(wanted, maker, workers, died)
    if not died:
        return
    videos = [video for group, _ in died for video in group.videos]
    ending = dict[str, Crashed]()
    with closing(engine.run(Decoder(maker.plan), videos, workers, apart=True)) as tried:
        for video, error in tried:
            if isinstance(error, Crashed) and error.again:
                ending[video.id] = error
    again = list[Group]()
    for group, error in died:
        ends = ending.keys() & {video.id for video in group.videos}
        for video in group.videos:
            if video.id in group.todo and (video.id in ends or not ends):
                yield video, ending.get(video.id, error)
        if ends and (left := group.without(ends)).todo:
            again.append(left)
    yield from _features(again, maker, workers)


def _features(
    wanted: Sequence[Group], maker: GroupMaker, workers: int, died: "list[tuple[Group, Crashed]] | None" = None
) -> Generator[tuple[LongVideo, Any], None, None]:
    """As :func:`features_of`. ``died``: gets the groups whose process ended; None: these fail."""
    with closing(engine.run(maker, wanted, workers, shared=(maker.out,))) as results:
        for group, found in results:
            if not isinstance(found, BenchError):
                yield from found
            elif not isinstance(found, Crashed):
                raise found
            elif found.again and died is not None:
                died.append((group, found))
            else:
                yield from ((video, found) for video in group.videos if video.id in group.todo)


def _parts(places: Sequence[int], features: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Consecutive windows of one video each."""
    start = 0
    for k in range(1, len(places) + 1):
        if k == len(places) or places[k] != places[start]:
            yield places[start], features[start:k]
            start = k


@contextlib.contextmanager
def _threads(device: torch.device) -> Iterator[None]:
    """On a CPU, compute with one thread, so that sums are bit-identical for any number of processes and cores."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
