"""The page about errors, made of their classes; run it to write the page anew."""

from __future__ import annotations

import inspect
from pathlib import Path

from fluxstore.errors import FluxstoreError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"
INTRODUCTION = """\
# Errors

Every error is a `fluxstore.errors.FluxstoreError`. Its facts are attributes and its message is made
from them, on one line: what was asked, what was found, what to do next. No secret is in any of
them. All of them can be pickled. The codes are those of {doc}`exit-codes`.

| error | kind of | exit code | raised when |
|---|---|---|---|
"""


def classes(cls: type[FluxstoreError] = FluxstoreError) -> list[type[FluxstoreError]]:
    """Return *cls* and all errors of the core below it, in the order of the tree."""
    ours = [child for child in cls.__subclasses__() if child.__module__ == cls.__module__]
    return [cls, *(found for child in ours for found in classes(child))]


def page() -> str:
    """Return the whole page."""
    return INTRODUCTION + "".join(_row(cls) for cls in classes())


def _row(cls: type[FluxstoreError]) -> str:
    told = (inspect.getdoc(cls) or "").splitlines()[0].replace("``", "`").rstrip(".")
    return f"| `{cls.__name__}` | `{cls.__bases__[0].__name__}` | {cls.exit_code} | {told} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
