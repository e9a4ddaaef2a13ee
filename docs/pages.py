"""Pages that are written while the site is built, so that they are never out of date: a page per group of commands,
from the commands themselves, and the notebook as a page. A hook of mkdocs (mkdocs.yml)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File, Files

from albar_bench.cli.app import COMMANDS, PANELS, app

NOTEBOOKS = "notebooks"
NO_DEFAULT = ("None", "False", "[]", "()")


def on_config(config: Any) -> Any:
    """Put the pages of commands into the list of pages."""
    for section in config["nav"]:
        if "Commands" in section:
            section["Commands"] = ["commands/index.md", *(f"commands/{name.lower()}.md" for name in panels())]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are written here."""
    for name, text in (command_pages() | notebook_pages(Path(config["docs_dir"]))).items():
        files.append(File.generated(config, name, content=text))
    return files


def panels() -> dict[str, tuple[str, ...]]:
    """The groups of `bench --help` with their commands; a command without a group is in "Other"."""
    placed = {name for names in PANELS.values() for name in names}
    other = tuple(name for name in COMMANDS if name not in placed)
    return PANELS | ({"Other": other} if other else {})


def command_pages() -> dict[str, str]:
    """The name of each page of commands, and its text."""
    root = typer.main.get_command(app)
    index = [
        "# Commands\n",
        "This is what `bench COMMAND --help` prints. Every example on these pages is parsed by the tests.\n",
        "`bench --install-completion` lets the shell complete commands, options, and names of datasets, methods and "
        "masks. `bench --version` prints the version.\n",
    ]
    pages = {}
    for panel, names in panels().items():
        file = f"{panel.lower()}.md"
        index += [f"## [{panel}]({file})\n", "| command | what it does |", "| --- | --- |"]
        parts = [f"# {panel}\n"]
        for name in names:
            for words, command in leaves(root.get_command(None, name), f"bench {name}"):
                link = f"[`{words}`]({file}#{words.replace(' ', '-')})"
                index.append(f"| {link} | {cell(paragraphs(command.help)[0])} |")
                parts.append(described(words, command))
        index.append("")
        pages[f"commands/{file}"] = "\n".join(parts)
    return {"commands/index.md": "\n".join(index), **pages}


def leaves(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    """The commands of a group, and of the groups in it, with their words."""
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    for name in command.list_commands(None):
        yield from leaves(command.get_command(None, name), f"{words} {name}")


def described(words: str, command: Any) -> str:
    """A command: what it does, its examples, its options as tables."""
    lines = [f"## {words}\n"]
    examples = []
    for paragraph in paragraphs(command.help):
        example = re.fullmatch(r"Example: `(bench [^`]+)`\.?", paragraph)
        if example:
            examples.append(example[1])
        else:
            lines.append(f"{paragraph}\n")
    lines += ["```sh", *examples, "```\n"] if examples else []
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    for heading in dict.fromkeys(getattr(p, "rich_help_panel", None) or "" for p in shown):
        group = [p for p in shown if (getattr(p, "rich_help_panel", None) or "") == heading]
        lines += [f"**{heading}**\n"] if heading else []
        table = ["| option | default | meaning |", "| --- | --- | --- |", *map(row, group)]
        lines += ['<div class="options" markdown>\n', *table, "\n</div>\n"]
    if words == "bench train":
        lines += method_tables()
    return "\n".join(lines)


def method_tables() -> list[str]:
    """The settings of every training method, as `bench train METHOD --help` has them."""
    from albar.methods import METHODS, settings_of

    lines = ["**Settings of the methods**, changed with `--set NAME=VALUE`\n"]
    for method in METHODS.names():
        if settings := settings_of(method):
            lines += [f"`{method}`\n", "| setting | finetune | scratch | pretrained | takes | meaning |",
                      "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
            for s in settings:
                values = (s.name, s.finetune, s.scratch, s.pretrained, s.takes)
                lines.append(f"| {' | '.join(code(str(v)) for v in values)} | {cell(s.about)} |")
            lines.append("")
    return lines


def row(parameter: Any) -> str:
    """An option, or an argument, as a row: its name and value, default, meaning."""
    argument = parameter.param_type_name == "argument"
    help_text = parameter.help or ""
    found = re.search(r"\s*\[(?:(.*); )?default: ([^\]]*(?:\[[^\]]*\])?[^\]]*)\]\s*$", help_text, re.DOTALL)
    default = found[2] if found else "" if str(parameter.default) in NO_DEFAULT else str(parameter.default)
    text = linked(help_text[: found.start()] + (f" [{found[1]}]" if found[1] else "") if found else help_text)
    if argument:
        name = code(parameter.metavar or parameter.name.upper())
        return f"| {name} | {'required' if parameter.required else code(default)} | {cell(text)} |"
    flag = getattr(parameter, "is_flag", False)
    names = ", ".join(code(o) for o in (*parameter.opts, *parameter.secondary_opts))
    value = "" if flag else f" {code(parameter.metavar or kind(parameter))}"
    shown = "" if flag and not found else "required" if parameter.required else code(default)
    return f"| {names}{value} | {shown} | {cell(text)} |"


def kind(parameter: Any) -> str:
    """What an option takes, in a word."""
    name = str(parameter.type_descriptor.annotation)
    return next(
        (word for part, word in (("Path", "PATH"), ("int", "INTEGER"), ("float", "NUMBER")) if part in name), "TEXT"
    )


def paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a help text, each on one line."""
    return [linked(" ".join(p.split())) for p in (text or "").split("\n\n") if p.strip()]


def linked(text: str) -> str:
    """A text in which the names of pages are links to them."""
    return re.sub(r"\bdocs/(\w+)\.md\b", r"[docs/\1.md](../\1.md)", text)


def cell(text: str) -> str:
    """A text as a cell of a table. Outside code, bars would end it, and angle brackets would begin HTML."""
    parts = " ".join(text.split()).split("`")
    return "`".join(p if i % 2 else p.replace("|", "\\|").replace("<", "&lt;") for i, p in enumerate(parts))


def code(text: str) -> str:
    """A text as code in a cell of a table; blank if it is."""
    return f"`{' '.join(text.split()).strip('`')}`" if text else ""


def notebook_pages(folder: Path) -> dict[str, str]:
    """Every notebook as a page: its texts, its code, and a link to the file."""
    pages = {}
    for path in sorted((folder / NOTEBOOKS).glob("*.ipynb")):
        parts = []
        for one in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(one["source"])
            parts.append(text if one["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts.insert(1, f"This page is a notebook: [{path.name}]({path.name}). The tests run it.")
        pages[f"{NOTEBOOKS}/{path.stem}.md"] = "\n\n".join(parts) + "\n"
    return pages
