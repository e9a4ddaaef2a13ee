"""`bench publish RESULTS`: the leaderboard, records and predictions of an evaluation, with a card, for others."""

import datetime
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from benchmark_builder.benchmark.protocol_record import PROTOCOL
from benchmark_builder.publishing.card import REFERENCES, Facts, citation, code, front_matter
from benchmark_builder.publishing.croissant import croissant
from benchmark_builder.publishing.folder import new_folder
from benchmark_builder.publishing.licences import UNKNOWN
from benchmark_builder.publishing.publish import Published, publish_benchmark
from benchmark_builder.publishing.record import CARD, CITATION, CROISSANT, PUBLICATION, Publication, without_folders
from benchmark_builder.settings import PublishSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import copy_whole, inside, write_json, write_text
from benchmark_builder.utils.text import counted, shown
from evaluator.metrics.names import HEADINGS, ordered
from evaluator.records import ResultsRecord, read_record, write_record
from evaluator.reports import leaderboard
from evaluator.runs import find_records

_PLACES = ("folder", "folder_relative", "root", "root_relative")  # of the machine where the model was scored


def publish_any(source: Path, settings: PublishSettings, version: str, progress: bool = True) -> Published:
    """Publish a built benchmark, or results.

    Raises:
        BenchError: as :func:`~benchmark_builder.publishing.publish.publish_benchmark` and :func:`publish_results`.
    """
    if not source.is_dir():
        raise BenchError(f"{source}: no such folder; give a built benchmark, or an --out folder of `bench eval`")
    if (source / PROTOCOL).is_file():
        return publish_benchmark(source, settings, version, progress)
    return publish_results(source, settings, version)


def publish_results(folder: Path, settings: PublishSettings, version: str) -> Published:
    """Publish the results in an ``--out`` folder of `bench eval`, `bench score` or `bench compare`.

    Paths of this machine are left out of the records; of a checkpoint its name stays, with its digest. No pixels, masks
    or weights are published.

    Raises:
        BenchError: the folder has no records, a record or its predictions are not readable, an option is for benchmarks
            only, or ``out`` has content. Nothing is written then.
    """
    for name in ("with_pixels", "backgrounds", "archive_size", "scuba"):
        if getattr(settings, name) is not None:
            raise BenchError(
                f"--{name.replace('_', '-')}: is for a benchmark, and {folder} contains results; leave it out"
            )
    paths = find_records([folder])
    records = [(path, read_record(path)) for path in paths]
    title = settings.title or f"Results on {', '.join(sorted({record.dataset for _, record in records}))}"
    facts = Facts(
        title=title, authors=settings.authors or ("The authors of these results",), url=settings.url,
        date=settings.date or datetime.datetime.now(datetime.UTC).date().isoformat(),
        licence=settings.licence or "unknown", source_licence=UNKNOWN, pixels=False, asked=False, sheet=False,
        data_files=[leaderboard.NAME], version=version,
    )  # fmt: skip
    with new_folder(settings.out) as new:
        tables: list[str] = []
        for path, record in records:
            base = path.absolute().parent.parent
            for name in _predictions(record):
                source = inside(base, name)
                if not source.is_file():
                    raise BenchError(f"{path}: its predictions {shown(name)} are not there; score the model again")
                if name not in tables:
                    copy_whole(source, inside(new, name))
                    tables.append(name)
            clean = without_places(record)
            write_record(new / "results" / path.name, clean)
            leaderboard.update(new / leaderboard.NAME, clean)
        write_text(new / CARD, _card(facts, [record for _, record in records]))
        write_text(new / CITATION, citation(facts, _cited(records)))
        csvs = [name for name in tables if name.endswith(".csv")]
        about = f"Leaderboard, records and predictions of {counted(len(records), 'evaluation')} with albar-bench."
        others = [f"results/{path.name}" for path in paths] + [name for name in tables if not name.endswith(".csv")]
        write_json(new / CROISSANT, croissant(new, facts, about, [leaderboard.NAME, *csvs], others))
        made = Publication(what="results", title=title)
        write_json(new / PUBLICATION, {**made.plain(), "format": Publication.FORMAT, "version": version})
    return Published(settings.out, len(records), False, 0, [], "results")


def without_places(record: ResultsRecord) -> ResultsRecord:
    """A record without the paths of the machine where the model was scored, and without its command line."""
    said = record.plain()
    sets = said["sets"]
    assert isinstance(sets, list)
    said["sets"] = [{k: v for k, v in s.items() if k not in _PLACES} for s in sets]
    if isinstance(said.get("iid"), dict):
        said["iid"] = {k: v for k, v in said["iid"].items() if k not in _PLACES}  # type: ignore[attr-defined]
    said["checkpoint"] = PurePath(record.checkpoint.replace("\\", "/")).name
    said.pop("command", None)
    said = _cleaned(said)
    return ResultsRecord.of(said, "the published record")


def _cleaned(value: Any) -> Any:
    """Plain JSON values with texts as :func:`without_folders` gives them."""
    if isinstance(value, str):
        return without_folders(value)
    if isinstance(value, dict):
        return {name: _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _predictions(record: ResultsRecord) -> list[str]:
    named = [s.predictions for s in record.sets] + [t.predictions for t in record.timed]
    named += [s.scenes.predictions for s in record.sets if s.scenes is not None]
    return [name for name in named if name is not None]


def _cited(records: Sequence[tuple[Path, ResultsRecord]]) -> list[str]:
    datasets = sorted({record.dataset for _, record in records})
    return ["stillmix", "albar", *(name for name in datasets if name in REFERENCES)]


def _card(facts: Facts, records: Sequence[ResultsRecord]) -> str:
    measured = ordered({name for record in records for name in record.figures if name in HEADINGS})
    head = "| dataset | method | model | seed | " + " | ".join(" ".join(HEADINGS[name]) for name in measured) + " |"
    lines = [head, "| " + " | ".join(["---"] * (4 + len(measured))) + " |"]
    for record in records:
        cells = [code(record.dataset), code(record.method), code(record.model or "unknown"), code(record.seed)]
        for name in measured:
            one = record.figures.get(name)
            cells.append("" if one is None else f"{one.percent:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    parts = [
        front_matter(facts, len(records), ["static-bias", "action-recognition", "leaderboard"]),
        f"# {shown(facts.title).replace('<', '&lt;')}\n",
        "How much networks for action recognition rely on the background and on the look of people instead of on "
        "motion. Figures are percentages; intervals and counts are in `leaderboard.csv`.\n",
        *lines,
        "\n## Files\n",
        "- `leaderboard.csv`: a row per model: figures, 95 % intervals, counts, digests of the videos",
        "- `results/`: the record of each evaluation; `predictions/`: one row per video with label and scores",
        "- `croissant.json`, `CITATION.cff`; `checksums.sha256` for `sha256sum -c checksums.sha256`\n",
        "Figures are comparable only if the digests in the column `manifests` are equal. All of them can be computed "
        "again from the predictions: `bench score --help`.\n",
        f"Made with albar-bench {facts.version}.",
    ]
    return "\n".join(parts) + "\n"
