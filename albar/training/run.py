"""The training loop for all methods: :meth:`Run.fit`, :meth:`Run.train_epoch`, :meth:`Run.train_step`."""

import contextlib
import importlib.metadata
import math
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from albar.checkpoint import entries, own_checkpoint, save_checkpoint
from albar.clips.clips import normalise, odd_resize
from albar.data.dataset import ClipDataset, FrameCache, Order, Sample, batches
from albar.methods import Batch, Method, make_method
from albar.models.heads import drop_features, find_head
from albar.training.accelerator import compiled, make_accelerator
from albar.training.cost import Passes, over_epochs
from albar.training.extras import gather, scenes_of
from albar.training.logs import Logs, epoch_line
from albar.training.network import Say, check_network, first_network
from albar.training.optimizer import make_optimiser, set_rate
from albar.training.places import write_places
from albar.training.run_folder import RunFolder
from albar.training.run_record import RunRecord, digest
from albar.training.settings import BEST, EXACT, LAST, TrainSettings
from albar.training.split import chosen_by_list, divide, said_validation
from albar.training.validation import watch
from benchmark_builder.datasets import dataset_root, read_dataset
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.malloc import NETWORKS, keep_freed
from benchmark_builder.utils.pool import default_workers
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted, shown

# The settings of a checkpoint that say which data it was trained on.
_DATA = ("split", "fold", "limit", "subset", "model", "weights", "weights_sha256", "started_from")


class Run:
    """One training run: data, network, optimiser and state.

    ``fit`` trains it: ``train_epoch`` for each epoch, which calls ``train_step`` for each batch.
    """

    def __init__(self, settings: TrainSettings, say: Say) -> None:
        self.settings, self.recipe, self.sampling = settings, settings.recipe, settings.clip_sampling
        self.folder = RunFolder(settings.folder)
        self.accelerator = make_accelerator(settings.device, settings.precision, settings.folder)
        self.device, self.main = self.accelerator.device, self.accelerator.is_main_process
        self.processes = self.accelerator.num_processes
        self.say: Say = say if self.main else lambda line: None
        if (odd := odd_resize(settings.named_sampling, settings.clip)) is not None:
            self.say(f"--clip {odd}")
        if self.device.type == "cpu" and settings.model is None and settings.model_name != "small3d":
            self.say(f"no GPU: {settings.model_name} takes very long on a CPU; --model small3d is made for it")
        self.method = make_method(settings.method, settings.preset_name, settings.options)
        self._read_videos()
        settings = self.settings
        self.recipe = self.recipe.scaled(self.step_clips)
        bf16 = self.accelerator.mixed_precision == "bf16"
        precision = "bf16" if bf16 else "tf32" if settings.precision == "tf32" else "float32"
        self.record = RunRecord.of_run(
            settings, self.method, self.videos, self.kept_back, self.processes, precision, self.chosen
        )

    def _read_videos(self) -> None:
        """Read the classes, the videos for training and those for validation."""
        s = self.settings
        listing = read_dataset(s.dataset, s.root, s.split, s.fold)
        for note in listing.notes:
            self.say(note)
        listing, self.chosen = chosen_by_list(listing, s)
        if self.chosen is not None:
            self.say(self.chosen.message)
        if listing.missing:
            raise BenchError(
                f"{s.dataset}, split {s.split!r}: {counted(len(listing.missing), 'video is', 'videos are')} missing, "
                f"first "
                f"{listing.missing[0]}; complete the dataset"
            )
        for line in listing.summary():  # videos with unusable names; the others are used
            self.say(line)
        self.classes = listing.classes
        if len(self.classes) < 2:
            raise BenchError(
                f"{dataset_root(s.dataset, s.root)}: has one class ({shown(self.classes[0])}); training needs two or "
                "more class folders with videos"
            )
        if listing.validation and s.validation is None and s.validation_split is None:
            s = self.settings = s.replaced(validation_split=listing.validation)
        self.videos, self.kept_back = divide(listing, s)
        if s.validation_split is not None:
            held_out = read_dataset(s.dataset, s.root, s.validation_split, s.fold)
            for line in (*held_out.notes, *held_out.summary()):
                self.say(f"{s.validation_split}: {line}")
            self.kept_back = held_out.videos
        if BEST in s.kept and not self.kept_back:
            raise BenchError(
                f"--keep {s.keep}: no video of {s.dataset} was drawn for validation; raise --validation, or give "
                "--validation-split"
            )
        self.step_clips = self.recipe.batch * self.recipe.accumulate * self.processes
        most = len(self.videos) // (self.recipe.accumulate * self.processes)
        if s.batch is None and 0 < most < self.recipe.batch:
            self.say(f"batch {most} instead of the preset's {self.recipe.batch}: there are only "
                     f"{counted(len(self.videos), 'training video')}")  # fmt: skip
            s = self.settings = s.replaced(batch=most)
            self.recipe, self.step_clips = s.recipe, most * self.recipe.accumulate * self.processes
        if len(self.videos) < self.step_clips:
            raise BenchError(
                f"{s.dataset} has {counted(len(self.videos), 'training video')}, fewer than the {self.step_clips} of "
                f"a step; "
                "lower --batch"
            )

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.accelerator.wait_for_everyone()

    def fit(self) -> None:
        """Train to the end and write the checkpoint."""
        s = self.settings
        if self.device.type == "cpu":
            keep_freed(NETWORKS)
        self._prepare()
        self.say(
            f"training {s.method} on {counted(len(self.videos), 'video')} of {s.name or s.dataset} "
            f"({len(self.kept_back)} kept back): {s.model_name}, preset {s.preset_name}, "
            f"{counted(self.recipe.epochs, 'epoch')} of {counted(self.epoch_steps, 'step')}, {self.device.type}"
        )
        self.say(said_validation(s, self.videos, self.kept_back))
        self.write_places()
        pin = self.device.type == "cuda" and self.settings.decode == EXACT
        stream = batches(self.training, self.order, self.training_workers, pin=pin)
        logs = Logs(self.folder.path, self.accelerator, s.trackers, self.record.plain())
        began, started = time.monotonic(), self.state.step
        with self._bar() as bar, contextlib.closing(stream), logs:
            while self.state.step < self.steps:
                self.train_epoch(stream, logs, bar)
                if self.main:
                    each = (time.monotonic() - began) / (self.state.step - started)
                    with Bar.external_write_mode():
                        self.say(
                            epoch_line(self.state.rows[-1], self.recipe.epochs, each * (self.steps - self.state.step))
                        )
        if self.main:
            self._write_checkpoints()
        self.wait()
        idle = 100 * self.waited / max(time.monotonic() - began, 1e-9)
        self.say(f"wrote {self.folder.checkpoint} ({idle:.1f} % of the time spent waiting for clips)")

    def write_places(self) -> None:
        """Write what helps to use the run later: where its data are, and the ids of the validation videos."""
        if self.main:
            drawn = self.kept_back if self.settings.validation_split is None else []
            write_places(self.folder.path, self.settings, [v.id for v in drawn])

    def _prepare(self) -> None:
        """Prepare the loop: network, data of the method, optimiser, saved state, clips."""
        s, r = self.settings, self.recipe
        torch.manual_seed(seed_of(s.seed, "weights"))
        self.network = first_network(s, self.classes, self.say).to(self.device)
        extras = gather(self.method, s, self.videos, self.device)
        for note in extras.notes:
            self.say(note)
        clip = torch.zeros(1, 3, self.sampling.frames, self.sampling.size, self.sampling.size, device=self.device)
        check_network(self.network, s.model_name, clip, len(self.classes))
        companions = extras.companions(len(self.classes), s)
        self.network = self.method.adapted(self.network, clip, companions)
        drop_features(self.network, s.dropout)
        self.method.prepare(self.network, clip, companions)
        head, extra = find_head(self.network), self.method.extra
        self.optimiser = make_optimiser(r, self.network, head, extra, self.method.extra_lr)
        self.state = self.folder.resume(self.network, extra, self.optimiser)
        if self.folder.state.is_file():
            self.say(f"continuing from step {self.state.step} ({self.folder.state})")
        self.model: nn.Module = self.accelerator.prepare_model(self.network)
        if s.compile:
            self.model = compiled(self.model, twice=self.method.double_backward)
        self.scenes, self.scenes_kept_back = extras.scenes, None
        if self.kept_back and type(self.method).watched is not Method.watched and extras.scenes is not None:
            self.scenes_kept_back = scenes_of(s, self.kept_back, self.device)
        self._read_clips()
        self.training.actors = extras.actors
        share = (self.accelerator.process_index, self.processes)
        self.order = Order(len(self.training), self.step_clips, r.epochs, s.seed, self.state.step, share)
        self.epoch_steps = self.order.steps_per_epoch
        self.steps = self.epoch_steps * r.epochs
        self._save_epoch()
        self.waited = 0.0
        self.passes = Passes(self.model, clip.shape[1:])
        self.model.train()

    def _read_clips(self) -> None:
        """The clips for training and for validation; decoded frames are kept in memory if they fit."""
        s = self.settings
        self.workers = self.training_workers = s.workers if s.workers is not None else self._usual_workers()
        exact = s.decode == EXACT
        cache = FrameCache(self.videos, s.cache_mb if exact else 0, s.progress)
        if not exact and self.device.type != "cpu":  # this process decodes on the GPU
            self.training_workers = 0
        on = None if exact else self.device
        self.training = ClipDataset(self.videos, self.sampling, s.seed, train=True, cache=cache, torchcodec_on=on)
        self.validating: ClipDataset | None = None
        if self.kept_back:
            held = FrameCache(self.kept_back, s.cache_mb, s.progress) if cache.frames is not None else None
            self.validating = ClipDataset(self.kept_back, self.sampling, s.seed, train=False, cache=held)

    def _usual_workers(self) -> int:
        return max(1, default_workers() // self.processes) if self.device.type == "cuda" else 0

    def _bar(self) -> "Bar[Any]":
        hidden = not (self.settings.progress and self.main)
        name = f"{self.settings.method} s{self.settings.seed}"
        return Bar(total=self.steps, initial=self.state.step, desc=name, unit="step", disable=hidden)

    def train_epoch(self, stream: Iterator[Sample], logs: Logs, bar: "Bar[object]") -> None:
        """Train to the end of the present epoch; then validate, write a row of metrics.csv, and save the state.

        Args:
            stream: the batches, starting with the run's next step.
            logs, bar: logs and progress bar, which get the terms of each step.
        """
        save_steps = self.settings.save_steps
        self.passes.restart()
        for _ in range(self.state.step % self.epoch_steps, self.epoch_steps):
            sample = self._next(stream)
            terms = self.train_step(sample)
            passes = self.passes.taken(len(sample.label))
            self.state.count(terms | passes, len(sample.label) * self.processes)
            logs.step(self.state.step, terms)
            bar.set_postfix({name: f"{value:.3g}" for name, value in terms.items()}, refresh=False)
            bar.update()
            ended = self.state.step % self.epoch_steps == 0
            if self.main and save_steps and self.state.step % save_steps == 0 and not ended:
                self._save()
        if self.main:
            seen = watch(self.network, self.validating, self.sampling, self.recipe.batch, self.workers, self.device,
                         self.method, self.scenes_kept_back)  # fmt: skip
            rate = self.optimiser.param_groups[0]["lr"]
            logs.epoch(self.state.end_epoch(self.state.step // self.epoch_steps, rate, seen), self.state.rows)
            self._save()
            self._save_epoch()

    def _next(self, stream: Iterator[Sample]) -> Sample:
        """The next batch; the waiting time is added to the state."""
        asked = time.monotonic()
        sample = next(stream)
        self.waited += time.monotonic() - asked
        return sample

    def _save(self) -> None:
        epochs = self.state.step / self.epoch_steps
        about = entries(**self._checkpoint(over_epochs(self.state.rows), trained_epochs=epochs))
        self.folder.save(self.state, self.network, self.method.extra, self.optimiser, about)

    def _save_epoch(self) -> None:
        """Store the weights of the epoch that just ended, if they are to be kept.

        This happens after the state was saved: a run that was killed in between stores them when it continues.
        """
        ended = self.state.step % self.epoch_steps == 0 and bool(self.state.rows)
        if not self.main or not ended:
            return
        last, every = int(self.state.rows[-1]["epoch"]), self.settings.kept_every
        if BEST in self.settings.kept and self.state.best_epoch() == last and self.folder.best_epoch() != last:
            self.folder.save_best(self.network, last)
        if every and last % every == 0 and not (path := self.folder.of_epoch(last)).is_file():
            save_checkpoint(path, **self._checkpoint(over_epochs(self.state.rows), trained_epochs=last))

    def _write_checkpoints(self) -> None:
        """Write model.ckpt, and the other of the last and the best epoch if it is to be kept too."""
        cost, every = over_epochs(self.state.rows), self.settings.kept_every
        if every and every > self.recipe.epochs:
            self.say(f"--keep every:{every}: kept none, the run has {counted(self.recipe.epochs, 'epoch')}")
        first, *others = [word for word in self.settings.kept if word in (LAST, BEST)] or [LAST]
        if others == [LAST]:  # before the best weights are loaded
            self._save_checkpoint(cost, path=self.folder.path / f"{LAST}.ckpt")
        if others == [BEST]:
            last = {name: value.clone() for name, value in self.network.state_dict().items()}
            self._save_checkpoint(cost, self._kept(BEST), self.folder.path / f"{BEST}.ckpt")
            self.network.load_state_dict(last)
        self._save_checkpoint(cost, self._kept(first))

    def _kept(self, which: str) -> int | None:
        """Load the weights that a checkpoint gets; returns their epoch, or None for the last."""
        if which != BEST:
            return None
        epoch = self.state.best_epoch()
        self.folder.load_best(self.network, epoch)
        accuracy = self.state.rows[epoch - 1]["val_acc"]
        self.say(f"kept: epoch {epoch} of {self.recipe.epochs}, {accuracy:.1f} % of the validation videos right")
        return epoch

    def train_step(self, sample: Sample) -> dict[str, float]:
        """Update the weights once; returns the terms of the loss, as means over forward passes and processes.

        Raises:
            BenchError: a term or the gradient is not finite; the weights are then not updated.
        """
        set_rate(self.optimiser, self.recipe, self.recipe.progress(self.state.step, self.steps))
        self.optimiser.zero_grad(set_to_none=True)
        terms = self._gradients(sample)
        learnt = [*self.model.parameters(), *(self.method.extra.parameters() if self.method.extra else ())]
        norm = nn.utils.clip_grad_norm_(learnt, self.recipe.clip_gradient or math.inf)
        named = {**terms, "gradient": norm.detach()}
        numbers = dict(zip(named, torch.stack([v.float() for v in named.values()]).tolist(), strict=True))
        self._check_finite(numbers)
        self.optimiser.step()
        return numbers

    @contextlib.contextmanager
    def _twice(self) -> Iterator[None]:
        """For a method that differentiates gradients: torch's own attention is computed in the way that allows it.

        Raises:
            BenchError: an operation of the network does not allow it.
        """
        if not self.method.double_backward:
            yield
            return
        try:
            with sdpa_kernel(SDPBackend.MATH):
                yield
        except (RuntimeError, NotImplementedError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
            if "derivative for" not in reason and "differentiat" not in reason:
                raise
            raise BenchError(
                f"--model {self.settings.model_name}: cannot be differentiated twice ({reason[:200]}), which the "
                f"gradient penalty of {self.settings.method} needs; use operations of torch that can, or --set gp=0"
            ) from error

    def _gradients(self, sample: Sample) -> dict[str, torch.Tensor]:
        """Forward and backward passes of one step: adds up the gradients, returns the loss and its terms."""
        step, parts, rank = self.state.step, self.recipe.accumulate, self.accelerator.process_index
        sums: dict[str, torch.Tensor] = {}
        for part, micro in enumerate(zip(*(field.split(self.recipe.batch) for field in sample), strict=True)):
            # Every pass has its own seeds, so a resumed run needs no state of a generator: dropout uses torch's global
            # generator, methods use their own.
            word = seed_of(self.settings.seed, f"step/{step}" if rank == part == 0 else f"step/{step}/{rank}.{part}")
            torch.manual_seed(word)
            draw = torch.Generator().manual_seed(word ^ 1)
            batch = self.method.augment(self._batch(Sample(*micro)), draw)
            last = part == parts - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.model), self._twice():
                loss, terms = self.method.loss(self.model, batch, draw, step / self.steps)
                self.accelerator.backward(loss / parts)
            for name, value in {"loss": loss.detach(), **terms}.items():
                sums[name] = sums[name] + value / parts if name in sums else value / parts
        if self.processes > 1:
            sums = {name: self.accelerator.reduce(value, "mean") for name, value in sums.items()}
            for p in self.method.extra.parameters() if self.method.extra else ():
                p.grad = self.accelerator.reduce(p.grad, "mean")
        return sums

    def _batch(self, sample: Sample) -> Batch:
        """A batch of the loader, on the device and in the form that methods take."""
        clips, labels, actors = (
            part.to(self.device, non_blocking=True) for part in (sample.clip, sample.label, sample.actors)
        )
        scenes = self.scenes[sample.video].to(self.device, non_blocking=True) if self.scenes is not None else None
        masks = actors.float() / 255 if actors.numel() else None
        return Batch(normalise(clips, self.sampling), labels, actors=masks, scenes=scenes)

    def _check_finite(self, numbers: dict[str, float]) -> None:
        if all(math.isfinite(v) for v in numbers.values()):
            return
        values = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
        fix = "lower --lr and start again in a new folder"
        if "reference" in self._entropy() and math.isnan(numbers.get("static_entropy", 0.0)):
            fix = "a probability may have underflowed: use --set entropy=stable or a lower --lr, in a new folder"
        raise BenchError(
            f"training stopped at step {self.state.step}: not finite ({values}); {self.folder.last_good()}; {fix}"
        )

    def _entropy(self) -> tuple[str, ...]:
        """The forms of entropy in the method's settings."""
        settings = self.method.settings
        parts = (settings, *(getattr(settings, name) for name in settings.setting_names()))
        return tuple(part.entropy for part in parts if isinstance(getattr(part, "entropy", None), str))

    def _save_checkpoint(self, cost: Mapping[str, float], epoch: int | None = None, path: Path | None = None) -> None:
        """Write the checkpoint; ``epoch``: the one whose weights were kept, None for the last; ``path``: where, None
        for model.ckpt."""
        said = {} if epoch is None else {"kept_epoch": epoch}
        save_checkpoint(path or self.folder.checkpoint, **self._checkpoint(cost, **said))

    def _checkpoint(self, cost: Mapping[str, float], **more: object) -> dict[str, Any]:
        """The arguments of :func:`~albar.checkpoint.entries`; ``more``: further entries of its settings."""
        record = self.record.plain()
        digests = {"settings": digest(record), "training_videos": self.record.training_videos or "", **_versions()}
        record |= more
        record |= self._started_from
        return {
            "network": self.network,
            "model": self.record.model or self.settings.model_name,
            "method": safe_name(self.settings.method),
            "dataset": safe_name(self.settings.dataset),
            "classes": self.classes,
            "sampling": self.sampling,
            "settings": record,
            "digests": digests,
            "cost": cost,
        }

    @cached_property
    def _started_from(self) -> dict[str, object]:
        return started_from(self.settings)


def started_from(settings: TrainSettings) -> dict[str, object]:
    """``started_from``: dataset and settings of the checkpoint that a run starts from, so that all its training data
    are known later; empty where it starts from something else, or the file is gone."""
    try:
        own = own_checkpoint(Path(settings.weights)) if settings.weights else None
    except BenchError:  # damaged since the run began
        own = None
    if own is None:
        return {}
    return {"started_from": {"dataset": own.dataset, "settings": {k: v for k, v in own.settings.items() if k in _DATA}}}


def seed_of(seed: int, variant: str) -> int:
    """A seed for a torch generator, drawn from the project's own generator."""
    return int(generator(seed, "train", variant).integers(2**62)) * 2


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("torch", "torchvision")}
