"""The one place where SQL text is composed: templates from ``.sql`` files, names quoted.

A ``.sql`` file holds statements under lines ``-- name: …``. Names in braces are put in by
``statement``, and what is put in is made by the functions here, from names that are quoted.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

_NAMED = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def statement(file: str, name: str, **parts: str) -> str:
    """Return the statement *name* of ``<file>.sql`` with its braces filled by *parts*."""
    text = _statements(file)[name]
    return text.format(**parts) if parts else text


@cache
def _statements(file: str) -> Mapping[str, str]:
    _, *found = _NAMED.split(text_of(file))
    return {name: _without_comments(body) for name, body in zip(found[::2], found[1::2])}  # noqa: B905


def text_of(file: str) -> str:
    """Return the text of ``<file>.sql``."""
    return files(__name__).joinpath(f"{file}.sql").read_text("utf-8")


def _without_comments(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip()


def split(text: str) -> Iterator[str]:
    """Yield the statements of a script, whole triggers included, without running any."""
    waiting = ""
    for piece in re.split(r"(?<=;)", text):
        waiting += piece
        if sqlite3.complete_statement(waiting):
            yield waiting.strip()
            waiting = ""
    if _without_comments(waiting):
        yield waiting.strip()


def name(text: str) -> str:
    """Return a name as an identifier."""
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text as a literal."""
    return "'" + value.replace("'", "''") + "'"


def literal(value: str | int | float) -> str:
    """Return a value as a literal."""
    if isinstance(value, str):
        return text(value)
    return repr(int(value) if isinstance(value, bool) else value)


def column(text: str) -> str:
    """Return a column of the table at hand, which every statement calls ``t``."""
    return f"t.{name(text)}"


def names(texts: Sequence[str]) -> str:
    """Return names as a list."""
    return ", ".join(map(name, texts))


def columns(texts: Sequence[str]) -> str:
    """Return columns of the table at hand as a list."""
    return ", ".join(map(column, texts))


def marks(count: int) -> str:
    """Return *count* placeholders."""
    return ", ".join("?" * count)


def equal(texts: Sequence[str]) -> str:
    """Return the condition that columns have the values bound to it."""
    return " AND ".join(f"{column(each)} = ?" for each in texts)


def assignments(texts: Sequence[str]) -> str:
    """Return what an UPDATE sets."""
    return ", ".join(f"{name(each)} = ?" for each in texts)


def pragma(setting: str, value: str) -> str:
    """Return what sets a setting of the connection, or of the file."""
    return f"PRAGMA {setting} = {value}"


def beside(table: str, entity: str) -> str:
    """Return the join with what the ledger keeps of a record by the text of its key."""
    alias = table[0]
    joined = f"LEFT JOIN _fluxstore_{table} AS {alias}"
    return f"{joined} ON {alias}.entity = {text(entity)} AND {alias}.key = ?"


def governor(entity: str) -> str:
    """Return the name of the control record that governs *entity*, as a value."""
    return statement("capture", "governor", entity=text(entity))


def role(entity: str) -> str:
    """Return the role of this backend for *entity*, as a value."""
    return statement("records", "role", governor=governor(entity))
