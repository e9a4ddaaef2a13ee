"""Training of a head, and its scores."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted
from evaluator.downstream import need
from evaluator.downstream.anomaly.bags import Bags, batches
from evaluator.downstream.anomaly.base import Bag, Head
from evaluator.downstream.anomaly.settings import HeadSettings

Log = list[dict[str, float | int | None]]


@dataclass
class Trained:
    """A trained head.

    Attributes:
        head: with the weights of ``step``. step: the step that is scored, from 1.
        log: rows of ``step``, ``loss`` (mean since the row before) and ``validation_auc`` (of whole videos).
    """

    head: Head
    step: int
    log: Log = field(default_factory=list)


def train(
    kind: type[Head], settings: HeadSettings, bags: Bags, validation: Bags | None, seed: int, *, name: str,
    device: torch.device, every: int = 50, progress: bool = False,
) -> Trained:  # fmt: skip
    """Train a head.

    Each step has as many normal as abnormal videos, normal ones first, in one pass. Weights, dropout and order follow
    from ``seed``; torch's own generator is as before afterwards. With a validation part, the step with the largest AUC
    of its videos (a video's score is its highest segment's) is kept, of equal ones the first; else the last.

    Raises:
        BenchError: the loss is not finite, the scores have the wrong shape, or the head's code fails.
    """
    size = min(settings.batch, int(bags.abnormal.sum()), int((~bags.abnormal).sum()))
    drawn = [batches(np.flatnonzero(bags.abnormal == kind), size, seed, str(kind)) for kind in (False, True)]
    log: Log = []
    losses: list[float] = []
    best, best_step, kept = -math.inf, settings.steps, None
    with owned(device, seed, "head"), one_line_errors(name):
        head = kind(bags.features.shape[-1], settings).to(device).train()
        optimizer = head.optimizer()
        bar = Bar(range(1, settings.steps + 1), desc=f"{name} seed {seed}", unit="step", disable=not progress)
        for step in bar:
            places = np.concatenate([next(own) for own in drawn])
            found = head(bags.features[torch.from_numpy(places)].to(device))
            _check(found, len(places), bags.features.shape[2], name, step)
            loss = head.loss(Bag(*(x[:size] for x in found)), Bag(*(x[size:] for x in found)))
            value = float(loss.detach())
            if not math.isfinite(value):
                raise BenchError(f"--head {name}: the loss of step {step} is {value}; give a smaller rate with --set "
                                 "lr=…, or look at the features")  # fmt: skip
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(value)
            if step % every == 0 or step == settings.steps:
                row: dict[str, float | int | None] = {"step": step, "loss": float(np.mean(losses))}
                losses.clear()
                if validation is not None:
                    row["validation_auc"] = auc = _video_auc(head, validation, device)
                    if auc > best:
                        best, best_step, kept = auc, step, copy.deepcopy(head.state_dict())
                bar.set_postfix(loss=f"{row['loss']:.3g}", refresh=False)
                log.append(row)
    if kept is not None:
        head.load_state_dict(kept)
    return Trained(head.eval(), best_step, log)


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """Errors of a head's code, which may be the user's, as BenchError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise BenchError(f"--head {name}: does not fit into the GPU memory; give a smaller --set batch=…") from None
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise BenchError(f"--head {name}: its code fails ({type(error).__name__}: {reason}); correct it") from error


@contextmanager
def owned(device: torch.device, seed: int, what: str) -> Iterator[None]:
    """Inside, torch's own generator (of weights and dropout) starts from ``seed``; afterwards it is as before."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(generator(seed, what, "anomaly").integers(2**63)))
        yield


def window_scores(head: Head, features: np.ndarray, device: torch.device) -> np.ndarray:
    """Anomaly scores of a whole video: features (T, crops, D) -> mean over crops, float32 (T,).

    Crops pass the head one after the other, which needs less memory.
    """
    head.eval()
    total = np.zeros(len(features))
    with torch.inference_mode(), one_line_errors(type(head).__name__):
        for crop in range(features.shape[1]):
            found = head(torch.from_numpy(np.ascontiguousarray(features[:, crop]))[None, None].to(device))
            total += found.scores[0].double().cpu().numpy()
    return (total / features.shape[1]).astype(np.float32)


def _video_auc(head: Head, bags: Bags, device: torch.device) -> float:
    head.eval()
    with torch.inference_mode():
        highest = [head(part.to(device)).scores.amax(1).cpu() for part in bags.features.split(32)]
    head.train()
    return float(need("sklearn.metrics").roc_auc_score(bags.abnormal, torch.cat(highest).numpy()))


def _check(found: Bag, videos: int, count: int, name: str, step: int) -> None:
    shape = tuple(getattr(getattr(found, "scores", None), "shape", ()))
    if shape != (videos, count):
        raise BenchError(f"--head {name}: its scores are {shape or type(found).__name__} for "
                         f"{counted(videos, 'video')} of "
                         f"{counted(count, 'segment')}, not ({videos}, {count}); correct its forward")  # fmt: skip
    if not found.scores.isfinite().all():
        raise BenchError(f"--head {name}: its scores are not finite in step {step}; give a smaller rate with --set "
                         "lr=…, or look at the features")  # fmt: skip
