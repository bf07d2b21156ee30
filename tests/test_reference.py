"""The reference lists what the code has: no word more, none less, in the same order."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import attrs
import pytest
from doc_examples import tables

from fluxstore.adapter import Capability
from fluxstore.entity import Rules
from fluxstore.query import Operator
from fluxstore.records import Reason

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def values(words: type[Enum]) -> list[str]:
    return [str(word.value) for word in words]


# Page, head of the table's first column, and the words that it lists.
LISTS: tuple[tuple[str, str, Iterable[str]], ...] = (
    ("adapters", "capability", values(Capability)),
    ("entities", "option", ["default", "factory", *(a.name for a in attrs.fields(Rules))]),
    ("quarantine", "reason", values(Reason)),
    ("queries", "condition", values(Operator)),
)


@pytest.mark.parametrize(("page", "head", "words"), LISTS, ids=lambda value: str(value)[:12])
def test_a_list_of_the_reference_is_complete(page, head, words):
    found = tables((REFERENCE / f"{page}.md").read_text("utf-8"))

    assert list(words) == [row[0] for row in found[head]]
