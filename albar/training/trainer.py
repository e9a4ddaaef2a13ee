"""The training loop, written once for every method."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from albar.checkpoint import NAME as MODEL
from albar.checkpoint import Checkpoint, own_checkpoint, save_checkpoint
from albar.clips.clips import normalise
from albar.data.dataset import ClipDataset, FrameCache, Order, Sample, batches
from albar.methods import Batch, make_method
from albar.models import build_model, huggingface
from albar.models.heads import drop_features, find_head, head_name
from albar.models.weights import FreshHead, Note, fit_weights, read_torch_file
from albar.training.accelerator import make_accelerator, tf32
from albar.training.compiled import Compiled
from albar.training.extras import BEFORE, deciding, gather, without_folder
from albar.training.logs import Logs
from albar.training.optimizer import Recipe, make_optimiser, set_rate
from albar.training.settings import TrainSettings
from albar.training.state import State
from albar.training.validation import watch
from benchmark_builder.datasets import Listing, read_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, sha256_file, write_json
from benchmark_builder.utils.pool import default_workers
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import held, sole_run
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.record import Video, group_of

SETTINGS, STATE = "settings.json", "last.pt"
Say = Callable[[str], None]


def train(settings: TrainSettings, say: Say = lambda line: None) -> Path:
    """Train, or go on with, a run.

    The run's folder holds settings.json (all that decides the result), metrics.csv (a row an epoch), tensorboard/,
    last.pt (the state to resume from) and, once finished, model.ckpt (see :mod:`albar.checkpoint`). A stopped run goes
    on from last.pt. On one CPU with one number of threads, last.pt and model.ckpt are the same byte for byte, whether
    the run was stopped or not and whatever its folder is called. Started in several processes by `accelerate launch`,
    each takes its share of every batch.

    Args:
        settings: of the run.
        say: takes lines for the user.

    Returns:
        The path of model.ckpt.

    Raises:
        BenchError: bad settings, unreadable data, a folder that holds another run, a loss that is not finite.
    """
    run = Run(settings, say)
    if not run.main:  # the first process owns the folder; the others train along
        with _own_draws(run.device), tf32(settings.precision == "tf32"):
            run.wait()
            if not run.checkpoint.is_file():
                run.fit()
        return run.checkpoint
    with sole_run(run.folder, run.folder / ".lock", "another process is training here"):
        run.claim()
        run.wait()
        if run.checkpoint.is_file():
            say(f"{run.checkpoint} is there already; nothing to do")
        else:
            with _own_draws(run.device), tf32(settings.precision == "tf32"):
                run.fit()
    return run.checkpoint


class Run:
    """One training run: data, network, optimiser, and where it stands."""

    def __init__(self, settings: TrainSettings, say: Say) -> None:
        self.settings, self.recipe, self.sampling = settings, settings.recipe, settings.clip_sampling
        self.folder = settings.folder
        self.checkpoint = self.folder / MODEL
        self.accelerator = make_accelerator(settings.device, settings.precision)
        self.device, self.main = self.accelerator.device, self.accelerator.is_main_process
        self.processes = self.accelerator.num_processes
        self.say: Say = say if self.main else lambda line: None
        self.method = make_method(settings.method, settings.preset_name, settings.options)
        listing = read_dataset(settings.dataset, settings.root, settings.split, settings.fold)
        for note in listing.notes:
            self.say(note)
        if listing.missing:
            raise BenchError(
                f"{len(listing.missing)} videos of {settings.dataset}'s split {settings.split!r} are missing, first "
                f"{listing.missing[0]}; complete the dataset"
            )
        for line in listing.summary():  # unusable names; the rest is trained on
            self.say(line)
        self.classes = listing.classes
        self.videos, self.kept_back = divide(listing, settings)
        if settings.validation_split is not None:
            held_out = read_dataset(settings.dataset, settings.root, settings.validation_split, settings.fold)
            for line in (*held_out.notes, *held_out.summary()):
                self.say(f"{settings.validation_split}: {line}")
            self.kept_back = held_out.videos
        self.step_clips = self.recipe.batch * self.recipe.accumulate * self.processes
        if len(self.videos) < self.step_clips:
            raise BenchError(
                f"{settings.dataset} has {len(self.videos)} training videos, fewer than the {self.step_clips} of a "
                "step; lower --batch"
            )
        self.record = self._record()

    def wait(self) -> None:
        """Until every process is here."""
        self.accelerator.wait_for_everyone()

    def _record(self) -> dict[str, Any]:
        """All that decides the result, plain types; files by name and content, as where they are decides nothing."""
        s = self.settings
        return {
            "method": s.method,
            "method_settings": self.method.settings.stored(),
            **_sources(s),
            "preset": s.preset_name,
            "recipe": {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self.recipe).items()},
            "processes": self.processes,
            "precision": "bf16" if self.accelerator.mixed_precision == "bf16" else _exact(s.precision),
            "compile": s.compile,
            **({"dropout": s.dropout} if s.dropout else {}),
            "beside": deciding(self.method, s),
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
            found = _as_now(found, self.record, self.method.settings, self.recipe)
            begun = any((self.folder / name).exists() for name in (STATE, MODEL))
            if found != self.record and not begun:  # it failed before anything was learnt: nothing would be lost
                write_json(path, self.record)
            elif found != self.record:
                was, now = _first_difference(found, self.record)
                raise BenchError(
                    f"{self.folder} holds a run with {was}, this one has {now}; delete it or choose another --out"
                )
        elif others := held(self.folder):
            raise BenchError(f"{self.folder}: not empty, and holds no run ({others[0]}); choose another --out")
        else:
            write_json(path, self.record)
        remove_leftovers(self.folder)

    def fit(self) -> None:
        """Train to the end and write the checkpoint."""
        s, r = self.settings, self.recipe
        torch.manual_seed(_word(s.seed, "weights"))
        network = self._network().to(self.device)
        drop_features(network, s.dropout)
        beside = gather(self.method, s, self.videos, self.device)
        for note in beside.notes:
            self.say(note)
        self._try(network)
        clip = torch.zeros(1, 3, self.sampling.frames, self.sampling.size, self.sampling.size, device=self.device)
        self.method.prepare(network, clip, beside.companions(len(self.classes), s))
        extra = self.method.extra
        optimiser = make_optimiser(r, network, find_head(network), extra, self.method.extra_lr)
        state = self._resume(network, extra, optimiser)
        model: nn.Module = self.accelerator.prepare_model(network)
        if s.compile:
            model = Compiled(model) if self.method.double_backward else torch.compile(model)  # type: ignore[assignment]
        training, validating = self._datasets()
        training.actors = beside.actors
        share = (self.accelerator.process_index, self.processes)
        order = Order(len(training), self.step_clips, r.epochs, s.seed, state.step, share)
        per_epoch, steps = order.steps_per_epoch, order.steps_per_epoch * r.epochs
        self.say(
            f"training {s.method} on {len(training)} videos of {s.dataset} ({len(self.kept_back)} kept back): "
            f"{s.model_name}, preset {s.preset_name}, {r.epochs} epochs of {per_epoch} steps, {self.device.type}"
        )
        model.train()
        workers = self._workers()
        stream = batches(training, order, workers, pin=self.device.type == "cuda")
        began, waited = time.monotonic(), 0.0
        bar = tqdm(
            total=steps,
            initial=state.step,
            desc=f"{s.method} s{s.seed}",
            unit="step",
            disable=not (s.progress and self.main),
        )
        with bar, contextlib.closing(stream), Logs(self.folder, s.tensorboard and self.main) as logs:
            while True:
                asked = time.monotonic()
                sample = next(stream, None)
                waited += time.monotonic() - asked
                if sample is None:
                    break
                terms = self._step(model, optimiser, sample, beside.scenes, state.step, steps)
                state.count(terms, len(sample.label) * self.processes)
                logs.step(state.step, terms)
                bar.set_postfix({name: f"{value:.3g}" for name, value in terms.items()}, refresh=False)
                bar.update()
                if state.step % per_epoch == 0 and self.main:
                    watched = watch(network, validating, self.sampling, r.batch, workers, self.device)
                    rate = optimiser.param_groups[0]["lr"]
                    logs.epoch(state.end_epoch(state.step // per_epoch, rate, watched), state.rows)
                if self.main and (state.step % per_epoch == 0 or (s.save_steps and state.step % s.save_steps == 0)):
                    self._check_finite(network, state.step)
                    state.save(self.folder / STATE, network, extra, optimiser)
        if self.main:
            save_checkpoint(
                self.checkpoint,
                network=network,
                model=self.record["model"],
                method=safe_name(s.method),
                dataset=safe_name(s.dataset),
                classes=self.classes,
                sampling=self.sampling,
                settings=self.record,
                digests={
                    "settings": _digest(self.record),
                    "training_videos": self.record["training_videos"],
                    **_versions(),
                },
            )
        self.wait()
        idle = 100 * waited / max(time.monotonic() - began, 1e-9)
        self.say(f"wrote {self.checkpoint} ({idle:.1f} % of the time spent waiting for clips)")

    def _network(self) -> nn.Module:
        s = self.settings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", Note)
            own = own_checkpoint(Path(s.weights)) if s.weights else None
            network = build_model(s.model_name, len(self.classes), self.sampling, None if own else s.weights)
            if own:
                self._take(own, network)
        for warning in caught:
            if not issubclass(warning.category, Note):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            elif not issubclass(warning.category, FreshHead):
                self.say(str(warning.message))
            elif s.keep_head:
                raise BenchError(
                    f"--keep-head: {warning.message}; train on the classes of the weights, or leave it out"
                )
            else:
                self.say(f"{warning.message}; the head starts fresh")
        return network

    def _take(self, own: Checkpoint, network: nn.Module) -> None:
        """The weights of the toolkit's own checkpoint; its head too where the classes are the same."""
        s = self.settings
        of_folders = own.model.startswith(huggingface.PREFIX) and s.model_name.startswith(huggingface.PREFIX)
        if own.model != s.model_name and not of_folders:
            raise BenchError(
                f"{own.path}: is a checkpoint of {own.model}, not of {s.model_name}; give --model {own.model}"
            )
        differ = ""
        if own.classes != self.classes:
            k = next((k for k, (a, b) in enumerate(zip(own.classes, self.classes, strict=False)) if a != b), None)
            theirs = f"{len(own.classes)}, the dataset has {len(self.classes)}"
            differ = (
                theirs
                if k is None or len(own.classes) != len(self.classes)
                else (f"class {k} is {own.classes[k]!r}, the dataset has {self.classes[k]!r}")
            )
        fit_weights(network, own.weights, head_name(network) + ".", str(own.path), differ)
        head = "" if differ else ", its head too"
        self.say(f"weights of {own.path} ({own.model}, {own.method} on {own.dataset}) are taken{head}")

    def _workers(self) -> int:
        if self.settings.workers is not None:
            return self.settings.workers
        return max(1, default_workers() // self.processes) if self.device.type == "cuda" else 0

    def _try(self, model: nn.Module) -> None:
        """One clip through the network before anything is decoded."""
        s = self.sampling
        try:
            with torch.no_grad():
                logits = model.eval()(torch.zeros(1, 3, s.frames, s.size, s.size, device=self.device))
        except (RuntimeError, ValueError, AssertionError) as error:
            raise BenchError(
                f"model {self.settings.model_name} takes no clips of {s.frames} frames at {s.size} pixels "
                f"({_one_line(error)}); change the clip settings frames and size"
            ) from None
        if logits.shape != (1, len(self.classes)):
            raise BenchError(
                f"model {self.settings.model_name} gives {tuple(logits.shape)} for a clip, not (1, {len(self.classes)})"
            )

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
        sample: Sample,
        scenes: torch.Tensor | None,
        step: int,
        steps: int,
    ) -> dict[str, float]:
        """One update; the terms as numbers, averaged over its forward passes and the processes."""
        set_rate(optimiser, self.recipe, self.recipe.progress(step, steps))
        optimiser.zero_grad(set_to_none=True)
        parts, rank = self.recipe.accumulate, self.accelerator.process_index
        sums: dict[str, torch.Tensor] = {}
        for part, micro in enumerate(zip(*(field.split(self.recipe.batch) for field in sample), strict=True)):
            # Every pass owns its draws, so a resumed run needs no generator's state: dropout takes torch's global
            # generator, methods take theirs.
            word = _word(self.settings.seed, f"step/{step}" if rank == part == 0 else f"step/{step}/{rank}.{part}")
            torch.manual_seed(word)
            draw = torch.Generator().manual_seed(word ^ 1)
            batch = self._batch(Sample(*micro), scenes)
            last = part == parts - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                loss, terms = self.method.loss(model, self.method.augment(batch, draw), draw, step / steps)
                self.accelerator.backward(loss / parts)
            for name, value in {"loss": loss.detach(), **terms}.items():
                sums[name] = sums[name] + value / parts if name in sums else value / parts
        learnt = [*model.parameters(), *(self.method.extra.parameters() if self.method.extra else ())]
        if self.processes > 1:
            sums = {name: self.accelerator.reduce(value, "mean") for name, value in sums.items()}
            for p in self.method.extra.parameters() if self.method.extra else ():
                p.grad = self.accelerator.reduce(p.grad, "mean")
        norm = nn.utils.clip_grad_norm_(learnt, self.recipe.clip_gradient or math.inf)
        named = {**sums, "gradient": norm.detach()}
        numbers = dict(zip(named, torch.stack([v.float() for v in named.values()]).tolist(), strict=True))
        if not all(math.isfinite(v) for v in numbers.values()):
            values = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
            hint = "lower --lr and start anew"
            if "reference" in self._entropy() and math.isnan(numbers.get("static_entropy", 0.0)):
                hint = "a probability may have underflowed: start anew with --set entropy=stable, or a lower --lr"
            raise BenchError(f"training stopped at step {step}: not finite ({values}); {self._last_good()}; {hint}")
        optimiser.step()
        return numbers

    def _entropy(self) -> tuple[str, ...]:
        """The forms of entropy that the method's settings name."""
        settings = self.method.settings
        parts = (settings, *(getattr(settings, f.name) for f in dataclasses.fields(settings)))
        return tuple(part.entropy for part in parts if isinstance(getattr(part, "entropy", None), str))

    def _last_good(self) -> str:
        last = self.folder / STATE
        return f"the last good state is {last}" if last.is_file() else "no state was saved yet"

    def _check_finite(self, network: nn.Module, step: int) -> None:
        """BenchError if a weight is not finite: the loss shows it one step later, when they would have been saved."""
        values = [v for v in network.state_dict().values() if v.is_floating_point()]
        if not all(torch.stack([v.isfinite().all() for v in values]).tolist()):
            raise BenchError(
                f"training stopped after step {step}: weights are not finite; {self._last_good()}; lower --lr and "
                "start anew"
            )

    def _batch(self, sample: Sample, scenes: torch.Tensor | None) -> Batch:
        """A batch of the loader as methods take it, on the device."""
        clips, labels, actors = (
            part.to(self.device, non_blocking=True) for part in (sample.clip, sample.label, sample.actors)
        )
        return Batch(
            normalise(clips, self.sampling),
            labels,
            actors=actors.float() / 255 if actors.numel() else None,
            scenes=scenes[sample.video].to(self.device, non_blocking=True) if scenes is not None else None,
        )

    def _resume(self, model: nn.Module, extra: nn.Module | None, optimiser: torch.optim.Optimizer) -> State:
        path = self.folder / STATE
        if not path.is_file():
            return State()
        mend = f"delete {path} to train from the start"
        saved = read_torch_file(path, "state to resume from", mend)
        try:
            model.load_state_dict(saved["model"])
            if extra is not None:
                extra.load_state_dict(saved["extra"])
            optimiser.load_state_dict(saved["optimiser"])
            for parameter, kept in optimiser.state.items():
                if any(v.ndim and v.shape != parameter.shape for v in kept.values() if isinstance(v, torch.Tensor)):
                    raise ValueError("its optimiser is another network's")
            state = State.read(saved["state"], self.folder)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
            raise BenchError(f"{path}: not this run's state ({_one_line(error)}); {mend}") from None
        self.say(f"going on from step {state.step} ({path})")
        return state


def divide(listing: Listing, settings: TrainSettings) -> tuple[list[Video], list[Video]]:
    """The videos to train on, and those kept back for validation.

    Lots belong to (seed, group): clips cut from one filmed scene stay on one side, or validation would see its scenes
    and people in training.
    """
    videos = listing.videos
    if settings.limit is not None:
        lots = {v.id: generator(settings.seed, v.id, "limit").random() for v in videos}
        chosen = sorted(videos, key=lambda v: lots[v.id])[: settings.limit]
        videos = sorted(chosen, key=lambda v: v.id)
    if settings.validation_split is not None:
        return videos, []
    lots = {g: generator(settings.seed, g, "validation").random() for g in {group_of(v) for v in videos}}
    kept = {v.id for v in videos if lots[group_of(v)] < settings.validation}
    return [v for v in videos if v.id not in kept], [v for v in videos if v.id in kept]


@contextlib.contextmanager
def _own_draws(device: torch.device) -> Iterator[None]:
    """Whatever the run draws from torch's global generators, the caller's stay as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _sources(settings: TrainSettings) -> dict[str, Any]:
    """The network and its first weights, for the record: files by their names and digests."""
    model, weights = settings.model_name, settings.weights
    known: dict[str, Any] = {"model": model, "weights": weights}
    if model.startswith(huggingface.PREFIX):
        folder = huggingface.local_folder(model)
        if folder == Path(model.removeprefix(huggingface.PREFIX)).expanduser():
            known["model"] = huggingface.PREFIX + folder.resolve().name
        known["model_sha256"] = huggingface.folder_digest(folder)
    file = Path(weights) if weights else Path()
    file = file / MODEL if weights and file.is_dir() else file
    if weights and file.is_file():
        known |= {"weights": file.name, "weights_sha256": sha256_file(file)}
    return known


def _as_now(found: Any, record: Mapping[str, Any], method: Any, recipe: Recipe) -> Any:
    """An earlier version's record of a run as this one writes it: settings that did not exist have their defaults,
    which do what was done then, and files stand by their names."""
    if not isinstance(found, dict):
        return found
    found = {**found}
    if isinstance(found.get("weights"), str) and not {"weights_sha256", "model_sha256"} & found.keys():
        new = {k: v for k, v in record.items() if k in ("weights_sha256", "model_sha256")}
        found |= new | ({"weights": Path(found["weights"]).name} if "weights_sha256" in new else {})
    for name, settings in (("recipe", recipe), ("method_settings", method)):
        if isinstance(found.get(name), dict):
            found[name] = _with_defaults(found[name], settings)
    if isinstance(found.get("beside"), dict):
        found["beside"] = {k: BEFORE.get(k, v) for k, v in record["beside"].items()} | found["beside"]
        if isinstance(found["beside"].get("masks"), str):
            found["beside"]["masks"] = without_folder(found["beside"]["masks"])
    return found


def _with_defaults(found: dict[str, Any], settings: Any) -> dict[str, Any]:
    made = {f.name: f.default for f in dataclasses.fields(settings) if f.default is not dataclasses.MISSING}
    made = {k: list(v) if isinstance(v, tuple) else v for k, v in made.items()} | found
    for f in dataclasses.fields(settings):  # the parts of a combined method
        if dataclasses.is_dataclass(getattr(settings, f.name)) and isinstance(made.get(f.name), dict):
            made[f.name] = _with_defaults(made[f.name], getattr(settings, f.name))
    return made


def _word(seed: int, variant: str) -> int:
    """A seed for a torch generator, from the project's own."""
    return int(generator(seed, "train", variant).integers(2**62)) * 2


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _exact(precision: str) -> str:
    return precision if precision == "tf32" else "float32"


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
