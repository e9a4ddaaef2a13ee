"""The texts of a published folder: the dataset card (README.md), and CITATION.cff.

Names come from datasets and users, so in Markdown every one is code, and in YAML a quoted JSON text.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark_builder.benchmark.manifest import Benchmark
from benchmark_builder.publishing.licences import Licence
from benchmark_builder.publishing.terms import SPDX
from benchmark_builder.utils.text import counted, shown

# References as (title, authors, year, where); what a benchmark of a kind or a dataset should cite.
REFERENCES: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "stillmix": (
        "Mitigating and Evaluating Static Bias of Action Representations in the Background and the Foreground",
        ("Haoxin Li", "Yuan Liu", "Hanwang Zhang", "Boyang Li"), 2023, "ICCV",
    ),
    "albar": (
        "ALBAR: Adversarial Learning approach to mitigate Biases in Action Recognition",
        ("Joseph Fioresi", "Ishan Rajendrakumar Dave", "Mubarak Shah"), 2025, "ICLR",
    ),
    "hat": (
        "Enabling Detailed Action Recognition Evaluation Through Video Dataset Augmentation",
        ("Jihoon Chung", "Yu Wu", "Olga Russakovsky"), 2022, "NeurIPS Datasets and Benchmarks",
    ),
    "ucf101": (
        "UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild",
        ("Khurram Soomro", "Amir Roshan Zamir", "Mubarak Shah"), 2012, "arXiv:1212.0402",
    ),
    "hmdb51": (
        "HMDB: A large video database for human motion recognition",
        ("Hildegard Kuehne", "Hueihan Jhuang", "Estibaliz Garrote", "Tomaso Poggio", "Thomas Serre"), 2011, "ICCV",
    ),
    "jhmdb": (
        "Towards Understanding Action Recognition",
        ("Hueihan Jhuang", "Juergen Gall", "Silvia Zuffi", "Cordelia Schmid", "Michael J. Black"), 2013, "ICCV",
    ),
    "kinetics400": (
        "The Kinetics Human Action Video Dataset",
        ("Will Kay", "Joao Carreira", "Karen Simonyan", "Andrew Zisserman"), 2017, "arXiv:1705.06950",
    ),
}  # fmt: skip
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**9, "1M<n<10M"))


@dataclass(frozen=True)
class Facts:
    """What the texts say.

    Attributes:
        title, authors, url, date, licence: of the published folder; ``licence`` as in the Hub's list, such as ``mit``.
        source_licence: of the dataset's videos. pixels: whether videos are in the folder; ``asked``: because the user
            said so, not the licence.
        sheet: whether there is a picture. data_files: what the Hub loads; empty without videos.
        version: of the toolkit.
    """

    title: str
    authors: Sequence[str]
    url: str
    date: str
    licence: str
    source_licence: Licence
    pixels: bool
    asked: bool
    sheet: bool
    data_files: Sequence[str]
    version: str


def code(text: object) -> str:
    """Text from others as code in Markdown: no markup in it has an effect."""
    plain = shown(text).replace("|", "¦")
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") or not plain.strip() else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def yaml_text(text: object) -> str:
    """Text as a quoted YAML scalar; a JSON text is one."""
    return json.dumps(shown(text))


def references(benchmark: Benchmark) -> list[str]:
    """Keys of :data:`REFERENCES` that a benchmark should cite."""
    hat = benchmark.kind in ("human-only", "background-only", "swap")
    of_dataset = benchmark.dataset.removeprefix("hat-")
    return [*(["hat"] if hat else ["stillmix", "albar"]), *([of_dataset] if of_dataset in REFERENCES else [])]


def front_matter(facts: Facts, count: int, tags: Sequence[str], task: str = "video-classification") -> str:
    """The YAML block of a dataset card, as the Hugging Face Hub reads it."""
    size = next(words for most, words in _SIZES if count < most) if count < 10**9 else "n>1B"
    lines = ["---", f"pretty_name: {yaml_text(facts.title)}", f"license: {facts.licence}"]
    lines += ["task_categories:", f"- {task}", "size_categories:", f"- {yaml_text(size)}"]
    lines += ["tags:", *(f"- {yaml_text(tag)}" for tag in tags)]
    if facts.data_files:
        lines += ["configs:", "- config_name: default", "  data_files:", "  - split: test", "    path:"]
        lines += [f"    - {yaml_text(name)}" for name in facts.data_files]
    else:
        lines += ["viewer: false"]
    return "\n".join([*lines, "---", ""])


def card(benchmark: Benchmark, facts: Facts) -> str:
    """README.md of a published benchmark."""
    p, rows = benchmark.protocol, benchmark.rows
    head = front_matter(facts, len(rows), ["static-bias", "action-recognition", benchmark.kind, "video"])
    sources = len({row.source_id for row in rows})
    classes = Counter(row.class_name for row in rows)
    changes = ", ".join(sorted(p.protocol.changes)) or "none"
    parts = [
        f"{head}\n# {shown(facts.title).replace('<', '&lt;')}\n",
        f"Test videos of the kind **{benchmark.about.title}** ({benchmark.about.explained}). They measure how much a "
        "network for action recognition relies on the background and on the look of people instead of on motion.\n",
        "![Frames of some videos](sheet.png)\n" if facts.sheet else "",
        "## Content\n",
        "| | |\n| --- | --- |",
        f"| videos | {len(rows)}, of {counted(sources, 'source video')} |",
        f"| classes | {len(classes)} of {len(benchmark.classes)} of the dataset |",
        f"| frames | {sum(row.frames for row in rows)}; {min(r.frames for r in rows)} to "
        f"{max(r.frames for r in rows)} per video |",
        f"| dataset | {code(benchmark.dataset)}, split {code(p.split)} |",
        f"| licence of the dataset's videos | {facts.source_licence.name}: {facts.source_licence.note} |",
        f"| masks | {code(p.masks.kind or 'none recorded')} |",
        f"| backgrounds | {code(benchmark.background_set)} ({code(p.backgrounds.kind or 'kind not recorded')}) |",
        f"| protocol | {code(p.protocol.name or 'not recorded')}, rules {benchmark.version}; changed settings: "
        f"{code(changes)} |",
        f"| seed | {p.seed if p.seed is not None else 'not recorded'} |",
        f"| layout | {code(p.layout or 'not recorded')} |",
        f"| manifest (SHA-256) | `{benchmark.digest}` |\n",
        _pixels(facts),
        _how_to(benchmark, facts),
        "## Files\n",
        "- `manifest.csv`: one row per video, with the digests of its source, its masks and its pixels",
        "- `protocol.json`: every setting that decides the videos; `failures.csv`: what was left out and why",
        "- `croissant.json`: this description for programs; `CITATION.cff`: how to cite it",
        "- `checksums.sha256`: digests of all files; check them with `sha256sum -c checksums.sha256`\n",
        "## Videos per class\n",
        "| class | videos |\n| --- | --- |",
        *(f"| {code(name)} | {count} |" for name, count in sorted(classes.items())),
        "\n## Limits\n",
        "Masks are not perfect, so a part of the original background may be visible; measure it with `bench audit "
        "leakage`. A low score here does not say why a network fails.\n",
        "## Cite\n",
        *(_reference(key) for key in references(benchmark)),
        f"\nMade with albar-bench {facts.version}.",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _pixels(facts: Facts) -> str:
    if not facts.pixels:
        why = (
            "whoever published it left them out"
            if facts.source_licence.pixels
            else "the licence of the dataset does not say that its pixels may be passed on"
        )
        return (
            f"**No videos are in this folder**: {why}. The masks, the backgrounds and the recipe are here; `bench "
            "rebuild` makes the same videos from your own copy of the dataset and compares the digests of their "
            "pixels.\n"
        )
    if facts.asked:
        return (
            "The videos show pixels of the dataset. Whoever published this folder says that they may be passed on; "
            f"the licence of the dataset's videos is: {facts.source_licence.name}.\n"
        )
    return f"The videos show pixels of the dataset, whose licence ({facts.source_licence.name}) allows it.\n"


def _how_to(benchmark: Benchmark, facts: Facts) -> str:
    lines = ["## Use\n", "```bash"]
    if facts.pixels:
        lines += ["bench rebuild THIS_FOLDER --out benchmark   # unpacks the videos and checks their digests"]
    else:
        scuba = "" if benchmark.kind == "scuba" else " --scuba REBUILT_SCUBA"
        lines += [f"bench rebuild THIS_FOLDER --root YOUR_COPY_OF_THE_DATASET{scuba} --out benchmark"]
    lines += ["bench eval MODEL --benchmarks benchmark", "```\n"]
    if facts.pixels:
        lines += ["```python", "from datasets import load_dataset", "", 'videos = load_dataset("THIS_FOLDER")["test"]',
                  "```\n"]  # fmt: skip
    return "\n".join(lines)


def _reference(key: str) -> str:
    title, authors, year, where = REFERENCES[key]
    return f"- {', '.join(authors)}: *{title}*, {where} {year}."


def citation(facts: Facts, keys: Sequence[str], kind: str = "dataset") -> str:
    """CITATION.cff (format 1.2.0) with references."""
    lines = ["cff-version: 1.2.0", 'message: "If you use this, please cite it and the works below."']
    lines += [f"type: {kind}", f"title: {yaml_text(facts.title)}", "authors:", *(_person(a) for a in facts.authors)]
    lines += [f"date-released: {yaml_text(facts.date)}"]
    if facts.url:
        lines += [f"url: {yaml_text(facts.url)}"]
    if facts.licence not in ("other", "unknown"):
        lines += [f"license: {SPDX.get(facts.licence, facts.licence)}"]
    lines += ["references:"] if keys else []
    for key in keys:
        title, authors, year, where = REFERENCES[key]
        lines += ["- type: article", f"  title: {yaml_text(title)}", "  authors:"]
        lines += [f"  {_person(a)}" for a in authors]
        lines += [f"  year: {year}", f"  journal: {yaml_text(where)}"]
    return "\n".join(lines) + "\n"


def _person(name: str) -> str:
    return f"- name: {yaml_text(name)}"
