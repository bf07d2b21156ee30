"""The reference lists what the code has: no word more, none less, in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType

import attrs
import command_page
import error_page
import hook_page
import pluggy
import pytest
from doc_examples import tables

from fluxstore import Plugins, hookspecs
from fluxstore.adapter import Capability
from fluxstore.cli.exits import MEANINGS
from fluxstore.config import Config, Executor
from fluxstore.entity import Rules
from fluxstore.query import Operator
from fluxstore.records import Reason
from fluxstore.verbs import Records
from fluxstore_phases.phases import PHASES

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def values(words: type[Enum]) -> list[str]:
    return [str(word.value) for word in words]


# Page, head of the table's first column, and the words that it lists.
LISTS: tuple[tuple[str, str, Iterable[str]], ...] = (
    ("adapters", "capability", values(Capability)),
    ("entities", "option", ["default", "factory", *(a.name for a in attrs.fields(Rules))]),
    ("configuration", "executor", [a.name for a in attrs.fields(Executor)]),
    ("store", "verb", [name for name in vars(Records) if not name.startswith("_")]),
    ("quarantine", "reason", values(Reason)),
    ("queries", "condition", values(Operator)),
)


PLUGINS = Plugins.load()
ADAPTERS = [offer.name for offer in PLUGINS.offers("adapter")]
POLICIES = [offer.name for offer in PLUGINS.offers("policy")]


@pytest.fixture(scope="module")
def configuration() -> dict[str, list[list[str]]]:
    return tables((REFERENCE / "configuration.md").read_text("utf-8"))


@pytest.mark.parametrize(("page", "head", "words"), LISTS, ids=lambda value: str(value)[:12])
def test_a_list_of_the_reference_is_complete(page, head, words):
    found = tables((REFERENCE / f"{page}.md").read_text("utf-8"))

    assert list(words) == [row[0] for row in found[head]]


def test_the_keys_of_the_whole_file_are_those_of_the_configuration(configuration):
    listed = {row[0] for row in configuration["key"]}

    assert {attribute.name for attribute in attrs.fields(Config)} - {"file"} == listed


def keys(settings: type, before: str = "") -> Iterator[str]:
    """Yield the keys of a settings class; those of a table in it as ``pool.min``."""
    for attribute in attrs.fields(attrs.resolve_types(settings)):
        if isinstance(attribute.type, type) and attrs.has(attribute.type):
            yield from keys(attribute.type, f"{before}{attribute.name}.")
        else:
            yield f"{before}{attribute.name}"


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_setting_of_an_adapter_is_listed(name, configuration):
    adapter = PLUGINS.adapter(name)
    backend, entity = (configuration.get(f"{name}: {what}", []) for what in ("backend", "entity"))

    assert list(keys(adapter.Settings)) == [row[0] for row in backend]
    assert list(keys(adapter.EntitySettings)) == [row[0] for row in entity]


@pytest.mark.parametrize("name", POLICIES)
def test_every_setting_of_a_policy_is_listed(name, configuration):
    listed = [row[0] for row in configuration.get(f"{name}: policy", [])]

    assert list(keys(PLUGINS.policy(name))) == listed


def test_the_phases_are_the_rows_of_the_policy(configuration):
    rows = [
        [
            str(phase.number),
            phase.name,
            phase.reads.value,
            phase.compared_with.value if phase.compared_with else "–",
            ", then ".join(side.value for side in phase.writes),
        ]
        for phase in PHASES
    ]

    assert rows == configuration["no."]


def test_the_exit_codes_are_those_of_the_command_line():
    page = tables((REFERENCE / "exit-codes.md").read_text("utf-8"))
    rows = [[code, meaning.replace("`", "")] for code, meaning in page["code"]]

    assert [[str(code), meaning] for code, meaning in MEANINGS.items()] == rows


def test_every_error_has_an_exit_code_of_the_command_line():
    assert {cls.exit_code for cls in error_page.classes()} <= set(MEANINGS)


@pytest.mark.parametrize(
    "module", [command_page, error_page, hook_page], ids=lambda module: module.__name__
)
def test_a_page_made_of_the_code_is_what_the_code_says(module):
    assert module.page() == module.PAGE.read_text("utf-8"), (
        f"run tests/support/{module.__name__}.py"
    )


def test_the_headings_of_the_hooks_are_their_exact_signatures():
    lines = hook_page.PAGE.read_text("utf-8").splitlines()
    headings = [line.removeprefix("## ").strip("`") for line in lines if line.startswith("## ")]

    assert [hook_page.signature(hook) for hook in hook_page.hooks()] == headings


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
