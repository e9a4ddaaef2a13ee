"""The pages of the documentation: all are listed, all links lead somewhere, and every public name is described. (ruff
requires a docstring for every public function and class: D101, D103.)"""

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
PACKAGES = ("albar_bench", "benchmark_builder", "albar", "evaluator")
# Written while the site is built (docs/pages.py).
WRITTEN = re.compile(r"commands/[a-z]+\.md(#.*)?|notebooks/\w+\.md")


def listed(entry: Any) -> list[str]:
    """The pages of a part of the list in mkdocs.yml."""
    if isinstance(entry, str):
        return [entry]
    return [page for one in (entry.values() if isinstance(entry, dict) else entry) for page in listed(one)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        named = re.search(r"\{ #(\S+) \}", heading)
        words = re.sub(r"[^\w\s-]", "", re.sub(r"\]\([^)]*\)", "]", heading).lower()).strip()
        found.add(named[1] if named else re.sub(r"[-\s]+", "-", words))
    return found


def broken(page: Path, root: Path) -> list[str]:
    """The links of a page to files of the repository, below ``root``, that lead nowhere."""
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = link.partition("#")
        if link.startswith(("http", "mailto:")):
            continue
        path = (page.parent / file).resolve() if file else page
        if path.is_relative_to(DOCS) and WRITTEN.fullmatch(path.relative_to(DOCS).as_posix()):
            continue
        if not path.is_relative_to(root) or not path.exists():
            wrong.append(link)
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            wrong.append(link)
    return wrong


def test_every_page_is_listed_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = [page for page in listed(config["nav"]) if not WRITTEN.fullmatch(page)]
    assert sorted(pages) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links(page: Path) -> None:
    assert broken(page, DOCS) == []  # the site has no file outside docs/


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_repository(name: str) -> None:
    assert broken(ROOT / name, ROOT) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# B, and `c`\n## Named { #n }\n")
    (tmp_path / "a.md").write_text(
        "[1](b.md) [2](b.md#b-and-c) [3](b.md#n) [4](b.md#no) [5](no.md) [6](../x.md) `[7](y.md)`"
    )
    assert broken(tmp_path / "a.md", tmp_path) == ["b.md#no", "no.md", "../x.md"]


def api_pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "api").glob("*.md")))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_is_in_the_reference(package: str) -> None:
    exported = [name for name in dir(importlib.import_module(package)) if name[0] != "_"]
    named = set(re.findall(r"\w+", api_pages()))
    source = (ROOT / package / "__init__.py").read_text(encoding="utf-8")
    public = [name for name in exported if f'"{name}":' in source or f'"{name}",' in source]
    assert public and [name for name in public if name not in named] == []


def test_methods_of_the_python_api_have_docstrings() -> None:
    import albar_bench

    for name in albar_bench.__all__:
        thing = getattr(albar_bench, name)
        if inspect.isclass(thing):
            for attribute, value in vars(thing).items():
                if attribute[0] != "_" and (inspect.isfunction(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{attribute}"


def test_the_page_of_formats_has_every_column_and_field() -> None:
    from benchmark_builder.benchmark.manifest import Row
    from benchmark_builder.benchmark.protocol_record import ProtocolRecord

    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    fields = [field.serialization_alias or name for name, field in ProtocolRecord.model_fields.items()]
    names = [*(f.name for f in dataclasses.fields(Row)), *fields]
    assert [name for name in names if f"`{name}`" not in text] == []
