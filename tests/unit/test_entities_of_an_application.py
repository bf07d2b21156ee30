"""The classes a store hands out are those that the application itself imported."""

from __future__ import annotations

import sys

import pytest

from fluxstore import Config, entity_of

ENTITIES = "from fluxstore import entity\n\n@entity('tasks')\nclass Task:\n    id: str\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "entities.py").write_text(ENTITIES)
    (tmp_path / "fluxstore.toml").write_text('entities = ["entities"]\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("entities", None)


def test_a_module_that_the_application_imported_is_not_loaded_twice(project):
    from entities import Task

    assert Task is Config.load(project / "fluxstore.toml").entities["tasks"].cls


def test_a_module_that_nobody_imported_is_loaded_without_being_importable(project):
    loaded = Config.load(project / "fluxstore.toml").entities["tasks"]

    assert entity_of(loaded.cls) is loaded
    assert "entities" not in sys.modules
