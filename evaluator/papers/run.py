"""Runs a plan: inspect, masks, benchmarks, trainings and evaluations, the table. Every step can be resumed."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from albar.methods import make_method
from albar.training.settings import read_configs
from benchmark_builder.audit.inspect import inspect_dataset
from benchmark_builder.builders import Run, build_kind, build_scuba
from benchmark_builder.masks import KINDS as MASK_KINDS
from benchmark_builder.segment import segment
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, write_json
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import sole_run
from benchmark_builder.utils.text import counted
from evaluator.compare_methods import compare_methods
from evaluator.options import Sweep
from evaluator.papers.needs import Places, look, missing
from evaluator.papers.plan import INSPECT, PaperPlan
from evaluator.papers.table import write_table
from evaluator.reports.report import report

SCENES = "scenes"  # the need for the network that says the scenes of training videos
RECORD, TABLE, PAGE = "paper.json", "paper.csv", "report.html"
FORMAT = 1
Say = Callable[[str], None]


@dataclass(frozen=True)
class PaperRun:
    """One run of a plan.

    Attributes:
        plan: without the parts that are left out. left_out: these parts.
        out: the folder for everything. places: where the needs are.
        tiny: run on the small copies. workers: processes for videos; None: one per core.
        training: settings of all trainings, such as the device. jobs: trainings side by side.
    """

    plan: PaperPlan
    out: Path
    places: Places
    left_out: tuple[str, ...] = ()
    tiny: bool = False
    workers: int | None = None
    jobs: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    progress: bool = True

    @property
    def masks(self) -> str | None:
        """The mask source of SCUBA; None: the protocol's."""
        actors = self.plan.actors
        named = self.places.named("masks")
        chosen = (actors.tiny_masks if self.tiny else "") or actors.masks
        return f"{chosen}:{named}" if chosen and named else chosen or None

    @property
    def benchmarks(self) -> dict[tuple[str, str], Path]:
        """(background set, kind) -> the folder of its benchmark; SCUBA first."""
        kinds = ("scuba", *self.plan.kinds)
        return {(b, kind): self.out / "benchmarks" / f"{b}-{safe_name(kind)}" for b in self.plan.backgrounds
                for kind in kinds}  # fmt: skip

    @property
    def steps(self) -> list[str]:
        """The steps that apply, in order, in words."""
        plan = self.plan
        found = [f"inspect {' and '.join(self.plan.datasets)}"] if INSPECT not in self.left_out else []
        if plan.actors.segment:
            found.append(f"masks of {plan.actors.dataset} ({self.masks or plan.actors.protocol})")
        if self.of_actors:
            found.append(f"masks of {plan.dataset}'s training videos, for {' and '.join(self.of_actors)}")
        return [
            *found,
            f"{counted(len(self.benchmarks), 'benchmark')}: {', '.join(plan.backgrounds)} × "
            f"{', '.join(('scuba', *plan.kinds))}",
            f"{counted(len(plan.methods) * plan.seeds, 'training')}: {len(plan.methods)} methods × "
            f"{counted(plan.seeds, 'seed')}; evaluation",
            "table and report, next to the published rows",
        ]

    @property
    def of_actors(self) -> list[str]:
        """The methods that need masks of the training videos."""
        return [m for m in self.plan.methods if "actors" in make_method(m, "finetune", {}).needs]


def check_scenes(run: PaperRun) -> None:
    """Raise BenchError if a method of the plan needs scenes and the plan does not say where they are from."""
    wanting = next((m for m in run.plan.methods if "scenes" in make_method(m, "finetune", {}).needs), None)
    if wanting is None or run.plan.dataset == "synthactions":
        return
    need = next((need for need in run.plan.needs if need.name == SCENES), None)
    if need is None or (need.only_for and wanting not in need.only_for):
        raise BenchError(
            f"{run.plan.name}: {wanting} needs a Places365 network, which the plan does not name; add [[needs]] with "
            f'name = "{SCENES}", kind = "weights", place = "places365-resnet18", only_for = ["{wanting}"] '
            "(docs/papers.md)"
        )


def run_paper(run: PaperRun, say: Say) -> Path:
    """Run the plan; finished parts are kept. Returns the table.

    Raises:
        BenchError: a need is missing, ``run.out`` belongs to another plan, a step failed, or some trainings failed (the
            table then has the others).
    """
    check_scenes(run)
    lost = missing(look(run.plan, run.places))
    if lost:
        first = lost[0]
        parts = f", or leave its parts out: --without {' '.join(first.need.only_for)}" if first.need.only_for else ""
        names = ", ".join(one.need.name for one in lost)
        raise BenchError(
            f"{run.plan.name}: missing: {names}. {first.need.name} ({first.path}): {first.said}; or give its place "
            f"with --have {first.need.name}=PATH{parts}"
        )
    with sole_run(run.out, run.out / ".paper.lock", "another `bench paper` is at work here"):
        _claim(run)
        return _run(run, say)


def _run(run: PaperRun, say: Say) -> Path:
    steps = iter(enumerate(run.steps, 1))

    def title() -> None:
        number, text = next(steps)
        say(f"\n[{number}/{len(run.steps)}] {text}")

    if INSPECT not in run.left_out:
        title()
        _inspect(run, say)
    quiet = Run(workers=run.workers, progress=run.progress, say=say)
    actors = run.plan.actors
    masks = run.masks
    if actors.segment:
        title()
        stored = run.out / "masks"
        segment(actors.dataset, run.places.root(actors.dataset), actors.split, run.plan.fold, protocol=actors.protocol,
                masks=masks, out=stored, run=quiet, options=_prompts(run))  # fmt: skip
        masks = f"stored:{stored}"
    training_masks = None
    if run.of_actors:
        title()
        training_masks = _training_masks(run, quiet)
    title()
    _build(run, masks, quiet, say)
    title()
    failures = _train(run, training_masks, say)
    title()
    table = write_table(run.out / TABLE, run.plan, run.out / "compare" / "results", _also(run, say))
    page = report([run.out / "compare"], run.out / PAGE, root=run.places.root(run.plan.dataset),
                  published=run.plan.published, title=run.plan.title)  # fmt: skip
    say(f"table     {table}\nreport    {page}")
    if failures:
        raise BenchError(
            f"{run.out}: {counted(len(failures), 'training')} failed, and the table is without them; the first: "
            f"{failures[0]}; "
            "fix the cause and run the command again"
        )
    return table


def _prompts(run: PaperRun) -> dict[str, str]:
    """The boxes that prompt the masks, if the user has named their file."""
    boxes = run.places.given("boxes")
    return {"prompts": f"ucf101-24:{boxes}"} if boxes and not run.tiny else {}


def _claim(run: PaperRun) -> None:
    """Write what runs here; raise BenchError if the folder belongs to another plan."""
    path = run.out / RECORD
    record = {
        "format": FORMAT,
        "plan": run.plan.model_dump(mode="json", exclude={"needs", "counts"}),
        "left_out": sorted(set(run.left_out)),
        "masks": run.masks and MASK_KINDS.kind(run.masks),
        "tiny": run.tiny,
    }
    if path.is_file():
        fix = "give another --out, or delete the folder"
        found = read_json(path, "record of `bench paper`", fix)
        if found == record:
            return
        if other := _other(found, record):
            raise BenchError(f"{path}: this folder belongs to a run with another {other}; {fix}")
    write_json(path, record)


def _both(key: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    return f"{key} ({theirs.get(key)!r:.80} there, {ours[key]!r:.80} here)"


def _other(found: Any, record: Mapping[str, Any]) -> str:
    """What differs between two records, in words: ``left_out ([] there, ['vqgan'] here)``; empty: only more seeds."""
    if not isinstance(found, dict):
        return "record"
    theirs, ours = found.get("plan"), record["plan"]
    said = [_both(k, found, record) for k in record if k != "plan" and found.get(k) != record[k]]
    if not isinstance(theirs, dict):
        return " and ".join([*said, "plan"])
    # What is left out changes the plan, too; that is already said.
    if found.get("left_out") == record["left_out"]:
        seeds = theirs.get("seeds")
        more = isinstance(seeds, int) and seeds <= ours["seeds"]
        said += [_both(k, theirs, ours) for k in ours if theirs.get(k) != ours[k] and not (more and k == "seeds")]
    return " and ".join(said)


def _inspect(run: PaperRun, say: Say) -> None:
    for dataset in run.plan.datasets:
        path = run.out / f"inspect-{safe_name(dataset)}.csv"
        if path.is_file():
            say(f"{path}: inspected before")
            continue
        found = inspect_dataset(dataset, run.places.root(dataset), "all", run.plan.fold, run.workers)
        found.write(path)
        bad = len(found.of("missing")) + len(found.of("unreadable")) + len(found.of("unusable"))
        told = "all can be used" if found.fine else f"{bad} are missing or cannot be used, {path} lists them"
        say(f"{dataset}: {counted(len(found.videos), 'video')}; {told}")


def _training_masks(run: PaperRun, quiet: Run) -> str:
    stored = run.out / "training-masks"
    plan = run.plan
    segment(plan.dataset, run.places.root(plan.dataset), "train", plan.fold, out=stored, run=quiet,
            masks=run.masks if plan.actors.dataset == plan.dataset else None)  # fmt: skip
    return f"stored:{stored}"


def _build(run: PaperRun, masks: str | None, quiet: Run, say: Say) -> None:
    """Build every benchmark; a line that several builds have in common, such as changed settings, is said once."""
    plan, told = run.plan, set[str]()
    root = run.places.root(plan.actors.dataset)

    def once(line: str) -> None:
        if line not in told:
            say(line)
        told.add(line)

    quiet = dataclasses.replace(quiet, say=once)
    for number, ((background, kind), folder) in enumerate(run.benchmarks.items(), 1):
        say(f"  {number} of {len(run.benchmarks)}: {folder.name}")
        if kind == "scuba":
            place = run.places.named(background)
            spec = plan.backgrounds[background]
            build_scuba(
                plan.actors.dataset, root, plan.actors.split, plan.fold, protocol=plan.actors.protocol, masks=masks,
                backgrounds=f"{spec}:{place}" if place else spec, out=folder, run=quiet,
            )  # fmt: skip
        else:
            build_kind(kind, run.benchmarks[background, "scuba"], root=root, out=folder, run=quiet)


def _train(run: PaperRun, training_masks: str | None, say: Say) -> tuple[str, ...]:
    plan = run.plan
    training, by_method = read_configs(Path(plan.recipe))
    training |= {"root": run.places.root(plan.dataset), "fold": plan.fold, **run.training}
    if training_masks:
        training["masks"] = training_masks
    if places := run.places.named(SCENES):
        training["places"] = places
    if run.tiny:
        training = {k: v for k, v in training.items() if k != "weights"} | plan.tiny
        by_method = {m: {k: v for k, v in t.items() if k not in plan.tiny} for m, t in by_method.items()}
    sweep = Sweep(
        methods=tuple(plan.methods), seeds=tuple(range(plan.seeds)), training=training,
        by_method={m: t for m, t in by_method.items() if m in plan.methods}, clips=plan.clips, split=plan.test,
        benchmarks=tuple(run.benchmarks.values()), out=run.out / "compare", jobs=run.jobs, source=Path(plan.recipe),
    )  # fmt: skip
    return compare_methods(sweep, say).failures


def _also(run: PaperRun, say: Say) -> dict[str, Path]:
    """Score every network on the further datasets: column of the published table -> results folder."""
    from evaluator.evaluate import EvalOptions, evaluate
    from evaluator.models import ModelOptions

    found = {}
    for dataset, column in run.plan.also.items():
        results = run.out / "compare" / f"also-{safe_name(dataset)}"
        found[column] = results
        for method in run.plan.methods:
            for seed in range(run.plan.seeds):
                checkpoint = run.out / "compare" / "runs" / f"{safe_name(method)}-s{seed}" / "model.ckpt"
                if checkpoint.is_file():
                    clips = ModelOptions(clip=run.plan.clips)
                    options = EvalOptions(model=clips, dataset=dataset, root=run.places.root(dataset), progress=False,
                                          device=run.training.get("device", "auto"))  # fmt: skip
                    evaluate(checkpoint, (), results, options, lambda line: None)
                    say(f"{dataset}: {method}, seed {seed} scored")
    return found
