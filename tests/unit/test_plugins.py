"""Plugins: found through entry points, loaded one by one; a broken one never breaks the rest."""

from __future__ import annotations

import sys
import time
from textwrap import dedent

import pytest

from fluxstore import Plugins, hookimpl
from fluxstore.errors import AdapterConflictError, AdapterNotFoundError, PluginLoadError

SOUND = """
    from fluxstore import hookimpl

    class Mine:
        name = "mine"

    @hookimpl
    def fluxstore_register_adapters(register):
        register("mine", Mine)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with an entry point, as pip would, into a folder on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def install(name, source):
        module = f"plugged_{name}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(dedent(source))
        info = tmp_path / f"fluxstore_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: fluxstore-{name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[fluxstore]\n{name} = {module}\n")
        made.append(module)

    yield install
    for module in made:
        sys.modules.pop(module, None)


def failures():
    plugins = Plugins.load()
    return plugins, {one.name: one.failure for one in plugins.installed() if one.failure}


def test_a_plugin_is_found_through_its_entry_point(install):
    install("mine", SOUND)
    plugins, failed = failures()
    assert not failed
    assert "Mine" == plugins.adapter("mine").__name__
    found = next(one for one in plugins.installed() if one.name == "mine")
    assert ("fluxstore-mine", "1.0") == (found.distribution, found.version)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        ("raise ValueError('broken\\nbadly')", "broken"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("this is no python", "SyntaxError"),
        (SOUND.replace("_adapters(", "_adaptors("), "did you mean fluxstore_register_adapters"),
        (SOUND.replace('"mine", Mine', "Mine"), "TypeError"),
        (SOUND.replace("(register)", "(registry)"), "registry"),
    ],
)
def test_c18_a_broken_plugin_is_listed_and_the_rest_work(install, source, words):
    install("broken", source)
    install("mine", SOUND)
    plugins, failed = failures()
    assert ["broken"] == list(failed)
    assert words in failed["broken"]
    assert "\n" not in failed["broken"]
    assert "Mine" == plugins.adapter("mine").__name__


def test_c18_a_plugin_that_hangs_is_given_up(install, monkeypatch):
    monkeypatch.setattr("fluxstore.plugins.IMPORT_SECONDS", 0.2)
    install("hangs", "import threading; threading.Event().wait(60)")
    began = time.monotonic()
    _, failed = failures()
    assert "did not end" in failed["hangs"]
    assert 10 > time.monotonic() - began


def test_a_broken_plugin_raises_when_what_it_offers_is_asked_for(install):
    install("gone", SOUND.replace("Mine)", '"nowhere_to_be_found:Mine")').replace("mine", "gone"))
    plugins, failed = failures()
    assert not failed
    with pytest.raises(PluginLoadError, match="nowhere_to_be_found"):
        plugins.adapter("gone")


def test_c04_an_adapter_that_is_not_there_says_what_to_install():
    with pytest.raises(
        AdapterNotFoundError, match=r"installed: .*pip install fluxstore-mongo"
    ) as caught:
        Plugins.load().adapter("mongo")
    assert 3 == caught.value.exit_code


def test_c19_two_plugins_of_one_name_are_both_named(install):
    install("one", SOUND)
    install("two", SOUND)
    plugins, _ = failures()
    with pytest.raises(AdapterConflictError, match="fluxstore-one and by fluxstore-two") as caught:
        plugins.adapter("mine")
    assert 3 == caught.value.exit_code


def test_a_plugin_whose_command_fails_is_listed():
    class Bad:
        @hookimpl
        def fluxstore_register_commands(self, app):
            raise RuntimeError("no commands today")

    plugins, seen = Plugins(), []

    class Good:
        @hookimpl
        def fluxstore_register_commands(self, app):
            seen.append(app)

    plugins.add(Good(), name="good")
    plugins.add(Bad(), name="bad")
    plugins.register_commands("app")
    assert ["app"] == seen
    assert {"bad": "RuntimeError: no commands today"} == {
        one.name: one.failure for one in plugins.installed() if one.failure
    }


def test_executors_are_offered_by_the_core():
    plugins = Plugins()
    with plugins.executor("local")(2) as executor:
        assert 3 == executor.submit(len, "abc").result()
    assert {"local", "process"} == {offer.name for offer in plugins.offers("executor")}
