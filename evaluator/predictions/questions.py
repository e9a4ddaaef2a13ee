"""Answers of video language models to the questions of `bench export --layout qa`.

| file | what is read |
| --- | --- |
| lmms-eval ``*_samples_TASK.jsonl`` (``--log_samples``) | ``filtered_resps``; the id in ``accuracy``, else ``doc_id`` |
| VLMEvalKit ``MODEL_TASK.xlsx``, ``.tsv`` or ``.json`` | ``prediction``; ``id``, else ``index`` |
| tables, JSON and JSON lines of answer texts | ``id`` and ``pred`` |

An answer in which no option is found, or several, is no class: it counts as wrong, as in the harnesses, and is shown.
VLMEvalKit's "Failed to obtain answer …" is no answer: the video is missing.
"""

import hashlib
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark_builder.benchmark.questions import QUESTIONS, RECORD
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import parse_json, read_json
from benchmark_builder.utils.text import counted, letters, read_text
from evaluator.predictions.answers import EMPTY, read_sheet, text_of, video_names
from evaluator.predictions.files import IDS, LISTED, NO_ANSWER, PREDS, Predictions, make_predictions
from evaluator.predictions.mmaction import read_json_file
from evaluator.predictions.tables import EXCEL
from evaluator.testsets import TestSet

FIX = "give the results of lmms-eval (--log_samples) or VLMEvalKit, or columns id,pred with the answers' texts"
# What VLMEvalKit writes in place of an answer if the model (or its API) gave none.
NO_REPLY = re.compile(r"\s*failed to obtain answer\b", re.IGNORECASE)
_TEXTS = ("filtered_resps", "resps", *PREDS, "response", "text")


@dataclass(frozen=True)
class Asked:
    """One question as it was asked: texts and classes of its options in the order of the letters, the right letter."""

    id: str
    video: str
    options: tuple[str, ...]
    classes: tuple[int, ...]
    answer: str


@dataclass(frozen=True, eq=False)
class Questions:
    """The questions about a test set.

    Attributes:
        folder: of the export. asked: by index. choices: options per question. digest: SHA-256 of the questions.
        how: how the wrong options were chosen.
    """

    folder: Path
    asked: list[Asked]
    choices: int
    digest: str
    how: str


def read_questions(folder: Path, test_set: TestSet) -> Questions:
    """The questions in a folder of `bench export --layout qa`.

    Raises:
        BenchError: it is no such folder, its questions are of another benchmark or build, or they are damaged.
    """
    folder = folder.parent if folder.name in (QUESTIONS, RECORD) else folder
    fix = "give the --out folder of `bench export --layout qa`"
    record = read_json(folder / RECORD, "record of questions", fix)
    if not isinstance(record, dict) or not isinstance(record.get("options"), int):
        raise BenchError(f"{folder / RECORD}: is not a record of questions; {fix}")
    if record.get("manifest_sha256") != test_set.digest:
        of = text_of(record.get("benchmark"))[:200]
        raise BenchError(f"--questions {folder}: were made from {of!r}, another build than {test_set.name}; give the "
                         "folder that was exported from it, or export it again")  # fmt: skip
    path = folder / QUESTIONS
    text = read_text(path, "list of questions", fix)
    known = {name: k for k, name in enumerate(test_set.classes)}
    asked = []
    for number, line in enumerate(filter(None, text.split("\n")), 1):
        try:
            doc = parse_json(line)
            options, classes = tuple(map(str, doc["options"])), tuple(known[name] for name in doc["classes"])
            found = Asked(str(doc["id"]), str(doc["video"]), options, classes, str(doc["answer"]))
            wrong = (
                doc["index"] != number - 1
                or len(options) != len(classes) or len({letters(o) for o in options}) != len(options)
                or found.answer not in string.ascii_uppercase[: len(options)]
                or test_set.labels[found.id] != classes[string.ascii_uppercase.index(found.answer)]
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            wrong = True
        if wrong:
            raise BenchError(f"{path}, line {number}: is damaged; export the questions again")
        asked.append(found)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Questions(folder, asked, record["options"], digest, text_of(record.get("wrong_options"))[:500])


@dataclass(frozen=True)
class _Said:
    """One answer in a file: the video by name or the question by index, its text, and what the file says of the
    question, to compare."""

    where: str
    text: str
    name: str | None = None
    index: int | None = None
    answer: str = ""
    options: tuple[str, ...] = ()


def read_answer_texts(path: Path, test_set: TestSet, questions: Questions, allow_missing: bool = False) -> Predictions:
    """Predictions from the answers to questions.

    Args:
        path: the file, see the table above; its order has no effect.
        test_set: the test set.
        questions: the questions that were asked.
        allow_missing: accept questions without an answer in the file, or to which the model gave none
            (:data:`NO_REPLY`).

    Raises:
        BenchError: the file is none of these, answers a question twice or one that was not asked, contradicts the
            questions, or lacks a question.
    """
    by_id = {q.id: q for q in questions.asked}
    names = video_names(test_set, {q.video: q.id for q in questions.asked})
    found: dict[str, _Said] = {}
    for said in _answers(path):
        if said.name is not None:
            ids = names.find(said.name)
            asked = by_id.get(ids[0]) if len(ids) == 1 else None
        else:
            inside = said.index is not None and 0 <= said.index < len(questions.asked)
            asked = questions.asked[said.index] if inside and said.index is not None else None
        if asked is None:
            name = said.index if said.name is None else said.name
            raise BenchError(f"{path}, {said.where}: {name!r} is none of the {len(by_id)} questions in "
                             f"{questions.folder}; give the questions that were asked")  # fmt: skip
        if (said.answer and said.answer != asked.answer) or not _same_options(said.options, asked.options):
            raise BenchError(f"{path}, {said.where}: its options or right answer for {asked.id!r} are not those in "
                             f"{questions.folder}; give the questions that were asked")  # fmt: skip
        if asked.id in found:
            apart = " with different answers" if found[asked.id].text != said.text else ""
            raise BenchError(f"{path}: {asked.id!r} is answered twice{apart}, in {found[asked.id].where} and "
                             f"{said.where}; keep one")  # fmt: skip
        found[asked.id] = said
    failed = sorted(i for i, said in found.items() if NO_REPLY.match(said.text))
    ids_ = sorted(found.keys() - set(failed))
    listed = ", ".join(failed[:LISTED]) + (", …" if len(failed) > LISTED else "")
    if failed and not (allow_missing and ids_):
        fix = "pass --allow-missing to score the rest" if ids_ else "check its log"
        raise BenchError(f"{path}: VLMEvalKit got no answer from the model ({found[failed[0]].text.strip()[:80]!r}) to "
                         f"{len(failed)} of {len(found)} questions: {listed}; run it again, or {fix}")  # fmt: skip
    preds, unread = [], {}
    for video_id in ids_:
        asked, text = by_id[video_id], found[video_id].text
        option = option_of(text, asked.options)
        if option is None:  # the class's own name, such as draw_sword for "drawing a sword"
            own = [k for k, c in enumerate(asked.classes) if letters(test_set.classes[c]) == letters(text) != ""]
            option = own[0] if len(own) == 1 else None
        preds.append(NO_ANSWER if option is None else asked.classes[option])
        if option is None:
            unread[video_id] = text[:500]
    n = questions.choices
    notes = [f"{path}: choices among {n} options per question, chance {100 / n:.2f} %; wrong options: {questions.how} "
             f"(questions {questions.digest[:12]})"]  # fmt: skip
    if failed:
        which = f"{counted(len(failed), 'question')}, counted as missing: {listed}"
        notes.append(f"{path}: VLMEvalKit got no answer to {which}")
    if len(by_id) < len(test_set.labels):
        notes.append(f"{questions.folder}: asks about {len(by_id)} of {len(test_set.labels)} videos")
    labels = np.array([test_set.labels[i] for i in ids_], np.int64)
    return make_predictions(
        str(path), test_set.classes, ids_, labels, None, test_set.labels, allow_missing, preds,
        notes=tuple(notes), unread=unread, choices=n,
    )  # fmt: skip


def _answers(path: Path) -> Iterator[_Said]:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt", ".parquet", *EXCEL):
        if not path.is_file():
            raise BenchError(f"{path}: no such file of answers; name another")
        yield from _table(path)
        return
    if suffix not in (".json", ".jsonl", ".ndjson"):
        raise BenchError(f"{path}: unknown kind of answers {path.suffix!r}; {FIX}")
    value = read_json_file(path)
    if isinstance(value, dict):  # {id: text}
        for k, (name, text) in enumerate(value.items(), 1):
            if isinstance(text, dict):
                yield _record({"id": name, **text}, path, f"entry {k}")
            else:
                yield _Said(f"entry {k}", _one_text(text, path, f"entry {k}"), name)
        return
    if not isinstance(value, list):
        raise BenchError(f"{path}: holds a {type(value).__name__}, not answers; {FIX}")
    word = "entry" if suffix == ".json" else "line"
    for k, entry in enumerate(value, 1):
        if not isinstance(entry, dict):
            raise BenchError(f"{path}, {word} {k}: is not an object with id and pred; {FIX}")
        yield _record(entry, path, f"{word} {k}")


def _table(path: Path) -> Iterator[_Said]:
    sheet = read_sheet(path)
    sheet.check(FIX)
    at_text, at_id, at_index = sheet.column(PREDS), sheet.column(IDS), sheet.column(("index",))
    if at_text is None or (at_id is None and at_index is None):
        have = ", ".join(map(repr, sheet.header[:6])) or "nothing"
        raise BenchError(f"{path}: has no columns id and pred (or prediction) but {have}; {FIX}")
    at_answer = sheet.column(("answer",)) if sheet.column(("question",)) is not None else None
    at_options = [k for k in map(sheet.header.index, _letters_of(sheet.header))] if at_answer is not None else []
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        where = f"{sheet.row_word} {line}"
        name = row[at_id] if at_id is not None else None
        if name is not None and not name.strip():
            raise BenchError(f"{path}, {where}: the id is missing; fill it in, or delete the row")
        index = _whole(row[at_index], path, where) if name is None and at_index is not None else None
        answer = "" if at_answer is None else row[at_answer].strip()
        options = tuple(row[k] for k in at_options)
        yield _Said(where, row[at_text], name, index, answer, options)


def _same_options(said: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether the options in a file, if it has them, are those that were asked. An empty cell says nothing: pandas, and
    so VLMEvalKit, reads options such as "none" as empty."""
    if not said:
        return True
    known = [text for text in said if text.strip().casefold() not in EMPTY]
    return (
        len(said) >= len(asked)
        and len(known) <= len(asked)
        and all(text == option for text, option in zip(said, asked, strict=False) if text in known)
    )


def _letters_of(header: Sequence[str]) -> list[str]:
    """The columns ``A``, ``B``, … of a table, as far as they go without a gap."""
    return [c for k, c in enumerate(string.ascii_uppercase) if set(string.ascii_uppercase[: k + 1]) <= set(header)]


def _record(entry: Mapping[str, object], path: Path, where: str) -> _Said:
    """A record of lmms-eval, of VLMEvalKit, or with id and pred."""
    key = next((key for key in _TEXTS if key in entry), None)
    if key is None:
        keys = ", ".join(map(repr, list(entry)[:8]))
        raise BenchError(f"{path}, {where}: has no answer, only {keys}; {FIX}")
    text = _one_text(entry[key], path, where)
    places = [entry, *(v for v in entry.values() if isinstance(v, dict))]  # lmms-eval: the dict of a metric, or `doc`
    name = next((str(p[k]) for p in places for k in IDS if isinstance(p.get(k), str)), None)
    index = next((entry[k] for k in ("doc_id", "index") if isinstance(entry.get(k), (int, float, str))), None)
    whole = None if name is not None or index is None else _whole(str(index), path, where)
    if name is None and whole is None:
        raise BenchError(f"{path}, {where}: names no video; {FIX}")
    harness = "doc_id" in entry or "question" in entry
    answer = entry.get("target", entry.get("answer")) if harness else None
    options = tuple(text_of(entry[c]) for c in _letters_of(list(entry))) if harness else ()
    return _Said(where, text, name, whole, str(answer).strip() if answer else "", options)


def _one_text(value: object, path: Path, where: str) -> str:
    """The text in nested lists with one element, as the harnesses store it."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, (list, tuple)) and value and all(v == value[0] for v in value):
        value = value[0]
    if value is None or (isinstance(value, float) and value != value) or value == []:
        return ""
    if not isinstance(value, (str, int, float)):
        what = f"a {type(value).__name__} ({str(value)[:60]!r})"
        raise BenchError(f"{path}, {where}: its answer is {what}, not one text; {FIX}")
    return str(value)


def _whole(text: str, path: Path, where: str) -> int:
    try:
        value = float(text)
        if not value.is_integer() or abs(value) > 2**31:
            raise ValueError
    except ValueError:
        raise BenchError(f"{path}, {where}: {text[:40]!r} is not the number of a question; {FIX}") from None
    return int(value)


# Answer texts -----------------------------------------------------------------------------------------------------

# Some chat templates open <think> in the prompt, so that an answer has its end alone.
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TOKENS = re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<(?:eos|end_of_turn|pad)>")  # special tokens that were not left out
_MARKED = re.compile(
    r"<answer>(.*?)(?:</answer>|\Z)|\\boxed\{(?:\\(?:text|textbf|mathrm|mathbf)\{)?([^{}]*)\}",
    re.DOTALL | re.IGNORECASE,
)
_AROUND = "\\s\"'`*_.,:;()\\[\\]{}<>#!-"  # signs around a letter that stands alone
_SIGNS = r"[\s\"'`*_(\[:]*"
_ENDS = rf"(?=[{_AROUND}]*(?:$|\n|[).:\],;*\"'`]|\s(?:because|since|as)\b))"
_WORD = r"\w+(?:['’]\w+)?"
_NEAR = 200  # characters before a place that are searched for a negation
_NO = r"\b(?:not|no|never|neither|nor|rather than|instead of|(?:is|do|does|did|are|was|would|could|can)n?['’]?t)\s+"
_NEGATED = re.compile(rf"{_NO}(?:(?!but\b){_WORD}\s+){{0,2}}$")
_NEGATED_LETTER = re.compile(rf"{_NO}(?:(?!but\b){_WORD}\s+){{0,4}}$")  # "I don't think it is option B"


def option_of(text: str, options: Sequence[str]) -> int | None:
    """The option that an answer chooses, from 0; None if it chooses none, or several.

    Thoughts in ``<think>`` are left out, and the text in ``<answer>`` or ``boxed{}`` stands for the whole. Then, in
    this order: a letter alone (``B``, ``(b)``, ``**B.**``), unless it is the text of another option; the text of an
    option, also with its letter; letters at the start with a sign after them (``B. …``, but no list of several), after
    ``answer is`` or ``option``, or in brackets, if these are one; the one option whose text occurs in the answer; the
    one capital letter in it, if a clause ends with it or says that it is right. What is negated is no choice. If
    letters and texts contradict each other, none.

    Args:
        text: the answer.
        options: the options' texts in the order of their letters, from A.
    """
    text = unicodedata.normalize("NFKC", _TOKENS.sub(" ", _THOUGHTS.sub(" ", text))).strip()
    marked = [next(filter(None, m.groups()), "") for m in _MARKED.finditer(text)]
    if marked:
        text = marked[-1].strip()
    last = string.ascii_uppercase[len(options) - 1]
    alone = re.fullmatch(rf"[{_AROUND}]*([A-{last}a-{last.lower()}])[{_AROUND}]*", text)
    key = letters(text)
    if alone:
        place = _place(alone.group(1))
        # The text "b" of option D, as in an alphabet of signs, is not told from the letter of option B.
        return None if any(o.strip() == alone.group(1) for k, o in enumerate(options) if k != place) else place
    for k, option in enumerate(options):
        if key and key in (letters(option), letters(f"{string.ascii_uppercase[k]}{option}")):
            return k
    named, said = _mentioned(text, options), _said(text, last)
    if len(said) == 1:
        (chosen,) = said
        return chosen if not named or chosen in named else None
    if not said and not named:
        said = _loose(text, last)
        return next(iter(said)) if len(said) == 1 else None
    return next(iter(named)) if not said and len(named) == 1 else None


def _said(text: str, last: str) -> set[int]:
    """The options whose letters, up to ``last``, are written as choices are."""
    listed = re.findall(rf"(?:^|\s)[\"'`*_(\[#-]*([A-{last}])[\"'`*_]*(?:[).:\],;]|\s+[-–—]\s)", text)
    pair = re.match(r"\W*[A-Z]\W{1,4}(?:(?:and|or)\W+)?[A-Z](?:\W|$)(?!\s*[a-z])", text)  # such as "A, B"
    start = rf"\A[\s\"'`*_(\[#]*([A-{last}])[\"'`*_]*(?:[).:\],;]|\s*\n|\s+[-–—]\s)"
    either = f"A-{last}a-{last.lower()}"
    patterns = [
        rf"(?i:\banswer(?:\s+(?:is|would\s+be|should\s+be))?){_SIGNS}(?i:(?:option|choice|letter)\s+)?{_SIGNS}"
        rf"([{either}]){_ENDS}",
        rf"(?i:\b(?:option|choice|letter)(?:\s+(?:is|would\s+be|should\s+be))?){_SIGNS}"
        rf"([A-{last}]\b|[a-{last.lower()}]{_ENDS})",
        rf"\(([A-{last}])\)",
        # A list of several options is no choice.
        *([] if len(set(listed)) > 1 or pair else [start]),
    ]
    found = (m for pattern in patterns for m in re.finditer(pattern, text))
    return {_place(m.group(1)) for m in found if not _negated(text[: m.start()])}


def _loose(text: str, last: str) -> set[int]:
    """The options whose capital letters, up to ``last``, stand alone in a text, if a clause ends with one of them or
    says that it is right. ``A`` before a word is the article."""
    found, chosen = set(), False
    for m in re.finditer(rf"(?<![A-Za-z0-9_'’])([A-{last}])(?![\w'’])", text):
        rest = text[m.end() :]
        if m.group(1) == "A" and re.match(r"\s+(?!(?:and|or|is|because|since)\b)\w", rest):
            continue
        if _negated(text[: m.start()]):
            continue
        found.add(_place(m.group(1)))
        right = re.match(
            r"\s+(?:is|seems|looks)\s+(?:the\s+)?(?:most\s+)?(?:right|correct|best|true|likely|answer)\b", rest
        )
        chosen |= bool(right or re.match(_ENDS, rest))
    return found if chosen else set()


def _negated(before: str) -> bool:
    """Whether the words before a place say that what follows is not so; a negation ends with its clause."""
    clause = re.split(r"[.;!?\n]|,(?=\s)", before[-_NEAR:].casefold())[-1]
    return bool(_NEGATED_LETTER.search(f"{clause.rstrip(' (*_[')} "))


def _place(letter: str) -> int:
    return string.ascii_uppercase.index(letter.upper())


def _mentioned(text: str, options: Sequence[str]) -> set[int]:
    """The options whose texts occur in a text as whole words and are not negated; of overlapping texts the longest."""
    # Words, and a semicolon for every sign that ends a clause, since a negation does not go beyond it.
    plain = " ".join(
        w if w[0].isalnum() or w[0] == "_" else ";" for w in re.findall(rf"{_WORD}|[.,;:!?\n]", text.casefold())
    )
    found = set()
    for k in sorted(range(len(options)), key=lambda k: -len(options[k])):
        words = re.findall(_WORD, options[k].casefold())
        if not words:
            continue
        pattern = re.compile(rf"(?<!\w){'[ ;]+'.join(map(re.escape, words))}(?!\w)")
        if any(not _NEGATED.search(plain[max(0, m.start() - _NEAR) : m.start()]) for m in pattern.finditer(plain)):
            found.add(k)
        plain = pattern.sub("_", plain)  # "jumping" is not found within "jumping jacks"
    return found
