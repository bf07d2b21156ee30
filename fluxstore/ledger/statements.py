"""Named SQL statements from ``.sql`` files beside the code.

A file begins with a line saying what it holds; a statement begins with ``-- name: what it is for``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

_HEAD = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)


@cache
def statements(package: str, file: str) -> Mapping[str, str]:
    """Return the statements of *file* in *package*: name to text."""
    text = resources.files(package).joinpath(file).read_text("utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {
        head[1]: text[head.end() : end].strip().rstrip(";")
        for head, end in zip(heads, ends, strict=True)
    }
