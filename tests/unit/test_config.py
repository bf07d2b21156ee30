"""Configuration: every error names file and key in one line, and nothing is opened before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fluxstore import Config, Plugins
from fluxstore.errors import AdapterNotFoundError, ConfigError
from fluxstore.settings import Secret, duration

ENTITIES = """
from fluxstore import entity

@entity("tasks")
class Task:
    id: str
"""
JSON = '[backends.json]\nadapter = "json"\npath = "data"\n'


@pytest.fixture(scope="module")
def plugins():
    return Plugins.load()


@pytest.fixture
def write(tmp_path):
    (tmp_path / "entities.py").write_text(ENTITIES)
    (tmp_path / "data").mkdir()

    def write(text, *, encoding="utf-8", entities='entities = ["entities"]\n'):
        file = tmp_path / "fluxstore.toml"
        data = text if isinstance(text, bytes) else (entities + text).encode(encoding)
        file.write_bytes(data)
        return file

    return write


@pytest.fixture
def refused(plugins):
    def refused(file, *words):
        with pytest.raises(ConfigError) as caught:
            Config.load(file, plugins=plugins)
        message = str(caught.value)
        assert 3 == caught.value.exit_code
        assert str(file) in message
        assert "\n" not in message
        for word in words:
            assert word in message
        return message

    return refused


def test_a_whole_configuration_loads(write, plugins):
    policy = '[policy]\nadapter = "phases"\nsource = "json"\n'
    config = Config.load(write(JSON + policy), plugins=plugins)
    assert ["tasks"] == list(config.entities)
    assert "json" == config.backend("json").adapter
    assert ("json", "phases") == (config.routing().backend, config.routing().policy)


def test_pyproject_holds_a_configuration_too(write, plugins, tmp_path):
    write("")
    file = tmp_path / "pyproject.toml"
    table = JSON.replace("[backends", "[tool.fluxstore.backends")
    file.write_text('[tool.fluxstore]\nentities = ["entities"]\n' + table)
    assert "json" == Config.load(file, plugins=plugins).backend("json").adapter


def test_t01_no_file_names_the_path(tmp_path, refused):
    refused(tmp_path / "nothing.toml", "no such file")


def test_t01_a_directory_is_no_file(tmp_path, refused):
    refused(tmp_path, "regular file")


def test_t01_a_fifo_is_no_file(tmp_path, refused):
    os.mkfifo(tmp_path / "pipe.toml")
    refused(tmp_path / "pipe.toml", "regular file")


def test_t02_a_bom_is_called_a_bom(write, refused):
    refused(write(b"\xef\xbb\xbfentities = []\n"), "BOM")


def test_t03_duplicate_keys(write, refused):
    refused(write(JSON + 'path = "other"\n'), "is no TOML")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[backend.x]\n", "backends"),
        (JSON.replace("path", "paht"), "path"),
        ("[polcy]\n", "policy"),
    ],
)
def test_t04_an_unknown_key_has_a_suggestion(write, refused, text, hint):
    refused(write(text), f"did you mean {hint}")


def test_t04_an_unknown_entity_of_a_policy_has_a_suggestion(write, refused):
    policy = '[policy]\nadapter = "phases"\nsource = "json"\n'
    table = "[policy.entities.task]\nstale_ok = true\n"
    refused(write(JSON + policy + table), "policy.entities", "did you mean tasks")


def test_t04_an_unknown_backend_of_a_policy_has_a_suggestion(write, refused):
    text = JSON + '[policy]\nadapter = "phases"\nsource = "jsom"\n'
    refused(write(text), "policy.source", "did you mean json")


def test_t06_deep_nesting_is_one_line(write, refused):
    refused(write("x = " + "[" * 2000), "fluxstore.toml")


def test_t07_a_huge_integer_is_one_line(write, refused):
    refused(write("x = " + "9" * 5000))


@pytest.mark.parametrize(
    ("module", "word"),
    [
        ('@entity("a", key=("id", "id"))\nclass A:\n    id: str', "key"),
        ('@entity("a", key=())\nclass A:\n    id: str', "key"),
        ('@entity("a")\nclass A:\n    name: str', "id"),
        ('@entity("a")\nclass A:\n    id: complex', "complex"),
        ('@entity("a")\nclass A:\n    id: Nowhere', "Nowhere"),
        ('@entity("a")\nclass A:\n    id: str\n@entity("a")\nclass B:\n    id: str', "twice"),
        ("raise SystemError('no')", "no"),
        ("this is not python", "entities"),
    ],
)
def test_t09_an_entity_that_cannot_be_is_named(write, refused, tmp_path, module, word):
    file = write(JSON)
    (tmp_path / "entities.py").write_text("from fluxstore import entity\n" + module)
    refused(file, word)


def test_t12_an_environment_variable_that_is_not_set(write, refused, monkeypatch):
    monkeypatch.delenv("NO_SUCH_DIR", raising=False)
    refused(write(JSON.replace('"data"', '"${NO_SUCH_DIR}"')), "NO_SUCH_DIR", "backends.json.path")


def test_t12_a_default_stands_in_for_a_variable(write, plugins, monkeypatch):
    monkeypatch.delenv("NO_SUCH_DIR", raising=False)
    config = Config.load(write(JSON.replace('"data"', '"${NO_SUCH_DIR:-data}"')), plugins=plugins)
    assert Path("data") == Path(config.backend("json").settings.path)


def test_t17_crlf_is_fine(write, plugins):
    text = JSON.replace("\n", "\r\n")
    assert Config.load(write(text), plugins=plugins).backends


def test_t17_latin_1_is_refused(write, refused):
    refused(write("# café\n" + JSON, encoding="latin-1"), "UTF-8")


def test_an_adapter_that_is_not_installed_is_refused_when_asked_for(write, plugins):
    config = Config.load(write(JSON + '[backends.x]\nadapter = "mongo"\n'), plugins=plugins)
    with pytest.raises(AdapterNotFoundError, match="pip install fluxstore-mongo"):
        config.backend("x")


def test_every_error_of_a_table_is_told_at_once(write, refused):
    text = JSON.replace('"data"', "7") + "chekpoint = 1\n"
    refused(write(text), "path", "chekpoint")


def test_entity_modules_of_two_projects_do_not_meet(write, plugins, tmp_path):
    first = Config.load(write(JSON), plugins=plugins)
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    (other / "entities.py").write_text(ENTITIES.replace("tasks", "notes"))
    (other / "fluxstore.toml").write_text('entities = ["entities"]\n' + JSON)
    second = Config.load(other / "fluxstore.toml", plugins=plugins)
    assert (["tasks"], ["notes"]) == (list(first.entities), list(second.entities))


@pytest.mark.parametrize("value", ["nan", "inf", "-1s", "1 fortnight", "", None, True, [], "400d"])
def test_t08_what_is_no_duration(value):
    with pytest.raises(ValueError, match="duration"):
        duration(value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("5m", 300), ("1h", 3600), (2, 2), (0.5, 0.5)],
)
def test_durations_have_units(value, seconds):
    assert seconds == duration(value).total_seconds()


def test_a_secret_is_never_shown():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r}"
    assert "hunter2" == secret.reveal()
