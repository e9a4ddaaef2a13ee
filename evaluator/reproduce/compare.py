"""Compares what was made again with what was recorded: digests and figures."""

from collections.abc import Callable
from pathlib import Path

from benchmark_builder.benchmark.manifest import MANIFEST
from benchmark_builder.utils.files import sha256_file
from evaluator.records import ResultsRecord, read_record
from evaluator.reproduce.steps import Plan
from evaluator.runs import digest_of

Say = Callable[[str], None]


def compared(plan: Plan, record: ResultsRecord | None, say: Say) -> list[str]:
    """What differs, one line each; empty if all that was recorded is equal. ``say`` gets what is equal."""
    found: list[str] = []

    def note(name: str, same: bool, here: object, there: object) -> None:
        if same:
            say(f"equal: {name}")
        else:
            found.append(f"{name}: recorded {there}, here {here}")

    for name, (folder, wanted) in plan.benchmarks.items():
        made = _digest(folder, record)
        note(f"manifest of {name}", made == wanted, made[:16], wanted[:16])
    if plan.checkpoint is not None:
        here = sha256_file(plan.checkpoint) if plan.checkpoint.is_file() else "no checkpoint"
        note("checkpoint", here == plan.sha256, here[:16], plan.sha256[:16])
    if record is not None:
        again = None if plan.results is None else _record_in(plan.results)
        if plan.results is None:
            found.append("results: the plan has no command that scores the model")
        elif again is None:
            found.append(f"results: {plan.results} has no record, or several")
        else:
            found += figures_compared(record, again, say)
    return found


def figures_compared(record: ResultsRecord, again: ResultsRecord, say: Say = lambda line: None) -> list[str]:
    """The test sets and figures of a record that another one does not have exactly, one line each."""
    found = []
    sets = {s.name: s for s in again.sets}
    for s in record.sets:
        here = sets.get(s.name)
        if here is None:
            found.append(f"test set {s.name}: was not scored")
        elif here.digest != s.digest:
            found.append(f"test set {s.name}: recorded digest {s.digest[:16]}, here {here.digest[:16]}")
        elif here.top1.plain() != s.top1.plain():
            found.append(f"accuracy on {s.name}: recorded {s.top1.percent} %, here {here.top1.percent} %")
        else:
            say(f"equal: test set {s.name}, accuracy {s.top1.percent:.2f} %")
    every = [("", record.figures, again.figures)]
    every += [(f" ({split})", figures, again.other.get(split, {})) for split, figures in record.other.items()]
    for where, recorded, made in every:
        for name, figure in recorded.items():
            one = made.get(name)
            if one is None:
                found.append(f"{name}{where}: recorded {figure.percent} %, not measured here")
            elif one.plain() != figure.plain():
                found.append(
                    f"{name}{where}: recorded {figure.percent} % (n {figure.n}, {figure.low} to {figure.high}), "
                    f"here {one.percent} % (n {one.n}, {one.low} to {one.high})"
                )
            else:
                say(f"equal: {name}{where} {figure.percent:.2f} %, and its interval")
    for name, drop in record.drops.items():
        other = again.drops.get(name)
        if other is None or other.plain() != drop.plain():
            here_said = "not measured" if other is None else other.points
            found.append(f"{name}: recorded {drop.points} points, here {here_said}")
    return found


def _digest(folder: Path, record: ResultsRecord | None) -> str:
    if not (folder / MANIFEST).is_file():
        return "no manifest"
    return sha256_file(folder / MANIFEST) if record is None else digest_of(folder, record)


def _record_in(results: Path) -> ResultsRecord | None:
    records = sorted((results / "results").glob("*.json"))
    return read_record(records[0]) if len(records) == 1 else None
