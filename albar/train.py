"""The training loop, written once for every method."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import torch
from torch import nn
from tqdm import tqdm

from albar.checkpoint import save_checkpoint
from albar.clips import normalise
from albar.data import ClipDataset, FrameCache, Order, batches
from albar.device import pick_device
from albar.methods import Batch, Companions, make_method
from albar.models import build_model
from albar.models.weights import read_torch_file
from albar.settings import TrainSettings
from albar.state import State
from albar.watch import watch
from benchmark_builder.datasets import Listing, read_dataset
from benchmark_builder.errors import BenchError
from benchmark_builder.files import read_json, remove_leftovers, write_csv, write_json
from benchmark_builder.rng import generator
from benchmark_builder.video import Video

SETTINGS, STATE, METRICS, MODEL = "settings.json", "last.pt", "metrics.csv", "model.ckpt"
Say = Callable[[str], None]


def train(settings: TrainSettings, say: Say = lambda line: None) -> Path:
    """Train, or go on with, a run.

    The run's folder holds settings.json (all that decides the result), metrics.csv (a row an epoch), last.pt (the state
    to resume from) and, once finished, model.ckpt (see :mod:`albar.checkpoint`). A stopped run goes on from last.pt; on
    one CPU with one number of threads the result equals an undisturbed run's bit for bit.

    Args:
        settings: of the run.
        say: takes lines for the user.

    Returns:
        The path of model.ckpt.

    Raises:
        BenchError: bad settings, unreadable data, a folder that holds another run, a loss that is not finite.
    """
    run = Run(settings, say)
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{run.folder}: no run can be kept here ({error.strerror}); choose another --out") from None
    try:
        with filelock.FileLock(run.folder / ".lock", timeout=0):
            run.claim()
            if run.checkpoint.is_file():
                say(f"{run.checkpoint} is there already; nothing to do")
            else:
                with _own_draws(run.device):
                    run.fit()
    except filelock.Timeout:
        raise BenchError(
            f"{run.folder}: another process is training here; wait for it or choose another --out"
        ) from None
    return run.checkpoint


class Run:
    """One training run: data, network, optimiser, and where it stands."""

    def __init__(self, settings: TrainSettings, say: Say) -> None:
        self.settings, self.recipe, self.sampling = settings, settings.recipe, settings.clip_sampling
        self.say = say
        self.folder = settings.folder
        self.checkpoint = self.folder / MODEL
        self.device = pick_device(settings.device)
        self.method = make_method(settings.method, settings.preset_name, settings.options)
        listing = read_dataset(settings.dataset, settings.root, settings.split, settings.fold)
        for note in listing.notes:
            say(note)
        if listing.missing:
            raise BenchError(
                f"{len(listing.missing)} videos of {settings.dataset}'s split {settings.split!r} are missing, first "
                f"{listing.missing[0]}; complete the dataset"
            )
        self.classes = listing.classes
        self.videos, self.kept_back = divide(listing, settings)
        if len(self.videos) < self.recipe.batch:
            raise BenchError(
                f"{settings.dataset} has {len(self.videos)} training videos, fewer than --batch {self.recipe.batch}; "
                "lower --batch"
            )
        self.record = self._record()

    def _record(self) -> dict[str, Any]:
        """All that decides the result, plain types."""
        s = self.settings
        return {
            "method": s.method,
            "method_settings": dataclasses.asdict(self.method.settings),
            "model": s.model_name,
            "weights": s.weights,
            "preset": s.preset_name,
            "recipe": dataclasses.asdict(self.recipe),
            "clip": self.sampling.to_dict(),
            "dataset": s.dataset,
            "split": s.split,
            "fold": s.fold,
            "limit": s.limit,
            "validation": s.validation,
            "seed": s.seed,
            "training_videos": _digest([[v.id, v.label] for v in self.videos]),
            "validation_videos": _digest([[v.id, v.label] for v in self.kept_back]),
        }

    def claim(self) -> None:
        """Make the folder this run's, or check that it is."""
        path = self.folder / SETTINGS
        if path.exists():
            found = read_json(path, "record of a run", "delete the folder or choose another --out")
            if found != self.record:
                was, now = _first_difference(found, self.record)
                raise BenchError(
                    f"{self.folder} holds a run with {was}, this one has {now}; delete it or choose another --out"
                )
        elif any(p.name != ".lock" for p in self.folder.iterdir()):
            raise BenchError(f"{self.folder}: not empty, and holds no run; choose another --out")
        else:
            write_json(path, self.record)
        remove_leftovers(self.folder)

    def fit(self) -> None:
        """Train to the end and write the checkpoint."""
        s, r = self.settings, self.recipe
        torch.manual_seed(_word(s.seed, "weights"))
        model = build_model(s.model_name, len(self.classes), self.sampling, s.weights).to(self.device)
        optimiser = torch.optim.AdamW(model.parameters(), lr=r.lr, weight_decay=r.weight_decay)
        self._try(model)
        state = self._resume(model, optimiser)
        training, validating = self._datasets()
        order = Order(len(training), r.batch, r.epochs, s.seed, state.step)
        per_epoch, steps = order.steps_per_epoch, order.steps_per_epoch * r.epochs
        self.say(
            f"training {s.method} on {len(training)} videos of {s.dataset} ({len(self.kept_back)} kept back): "
            f"{s.model_name}, preset {s.preset_name}, {r.epochs} epochs of {per_epoch} steps, {self.device.type}"
        )
        model.train()
        stream = batches(training, order, s.workers, pin=self.device.type == "cuda")
        bar = tqdm(total=steps, initial=state.step, desc=f"{s.method} s{s.seed}", unit="step", disable=not s.progress)
        with bar, contextlib.closing(stream):
            for clips, labels in stream:
                terms = self._step(model, optimiser, clips, labels, state.step, steps)
                state.count(terms, len(labels))
                bar.set_postfix({name: f"{value:.3g}" for name, value in terms.items()}, refresh=False)
                bar.update()
                if state.step % per_epoch == 0:
                    watched = watch(model, validating, self.sampling, r.batch, s.workers, self.device)
                    state.end_epoch(state.step // per_epoch, optimiser.param_groups[0]["lr"], watched)
                    self._write_metrics(state)
                if state.step % per_epoch == 0 or (s.save_steps and state.step % s.save_steps == 0):
                    state.save(self.folder / STATE, model, optimiser)
        save_checkpoint(
            self.checkpoint,
            network=model,
            model=s.model_name,
            method=s.method,
            dataset=s.dataset,
            classes=self.classes,
            sampling=self.sampling,
            settings=self.record,
            digests={
                "settings": _digest(self.record),
                "training_videos": self.record["training_videos"],
                **_versions(),
            },
        )
        self.say(f"wrote {self.checkpoint}")

    def _try(self, model: nn.Module) -> None:
        """One clip through the network before anything is decoded, and the method's look at it."""
        s = self.sampling
        clip = torch.zeros(1, 3, s.frames, s.size, s.size, device=self.device)
        try:
            with torch.no_grad():
                logits = model.eval()(clip)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise BenchError(
                f"model {self.settings.model_name} takes no clips of {s.frames} frames at {s.size} pixels "
                f"({_one_line(error)}); change the clip settings frames and size"
            ) from None
        if logits.shape != (1, len(self.classes)):
            raise BenchError(
                f"model {self.settings.model_name} gives {tuple(logits.shape)} for a clip, not (1, {len(self.classes)})"
            )
        self.method.prepare(model, clip, Companions(len(self.classes), s))

    def _datasets(self) -> tuple[ClipDataset, ClipDataset | None]:
        s = self.settings
        cache = FrameCache(self.videos, s.cache_mb, s.progress)
        training = ClipDataset(self.videos, self.sampling, s.seed, train=True, cache=cache)
        if not self.kept_back:
            return training, None
        held = FrameCache(self.kept_back, s.cache_mb, s.progress) if cache.frames is not None else None
        return training, ClipDataset(self.kept_back, self.sampling, s.seed, train=False, cache=held)

    def _step(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        clips: torch.Tensor,
        labels: torch.Tensor,
        step: int,
        steps: int,
    ) -> dict[str, float]:
        """One update; the terms as numbers."""
        # Every step owns its draws, so a resumed run needs no generator's state: dropout takes torch's global
        # generator, methods take theirs.
        word = _word(self.settings.seed, f"step/{step}")
        torch.manual_seed(word)
        draw = torch.Generator().manual_seed(word ^ 1)
        for group in optimiser.param_groups:
            group["lr"] = self.recipe.lr * rate((step + 0.5) / steps, self.recipe.warmup)
        batch = Batch(
            normalise(clips.to(self.device, non_blocking=True), self.sampling),
            labels.to(self.device, non_blocking=True),
        )
        loss, terms = self.method.loss(model, self.method.augment(batch, draw), draw, step / steps)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        limit = self.recipe.clip_gradient or math.inf
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        named = {"loss": loss.detach(), **terms, "gradient": norm.detach()}
        numbers = dict(zip(named, torch.stack(list(named.values())).tolist(), strict=True))
        if not all(math.isfinite(v) for v in numbers.values()):
            values = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
            last = self.folder / STATE
            good = f"the last good state is {last}" if last.is_file() else "no state was saved yet"
            raise BenchError(
                f"training stopped at step {step}: not finite ({values}); {good}; lower --lr and start anew"
            )
        optimiser.step()
        return numbers

    def _resume(self, model: nn.Module, optimiser: torch.optim.Optimizer) -> State:
        path = self.folder / STATE
        if not path.is_file():
            return State()
        mend = f"delete {path} to train from the start"
        saved = read_torch_file(path, "state to resume from", mend)
        try:
            model.load_state_dict(saved["model"])
            optimiser.load_state_dict(saved["optimiser"])
            state = State(**saved["state"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BenchError(f"{path}: not this run's state ({_one_line(error)}); {mend}") from None
        self.say(f"going on from step {state.step} ({path})")
        return state

    def _write_metrics(self, state: State) -> None:
        columns = list(dict.fromkeys(name for row in state.rows for name in row))
        write_csv(self.folder / METRICS, columns, state.rows)


def divide(listing: Listing, settings: TrainSettings) -> tuple[list[Video], list[Video]]:
    """The videos to train on, and those kept back for validation; each video's lot is its own (seed, id)."""
    videos = listing.videos
    if settings.limit is not None:
        lots = {v.id: generator(settings.seed, v.id, "limit").random() for v in videos}
        chosen = sorted(videos, key=lambda v: lots[v.id])[: settings.limit]
        videos = sorted(chosen, key=lambda v: v.id)
    kept = {v.id for v in videos if generator(settings.seed, v.id, "validation").random() < settings.validation}
    return [v for v in videos if v.id not in kept], [v for v in videos if v.id in kept]


def rate(progress: float, warmup: float) -> float:
    """The learning rate's factor at ``progress`` 0..1: linear up over the share ``warmup``, then half a cosine down."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1 - warmup, 1e-9)))


@contextlib.contextmanager
def _own_draws(device: torch.device) -> Iterator[None]:
    """Whatever the run draws from torch's global generators, the caller's stay as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _word(seed: int, variant: str) -> int:
    """A seed for a torch generator, from the project's own."""
    return int(generator(seed, "train", variant).integers(2**62)) * 2


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("torch", "torchvision")}


def _first_difference(found: Any, wanted: dict[str, Any], prefix: str = "") -> tuple[str, str]:
    """How two records differ first, as ``name value`` of each."""
    found = found if isinstance(found, dict) else {}
    for name in sorted(wanted.keys() | found.keys()):
        a, b = found.get(name), wanted.get(name)
        if a != b:
            if isinstance(a, dict) and isinstance(b, dict):
                return _first_difference(a, b, f"{prefix}{name}.")
            return f"{prefix}{name} {a!r}", f"{b!r}"
    raise AssertionError("the records are equal")


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
