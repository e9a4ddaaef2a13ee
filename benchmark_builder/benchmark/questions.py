"""`bench export --layout qa`: multiple choice questions about the videos of a benchmark, for video language models.

The wrong options are informative: first the class of the donor, where there is one (ConflFG: of the still actor; swap:
of the background's video), then the classes that are nearest to the right one. The folder works by itself, wherever it
is moved: the videos are linked or copied into it, and its files name them by relative paths.

Formats, as read in the code of the harnesses: a task of lmms-eval is a YAML file with ``dataset_path: json``,
``!function`` references to ``utils.py`` alongside, and ``process_results``, which returns a dict per metric; video
questions of VLMEvalKit are a TSV with ``index``, ``video`` (without ``.mp4``), ``question``, ``candidates``, ``A``,
``B``, …, and the letter ``answer``.
"""

import csv
import hashlib
import io
import json
import os
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.benchmark.manifest import Benchmark, Row, read_benchmark
from benchmark_builder.benchmark.question_files import LMMS_UTILS, lmms_yaml, vlmevalkit_dataset
from benchmark_builder.datasets import scored_as
from benchmark_builder.datasets.readable import readable
from benchmark_builder.settings import QuestionSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import copy_whole, read_json, remove_leftovers, write_csv, write_json, write_text
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import FAILURE_COLUMNS, FAILURES
from benchmark_builder.utils.rng import generator
from benchmark_builder.utils.text import counted, letters, read_table
from benchmark_builder.video.digest_cache import require_digest

RECORD, QUESTIONS = "qa.json", "questions.jsonl"
USUAL = 5  # options, where the dataset has as many classes
ASK = "Answer with the letter of the right option only."
NAMES = "names"  # how near classes are by default, see `name_likeness`


@dataclass(frozen=True)
class Question:
    """A question about one video.

    Attributes:
        index: its number, from 0. id: of the video. video: its file, relative to the folder of the export.
        label: the right class; ``classes``: the class of each option, in the order of the letters.
        donor: the letter of the donor's class, or empty.
    """

    index: int
    id: str
    video: str
    label: int
    classes: tuple[int, ...]
    donor: str = ""

    @property
    def answer(self) -> str:
        """The letter of the right option."""
        return string.ascii_uppercase[self.classes.index(self.label)]


@dataclass(frozen=True)
class Exported:
    """What was written: the folder, the questions, failures (rows of failures.csv), and lines for the user."""

    folder: Path
    questions: list[Question]
    failed: list[dict[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def export_questions(source: Path, out: Path, **settings: Any) -> Exported:
    """Write questions about every video of a benchmark. A second call with the same settings does what is missing.

    Args:
        source: a built benchmark whose videos are stored as ``.mp4`` files (layout ``video``).
        out: the folder to write: ``qa.json``, ``questions.jsonl``, ``videos/``, ``lmms_eval/`` and ``vlmevalkit/``.
        settings: fields of :class:`QuestionSettings`.

    Raises:
        BenchError: the benchmark has another layout or fewer classes than options, the table of confusions does not
            fit, or ``out`` holds something else.
    """
    s = QuestionSettings(**settings)
    benchmark = read_benchmark(source)
    layout = benchmark.protocol.layout
    if layout != "video":
        fix = f"`bench export {source} --layout video --out DIR` first, then DIR"
        raise BenchError(f"{source}: its videos are stored as {layout or 'an unknown layout'}; video language models "
                         f"read .mp4 files: {fix}")  # fmt: skip
    phrases = [readable(name, scored_as(benchmark.dataset)) for name in benchmark.classes]
    likeness, how = _likeness(s.confusions, benchmark.classes, phrases)
    count = _options(s.options, phrases)
    record = {
        "format": 1, "benchmark": safe_name(source.resolve().name), "manifest_sha256": benchmark.digest,
        "kind": benchmark.kind, "dataset": benchmark.dataset, "classes": benchmark.classes, "phrases": phrases,
        "options": count, "question": s.question, "ask": ASK, "seed": s.seed, "wrong_options": how,
    }  # fmt: skip
    _claim(out, record)
    rows = sorted(benchmark.rows, key=lambda row: row.id)
    failed, kept = [], []
    for row in Bar(rows, "videos", disable=None, leave=False):
        try:
            _place(benchmark, row, out / video_name(row.id))
            kept.append(row)
        except BenchError as error:
            failed.append({"id": row.id, "kind": "failed", "reason": str(error)})
    donors = benchmark.about.donors != ""
    questions = [ask(k, row, likeness, phrases, count, s.seed, donors) for k, row in enumerate(kept)]
    _write(out, record, questions)
    write_csv(out / FAILURES, FAILURE_COLUMNS, failed)
    return Exported(out, questions, failed, _said(source, out, record, questions))


def ask(
    index: int, row: Row, likeness: np.ndarray, phrases: Sequence[str], count: int, seed: int, donors: bool
) -> Question:
    """The question about one video.

    Args:
        index: its number. row: the video.
        likeness: float (C, C): how near class j is to class i; the largest are taken as wrong options.
        phrases: the options' text per class; two options never have the same letters.
        count: number of options.
        seed: seed of the order of the options, which depends on the video's id alone; so the videos made from one SCUBA
            video have the same order if they have the same options.
        donors: whether the kind has donors.
    """
    first = [row.label] + ([row.donor_label] if donors and row.donor_label not in (None, row.label) else [])
    ranked = np.argsort(-likeness[row.label], kind="stable").tolist()
    chosen: list[int] = []
    for label in (*first, *ranked):
        if label is not None and all(letters(phrases[label]) != letters(phrases[k]) for k in chosen):
            chosen.append(label)
        if len(chosen) == count:
            break
    shuffled = tuple(chosen[k] for k in generator(seed, row.id, "qa").permutation(len(chosen)))
    donor = ""
    if len(first) == 2 and first[1] in shuffled:
        donor = string.ascii_uppercase[shuffled.index(first[1])]
    return Question(index, row.id, video_name(row.id), row.label, shuffled, donor)


def video_name(video_id: str) -> str:
    """The file of a video in an export. It does not show the id, which often has the name of the class: some models are
    given the names of files."""
    return f"videos/{hashlib.sha256(video_id.encode()).hexdigest()[:16]}.mp4"


def name_likeness(phrases: Sequence[str]) -> np.ndarray:
    """How alike class names are, float64 (C, C), 0..1: the Dice coefficient of their sets of letter triples.

    A space is put at both ends of a phrase. Dice, "Measures of the amount of ecologic association", 1945.
    """
    triples = [{f" {p} "[k : k + 3] for k in range(len(p))} for p in (phrase.casefold() for phrase in phrases)]
    return np.array([[2 * len(a & b) / max(1, len(a) + len(b)) for b in triples] for a in triples])


def _options(asked: int | None, phrases: Sequence[str]) -> int:
    different = len({letters(phrase) for phrase in phrases})
    if different < 2:
        raise BenchError("a question needs two classes with different names; this benchmark has one")
    if asked is not None and asked > different:
        raise BenchError(f"--options {asked}: the benchmark has {different} classes with different names; give fewer")
    return asked or min(USUAL, different)


def _likeness(path: Path | None, classes: Sequence[str], phrases: Sequence[str]) -> tuple[np.ndarray, str]:
    """How near classes are (largest: nearest), and how that is called in the record."""
    by_name = name_likeness(phrases)
    if path is None:
        return by_name, f"{NAMES}: Dice coefficient of letter triples of the options' texts, then order of the classes"
    counts = read_confusions(path, classes)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    # Names decide between classes that are confused equally often: their likeness is at most 1, so it is halved.
    return counts + by_name / 2, f"confusions: {path.name} (sha256 {digest[:16]}), then names"


def read_confusions(path: Path, classes: Sequence[str]) -> np.ndarray:
    """How often class j was said for class i, float64 (C, C), the diagonal 0.

    Args:
        path: csv file (commas, semicolons or tabs): columns ``label,pred,count`` in any order, or
            a square table whose first row and column have the names of all classes (rows: true classes).
        classes: names, in label order; compared by letters and digits.

    Raises:
        BenchError: a name is no class or can be two; a count is not a whole number from 0; a class is missing in a
            square table.
    """
    fix = "give columns label,pred,count, or a square table of all classes"
    tables = [read_table(path, "table of confusions", fix, separator) for separator in ",;\t"]
    names, rows = max(tables, key=lambda table: len(table[0]))
    known: dict[str, int] = {}
    for k, name in enumerate(classes):
        if known.setdefault(letters(name), k) != k:
            raise BenchError(f"--confusions {path}: two classes of the benchmark are called {name!r} but for signs")

    def label(text: str, line: int) -> int:
        if letters(text) not in known:
            raise BenchError(f"{path}, line {line}: {text!r} is no class of the benchmark; {fix}")
        return known[letters(text)]

    def number(text: str, line: int) -> int:
        if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) < 16):
            raise BenchError(f"{path}, line {line}: {text!r} is not a whole number from 0; {fix}")
        return int(text)

    found = np.zeros((len(classes), len(classes)))
    for line, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise BenchError(f"{path}, line {line}: {len(row)} cells under {len(names)} columns; {fix}")
    lower = [name.casefold() for name in names]
    if twice := [name for name in ("label", "pred", "count") if lower.count(name) > 1]:
        raise BenchError(f"{path}: has the column {twice[0]!r} twice; keep one")
    if {"label", "pred", "count"} <= set(lower):
        at = [lower.index(name) for name in ("label", "pred", "count")]
        for line, row in enumerate(rows, 2):
            found[label(row[at[0]], line), label(row[at[1]], line)] += number(row[at[2]], line)
    else:
        columns = [label(name, 1) for name in names[1:]]
        labels = [label(row[0], line) for line, row in enumerate(rows, 2)]
        if sorted(columns) != list(range(len(classes))) or sorted(labels) != list(range(len(classes))):
            raise BenchError(f"{path}: its rows and columns are not the {len(classes)} classes, each once; {fix}")
        for line, (true, row) in enumerate(zip(labels, rows, strict=True), 2):
            for said, cell in zip(columns, row[1:], strict=True):
                found[true, said] += number(cell, line)
    np.fill_diagonal(found, 0)
    return found


def _claim(out: Path, record: dict[str, Any]) -> None:
    """Write the record into a new folder; a folder with another record, or with other files, is refused."""
    path = out / RECORD
    if path.is_file():
        old = read_json(path, "record of questions", "choose another --out")
        differ = [k for k in record if not isinstance(old, dict) or old.get(k) != record[k]]
        if differ:
            raise BenchError(f"--out {out}: holds other questions ({', '.join(differ)} differ); choose another folder")
        remove_leftovers(out)
        return
    if out.is_dir() and any(not p.name.startswith(".tmp-") for p in out.iterdir()):
        raise BenchError(f"--out {out}: is not empty and holds no questions; choose another folder")
    if out.exists() and not out.is_dir():
        raise BenchError(f"--out {out}: is a file; choose a folder")
    write_json(path, record)
    remove_leftovers(out)


def _place(benchmark: Benchmark, row: Row, target: Path) -> None:
    """Link or copy a video, compared with its digest."""
    source = benchmark.path(row)
    if source.suffix.lower() != ".mp4" or not source.is_file():
        raise BenchError(f"{source}: no such .mp4 file; build it again")
    if row.file_sha256:
        require_digest(source, row.file_sha256, "build it again")
    if target.is_file() and (target.samefile(source) or _same(source, target)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)  # needs no space; later changes replace files and do not write into them
    except OSError:  # another file system
        copy_whole(source, target)


def _same(a: Path, b: Path) -> bool:
    return a.stat().st_size == b.stat().st_size and a.read_bytes() == b.read_bytes()


def _write(out: Path, record: dict[str, Any], questions: Sequence[Question]) -> None:
    name, phrases, classes = f"albar_bench_{record['benchmark']}", record["phrases"], record["classes"]
    docs, table = [], []
    size = record["options"]
    for q in questions:
        texts = [phrases[k] for k in q.classes]
        options = [f"{letter}. {text}" for letter, text in zip(string.ascii_uppercase, texts, strict=False)]
        docs.append({
            "index": q.index, "id": q.id, "video": q.video, "question": record["question"], "options": texts,
            "classes": [classes[k] for k in q.classes], "answer": q.answer, "donor": q.donor,
        })  # fmt: skip
        stem = q.video.removeprefix("videos/").removesuffix(".mp4")
        table.append([q.index, q.id, stem, f"../{q.video}", record["question"], repr(options), *texts, q.answer])
    jsonl = "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs)
    text = io.StringIO()
    columns = ["index", "id", "video", "video_path", "question", "candidates", *string.ascii_uppercase[:size], "answer"]
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([columns, *table])
    # As other programs look up these cells, they are not changed for the safety of spreadsheets.
    write_text(out / "vlmevalkit" / f"{name}.tsv", text.getvalue())
    module, code = vlmevalkit_dataset(name)
    write_text(out / "vlmevalkit" / module, code)
    write_text(out / "lmms_eval" / QUESTIONS, jsonl)
    write_text(out / "lmms_eval" / "utils.py", LMMS_UTILS)
    write_text(out / "lmms_eval" / f"{name}.yaml", lmms_yaml(name, QUESTIONS, record["ask"]))
    write_text(out / QUESTIONS, jsonl)


def _said(source: Path, out: Path, record: dict[str, Any], questions: Sequence[Question]) -> list[str]:
    spread = [sum(q.answer == letter for q in questions) for letter in string.ascii_uppercase[: record["options"]]]
    letters_said = ", ".join(f"{letter} {n}" for letter, n in zip(string.ascii_uppercase, spread, strict=False))
    donors = sum(q.donor != "" for q in questions)
    name = f"albar_bench_{record['benchmark']}"
    said = [
        f"{out}: {counted(len(questions), 'question')} with {record['options']} options (chance "
        f"{100 / record['options']:.2f} %); "
        f"right letter: {letters_said}",
        f"wrong options: {f'the class of the donor in {donors}; ' if donors else ''}nearest classes by "
        f"{record['wrong_options']}",
        f"lmms-eval: cd {out / 'lmms_eval'} && python -m lmms_eval --include_path . --tasks {name} --log_samples "
        "--output_path logs --model …",
        f"VLMEvalKit: {out / 'vlmevalkit' / f'{name}.tsv'} (docs/qa.md says how to register it)",
        f"then: bench score ANSWERS --questions {out} --benchmark {source}",
    ]
    return said
