"""Training of a probe: features of a frozen network, then many heads at once, of which the best is kept."""

import contextlib
import inspect
import math
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from albar.clips.clips import normalise
from albar.data.dataset import Order
from albar.data.features import CutVideos, Features, FeatureStore, Wanted, feature_folder, network_digest
from albar.methods.probe import Probe, ProbeSettings
from albar.models import huggingface, is_own
from albar.models.heads import find_head, head_name, logits_and_features
from albar.models.token_network import AttentivePool, TokenNetwork, attentive_settings
from albar.models.tokens import token_map
from albar.models.weights import read_torch_file
from albar.training.cost import BACKWARD, FORWARD
from albar.training.logs import Logs, epoch_line
from albar.training.network import Say, check_network, first_network
from albar.training.optimizer import set_rate
from albar.training.probe_heads import Heads, Scale, cross_entropies, put_linear, scale_of, unscaled
from albar.training.run import Run, seed_of
from albar.training.run_folder import one_line
from albar.training.settings import TrainSettings
from albar.training.split import said_validation
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file, write_csv
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.weights import write_torch_file

T = TypeVar("T")

PROBES = "probes.csv"
COLUMNS = ["epoch", "lr", "weight_decay", "ce", "val_acc", "val_ce", "chosen"]
# Settings of a run that a probe has no use for; each would change something in the training of a network.
_UNUSED = (
    "lr", "backbone_lr", "optimiser", "momentum", "weight_decay", "decay", "accumulate", "clip_gradient", "dropout",
    "compile",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of every head for one epoch, in the order of the heads: losses in nats, accuracy in percent."""

    ce: list[float]
    val_acc: list[float]
    val_ce: list[float]


class ProbeRun(Run):
    """A run of ``probe``. Its folder has probes.csv in addition: the figures of every head after every epoch.

    The backbone is in evaluation mode: no dropout, no update of running statistics, no gradient.
    """

    def __init__(self, settings: TrainSettings, say: Say) -> None:
        given = [name for name in _UNUSED if getattr(settings, name) not in (None, 0, False)]
        if given:
            raise BenchError(
                f"a probe does not use --{given[0].replace('_', '-')}; leave it out. Rates and weight decays of its "
                "heads: --set lr=[0.01,0.001] and --set weight_decay=[0.1]"
            )
        if settings.weights is None and settings.model_name.startswith(huggingface.PREFIX):
            settings = settings.replaced(weights=huggingface.PRETRAINED)
        if settings.weights is None:
            raise BenchError(
                f"a probe needs a trained network, but {settings.model_name} would have random weights; give "
                "--weights: a model.ckpt, a file of weights, or the name of published ones (KINETICS400_V1)"
            )
        super().__init__(settings, say)
        if self.processes > 1:
            raise BenchError("a probe is trained by one process; start it without `accelerate launch`")
        if not isinstance(self.method, Probe):
            raise TypeError(self.method)
        self.probe: ProbeSettings = self.method.settings
        if not self.kept_back and len(self._grid()) > 1:
            raise BenchError(
                f"the best of {len(self._grid())} heads is chosen on validation videos, and there are none; raise "
                "--validation, or give one --set lr= and one --set weight_decay="
            )

    def _grid(self) -> list[tuple[float, float]]:
        """(learning rate, weight decay) of each head."""
        return list(product(self.probe.rates, self.probe.weight_decay))

    def fit(self) -> None:
        s, p = self.settings, self.probe
        torch.manual_seed(seed_of(s.seed, "weights"))
        backbone = first_network(s, self.classes, self._say_weights).to(self.device).eval().requires_grad_(False)
        clip = torch.zeros(1, 3, self.sampling.frames, self.sampling.size, self.sampling.size, device=self.device)
        check_network(backbone, s.model_name, clip, len(self.classes))
        training, validating = self._features(backbone)
        heads = self._heads(training)
        scale = scale_of(training) if p.head == "linear" else None
        self.say(
            f"training {len(heads.each)} {p.head} heads on features {tuple(training.shape)} of {len(self.videos)} "
            f"videos ({len(self.kept_back)} kept back): {self.recipe.epochs} epochs, {self.device.type}"
        )
        self.say(said_validation(s, self.videos, self.kept_back))
        self.write_places()
        best = self._train(heads, training, validating, scale)
        self.network = self._network(backbone, heads.each[best], scale)
        # Per clip that the heads see. The backbone sees each stored clip once.
        self._save_checkpoint({FORWARD: p.clips / self.recipe.epochs, BACKWARD: 0.0})
        self.say(f"wrote {self.folder.checkpoint}")

    def _say_weights(self, line: str) -> None:
        """What is said of the weights, but for the new head, which a probe has anyway."""
        if "the head starts with random weights" not in line:
            self.say(line.removesuffix(", its head too"))

    def _features(self, backbone: nn.Module) -> tuple[Features, Features | None]:
        """Features of the training clips and of the validation videos."""
        s, p = self.settings, self.probe
        tokens = p.head == "attentive"
        head = head_name(backbone)

        @torch.no_grad()
        def compute(clips: torch.Tensor) -> torch.Tensor:
            x = normalise(clips.to(self.device, non_blocking=True), self.sampling)
            with self.accelerator.autocast():
                made = token_map(backbone, x) if tokens else logits_and_features(backbone, x)[1]
            return made.float().cpu()

        if tokens:
            compute(torch.zeros(1, 3, self.sampling.frames, self.sampling.size, self.sampling.size, dtype=torch.uint8))
        key = {
            "format": 1,
            "features": "tokens" if tokens else "pooled",
            "model": self.record.model,
            "network": network_digest(backbone, f"{head}."),
            "architecture": getattr(backbone, "architecture", {}),
            **({"code": sha256_file(Path(inspect.getfile(type(backbone))))} if is_own(s.model_name) else {}),
            "clip": self.sampling.to_dict(),
            "seed": s.seed,
            "precision": self.record.precision,
        }
        place = s.features or s.folder.parent / "features"
        name = f"{s.dataset}-{self.record.model}-{key['features']}"
        store = FeatureStore(feature_folder(place, name, key), key)
        wanted = [Wanted(v, p.clips) for v in self.videos] + [Wanted(v, 0) for v in self.kept_back]
        cut = CutVideos(wanted, self.sampling, s.seed)
        workers = s.workers if s.workers is not None else self._usual_workers()
        paths, made = store.fill(wanted, cut, compute, tokens, workers, s.progress)
        size = sum(path.stat().st_size for path in paths) / 2**20
        self.say(f"features: {size:.1f} MiB in {store.folder}, {made} of {len(paths)} videos computed now")
        n = len(self.videos)
        training = Features(paths[:n], [p.clips] * n, s.cache_mb)
        return training, Features(paths[n:], [1] * (len(paths) - n), s.cache_mb) if self.kept_back else None

    def _heads(self, training: Features) -> Heads:
        width = int(training.shape[-1])
        linear = nn.Linear(width, len(self.classes))
        torch.manual_seed(seed_of(self.settings.seed, "head"))
        if self.probe.head == "linear":
            nn.init.zeros_(linear.weight)
            parts: list[tuple[str, nn.Module]] = [("head", linear)]
        else:
            said = self._token_head(width)
            nn.init.trunc_normal_(linear.weight, std=0.02)
            pool = AttentivePool(width, int(str(said["heads"])), self.probe.blocks)
            parts = [("pool", pool), ("head", linear)]
        nn.init.zeros_(linear.bias)
        return Heads(nn.Sequential(OrderedDict(parts)), len(self._grid())).to(self.device)

    def _token_head(self, width: int) -> dict[str, object]:
        return attentive_settings(width, self.probe.heads, self.probe.blocks)

    def _train(self, heads: Heads, training: Features, validating: Features | None, scale: Scale | None) -> int:
        """Train the heads to the end; returns the index of the best."""
        r, s, grid = self.recipe, self.settings, self._grid()
        groups = [
            {"params": list(head.parameters()), "factor": lr, "lr": lr, "weight_decay": decay}
            for head, (lr, decay) in zip(heads.each, grid, strict=True)
        ]
        optimiser = torch.optim.AdamW(groups)
        rows = self._resume(heads, optimiser)
        done = len(rows)
        order = Order(len(training), r.batch, r.epochs, s.seed, done * (len(training) // r.batch))
        per_epoch, labels = order.steps_per_epoch, torch.tensor([v.label for v in self.videos])
        stream = _ahead((keys, training.batch([k for _, k in keys], keys[0][0])) for keys in order)
        logs = Logs(self.folder.path, self.accelerator, s.trackers, self.record.plain())
        shown = Bar(total=r.epochs, initial=done, desc=f"probe s{s.seed}", unit="epoch", disable=not s.progress)
        began = time.monotonic()
        with logs, shown as bar, contextlib.closing(stream):
            for epoch in range(done, r.epochs):
                total = torch.zeros(len(grid), device=self.device)
                for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
                    keys, features = next(stream)
                    set_rate(optimiser, r, r.progress(step, per_epoch * r.epochs))
                    optimiser.zero_grad(set_to_none=True)
                    wanted = labels[[k for _, k in keys]].to(self.device)
                    each = cross_entropies(heads(self._input(features, scale)), wanted)
                    each.sum().backward()  # the gradient of a head is that of its own loss alone
                    optimiser.step()
                    total += each.detach()
                rows.append(self._validated((total / per_epoch).tolist(), heads, validating, scale))
                best = best_of(rows[-1])
                logs.epoch(_summary(rows, epoch, best), [_summary(rows, k, best_of(f)) for k, f in enumerate(rows)])
                self._write_probes(rows)
                self._save_heads(heads, optimiser, rows)
                left = (time.monotonic() - began) / (epoch + 1 - done) * (r.epochs - epoch - 1)
                with Bar.external_write_mode():
                    self.say(epoch_line(_summary(rows, epoch, best), r.epochs, left, loss="ce"))
                bar.set_postfix(val_acc=f"{rows[-1].val_acc[best]:.1f}", refresh=False)
                bar.update()
        self._write_probes(rows)  # a run that was stopped after its last state may lack it
        best = best_of(rows[-1])
        lr, decay = grid[best]
        found = f", {rows[-1].val_acc[best]:.1f} % of {len(self.kept_back)} validation videos right"
        self.say(f"best of {len(grid)} heads: lr {lr:g}, weight decay {decay:g}{found if validating else ''}")
        return best

    def _input(self, features: torch.Tensor, scale: Scale | None) -> torch.Tensor:
        """What the heads get: features on the device; for linear heads with mean 0 and deviation 1."""
        if scale is not None:
            features = (features - scale.mean) / scale.deviation
        return features.to(self.device, non_blocking=True)

    @torch.no_grad()
    def _validated(self, ce: list[float], heads: Heads, validating: Features | None, scale: Scale | None) -> Figures:
        """The figures of an epoch, with ``ce`` of the training clips."""
        if validating is None:
            return Figures(ce, [math.nan] * len(ce), [math.nan] * len(ce))
        labels = torch.tensor([v.label for v in self.kept_back], device=self.device)
        parts = [heads(self._input(part, scale)) for part in validating.parts(self.recipe.batch)]
        logits = torch.cat(parts, dim=1)  # (heads, videos, classes)
        right = (logits.argmax(2) == labels).float().mean(1)
        return Figures(ce, (100 * right).tolist(), cross_entropies(logits, labels).tolist())

    def _write_probes(self, rows: Sequence[Figures]) -> None:
        """probes.csv: a row per epoch and head; ``chosen`` marks the one that is kept, once all epochs are done."""
        finished = best_of(rows[-1]) if len(rows) == self.recipe.epochs else None
        table = [
            {"epoch": epoch, "lr": lr, "weight_decay": decay, "ce": found.ce[k],
             **({"val_acc": found.val_acc[k], "val_ce": found.val_ce[k]} if self.kept_back else {}),
             "chosen": "yes" if epoch == len(rows) and k == finished else ""}
            for epoch, found in enumerate(rows, 1)
            for k, (lr, decay) in enumerate(self._grid())
        ]  # fmt: skip
        write_csv(self.folder.path / PROBES, COLUMNS, table)

    def _save_heads(self, heads: Heads, optimiser: torch.optim.Optimizer, rows: Sequence[Figures]) -> None:
        state = {
            "rows": [asdict(row) for row in rows],
            "heads": heads.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        write_torch_file(self.folder.state, state)

    def _resume(self, heads: Heads, optimiser: torch.optim.Optimizer) -> list[Figures]:
        """Load the saved state into heads and optimiser; returns the figures of the finished epochs.

        Raises:
            BenchError: the saved state cannot be read, or belongs to another run.
        """
        path = self.folder.state
        if not path.is_file():
            return []
        fix = f"delete {path} to train the heads from the start"
        saved = read_torch_file(path, "state to resume from", fix)
        try:
            rows = [Figures(**row) for row in saved["rows"]]
            lists = [values for row in rows for values in (row.ce, row.val_acc, row.val_ce)]
            if not (1 <= len(rows) <= self.recipe.epochs and all(_is_row(v, len(heads.each)) for v in lists)):
                raise ValueError("its entry 'rows' is malformed")
            heads.load_state_dict(saved["heads"])
            optimiser.load_state_dict(saved["optimiser"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BenchError(f"{path}: not this run's state ({one_line(error)}); {fix}") from None
        self.say(f"continuing after epoch {len(rows)} ({path})")
        return rows

    def _network(self, backbone: nn.Module, head: nn.Module, scale: Scale | None) -> nn.Module:
        """The network with the trained head; scores clips like any other."""
        if scale is None:
            width = int(head.get_submodule("head").weight.shape[1])  # type: ignore[index]
            made = TokenNetwork(backbone, self._token_head(width), len(self.classes)).to(self.device)
            made.pool.load_state_dict(head.get_submodule("pool").state_dict())
            made.head.load_state_dict(head.get_submodule("head").state_dict())
            return made.eval()
        linear = head.get_submodule("head")
        assert isinstance(linear, nn.Linear)
        put_linear(find_head(backbone), *unscaled(linear, scale))
        return backbone


def best_of(found: Figures) -> int:
    """The head with the highest validation accuracy; of equal ones that with the lowest validation loss, then the
    first. Without validation videos: the one head that there is.

    Raises:
        BenchError: the loss of every head is not finite.
    """
    usable = [k for k, ce in enumerate(found.ce) if math.isfinite(ce) and not math.isinf(found.val_ce[k])]
    if not usable:
        raise BenchError("the loss of every head is not finite; lower the rates, --set lr=[…], in a new folder")
    return max(usable, key=lambda k: (found.val_acc[k], -found.val_ce[k])) if len(found.ce) > 1 else 0


def _summary(rows: Sequence[Figures], epoch: int, best: int) -> dict[str, float]:
    """A row of metrics.csv: the figures of the best head of an epoch."""
    found = rows[epoch]
    row: dict[str, float] = {"epoch": epoch + 1, "ce": found.ce[best]}
    validated = not math.isnan(found.val_acc[best])
    return row | ({"val_acc": found.val_acc[best], "val_ce": found.val_ce[best]} if validated else {})


def _is_row(values: object, heads: int) -> bool:
    return isinstance(values, list) and len(values) == heads and all(isinstance(v, float) for v in values)


def _ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The items, the next one read in another thread while one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
