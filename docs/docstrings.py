"""Docstrings for the site: references such as :func:`train` become code, as Markdown has it. An extension of griffe."""

import re

import griffe


class PlainReferences(griffe.Extension):
    """Replaces the roles of Sphinx in every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """The docstring of each module, class, function and attribute that is loaded."""
        if obj.docstring:
            obj.docstring.value = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", obj.docstring.value).replace("``", "`")

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        """The docstring of the package itself."""
        self.on_object(obj=pkg)
