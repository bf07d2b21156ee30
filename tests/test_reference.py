"""The reference lists what the code has: no word more, none less, in the same order."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from types import ModuleType

import attrs
import hook_page
import pluggy
import pytest
from doc_examples import tables

from fluxstore import hookspecs
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


def test_the_headings_of_the_hooks_are_their_exact_signatures():
    lines = hook_page.PAGE.read_text("utf-8").splitlines()
    headings = [line.removeprefix("## ").strip("`") for line in lines if line.startswith("## ")]

    assert [hook_page.signature(hook) for hook in hook_page.hooks()] == headings


def test_the_page_about_hooks_is_what_their_docstrings_say():
    assert hook_page.page() == hook_page.PAGE.read_text("utf-8"), "run tests/support/hook_page.py"


@pytest.mark.parametrize("hook", hook_page.hooks(), ids=lambda hook: hook.name)
def test_a_hook_says_when_what_comes_in_what_to_return_and_who(hook):
    assert ["", *hook_page.PARTS] == list(hook_page.parts(hook))


@pytest.mark.parametrize("hook", hook_page.hooks(), ids=lambda hook: hook.name)
def test_the_example_of_a_hook_is_an_implementation_of_it(hook):
    plugin = ModuleType("example")
    exec(compile(hook_page.example(hook), "example", "exec"), vars(plugin))
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)

    manager.register(plugin)
    manager.check_pending()

    assert [plugin] == [i.plugin for i in getattr(manager.hook, hook.name).get_hookimpls()]
