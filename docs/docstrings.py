"""Docstrings for the site, as Google style has them: an extension of griffe.

References such as :func:`train` become code. In ``Args`` and ``Attributes``, a line may continue the line above it, and
several names may follow each other in one paragraph ("split: the official split. seed: of every draw."); each gets a
line of its own here.
"""

import re

import griffe

ENTRY = r"\*{0,2}\w+(?:, \*{0,2}\w+)*"
SECTION = re.compile(r"^( *)(?:Args|Attributes|Class attributes):\n((?:\1 +\S.*(?:\n|$)|\n(?=\1 ))+)", re.MULTILINE)


class PlainDocstrings(griffe.Extension):
    """Rewrites every docstring as above."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """The docstring of each module, class, function and attribute that is loaded."""
        if obj.docstring:
            value = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", obj.docstring.value).replace("``", "`")
            value = re.sub(r"\bdocs/(\w+)\.md\b", r"[docs/\1.md](../\1.md)", value)
            names = set(obj.members)
            for function in (obj, obj.members.get("__init__")):
                if isinstance(function, griffe.Function):
                    names |= {parameter.name for parameter in function.parameters}
            obj.docstring.value = SECTION.sub(lambda found: section(found, names), value)

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        """The docstring of the package itself."""
        self.on_object(obj=pkg)


def section(found: re.Match[str], names: set[str]) -> str:
    """The section with one line per entry, of which ``names`` are known."""
    heading, body = found[0].split("\n", 1)
    heading = heading.replace("Class attributes", "Attributes")
    entries: list[str] = []
    lines = [line for line in body.split("\n") if line.strip()]
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    for line in lines:
        begins = len(line) - len(line.lstrip()) == indent and re.match(rf" *{ENTRY}: ", line)
        if begins or not entries:
            entries.append(line.strip())
        else:
            entries[-1] += f" {line.strip()}"
    split = []
    for entry in entries:
        start = 0
        for more in re.finditer(rf"(?<=[.;)] )({ENTRY}): ", entry):
            if names.issuperset(more[1].replace("*", "").split(", ")):
                split.append(entry[start : more.start()].strip())
                start = more.start()
        split.append(entry[start:])
    return "\n".join([heading, *(" " * indent + entry for entry in split)]) + "\n"
