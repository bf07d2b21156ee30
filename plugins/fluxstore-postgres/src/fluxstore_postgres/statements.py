"""SQL from ``.sql`` files, with names put in: the one module that composes statements.

A file holds named statements::

    -- read: the records of some keys
    SELECT {columns} FROM {table} WHERE {key_in}

``{…}`` is filled with composed SQL (``psycopg.sql``), ``%(…)s`` is a parameter. A statement is
composed once for an entity and a verb, and its text is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

import attrs
from psycopg import sql

Part = sql.Composable
_HEAD = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)


@attrs.frozen
class Statement:
    """A statement ready to run; ``name`` and ``purpose`` are for logs."""

    name: str
    purpose: str
    text: bytes = attrs.field(repr=False)
    is_prepared: bool = True
    """Whether to prepare it at once; else the driver does when it comes again and again."""


@cache
def templates(file: str) -> Mapping[str, tuple[str, str]]:
    """Return a file's statements: name to (purpose, text with ``{…}`` in it)."""
    text = resources.files("fluxstore_postgres").joinpath("sql", f"{file}.sql").read_text("utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {
        head[1]: (head[2], text[head.end() : end].strip().rstrip(";"))
        for head, end in zip(heads, ends, strict=True)
    }


def statement(file: str, name: str, /, **parts: Part) -> Statement:
    """Return the statement *name* of *file* with *parts* put in."""
    purpose, _ = templates(file)[name]
    return Statement(name, purpose, composed(file, name, **parts).as_string(None).encode())


def composed(file: str, name: str, /, **parts: Part) -> sql.Composed:
    """Return a template with *parts* put in, to be run or to be a part itself."""
    _, text = templates(file)[name]
    return sql.SQL(text).format(**parts)


def plain(part: Part) -> Statement:
    """Return a statement without parameters, to be run once: DDL."""
    text = part.as_string(None)
    return Statement(" ".join(text.split()[:3]).lower(), "", text.encode(), is_prepared=False)


def joined(name: str, parts: Iterable[Part]) -> Statement:
    """Return several statements without parameters as one that is sent at once."""
    text = listed(parts, "; ").as_string(None)
    return Statement(name, "", text.encode(), is_prepared=False)


def identifier(*names: str) -> Part:
    """Return a quoted, perhaps qualified name."""
    return sql.Identifier(*names)


def literal(value: object) -> Part:
    """Return a value as SQL text, for DDL, which takes no parameters."""
    return sql.Literal(value)


def word(text: str) -> Part:
    """Return SQL text as it is: a type's name, an operator; never anything a caller said."""
    return sql.SQL(text)


def filled(template: str, *values: Part) -> Part:
    """Return a scrap of SQL with *values* put in for its ``{}``."""
    return values[0] if template == "{}" else sql.SQL(template).format(*values)


def listed(parts: Iterable[Part], separator: str = ", ") -> Part:
    """Return *parts* with *separator* between them."""
    return sql.SQL(separator).join(parts)


NOTHING: Part = sql.SQL("")
