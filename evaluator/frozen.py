"""`bench eval --protocol NAME`: evaluation by a frozen protocol (:mod:`benchmark_builder.frozen`)."""

from collections.abc import Sequence

from benchmark_builder.frozen import differences, frozen
from benchmark_builder.utils.errors import BenchError
from evaluator.metrics.names import HEADINGS
from evaluator.options import EvalOptions
from evaluator.records import ResultsRecord
from evaluator.testsets import TestSet


def by_protocol(options: EvalOptions) -> EvalOptions:
    """The options with what the protocol decides.

    Raises:
        BenchError: there is no such frozen protocol, or an option differs from it.
    """
    name = str(options.protocol)
    known = frozen(name)
    said = known.evaluation
    model = options.model
    for option, given, wanted in (
        ("--views", model.views, said["views"]), ("--crops", model.crops, said["crops"]),
        ("--seed", options.seed, said["seed"]), ("--cluster", options.cluster, said["cluster"]),
        ("--iid", options.iid, said["iid"]), ("--split", options.split, known.split),
        ("--fold", options.fold, known.fold), ("--limit", options.limit, None), ("--subset", options.subset, None),
    ):  # fmt: skip
        if given is not None and given != wanted:
            fix = "leave it out" if wanted is None or option == "--iid" else f"leave it out, or give {wanted}"
            raise BenchError(f"{option} {given}: is not that of --protocol {name}; {fix}")
    return options.model_copy(
        update={"model": model.model_copy(update={"views": said["views"], "crops": said["crops"]})}
    )


def require_protocol(name: str, sets: Sequence[TestSet]) -> None:
    """Raise BenchError if a benchmark is not that of the protocol, or one is missing that its headline needs."""
    known = frozen(name)
    for s in sets:
        if s.benchmark is not None and (found := differences(s.benchmark, known)):
            raise BenchError(f"--protocol {name}: {found[0]}; build it with `bench build KIND --protocol {name}`")
    lacking = [kind for kind in known.kinds if kind not in {s.kind for s in sets}]
    if lacking:
        raise BenchError(
            f"--protocol {name}: needs {', '.join(known.kinds)}, but {', '.join(lacking)} is missing; build it with "
            f"`bench build {lacking[0]} --protocol {name}`, and name all with --benchmarks"
        )


def headline(name: str, record: ResultsRecord) -> str:
    """The figures that are quoted, on one line."""
    parts = []
    for figure in frozen(name).headline:
        found = record.figures.get(figure)
        heading, arrow = HEADINGS[figure]
        parts.append(f"{heading} {arrow} " + ("not measured" if found is None else f"{found.percent:.1f}"))
    return f"{name}: {', '.join(parts)}"
