"""The JSON adapter passes the shared suite, in plain files and in a shape of a user's own."""

from __future__ import annotations

import pytest

from fluxstore.testing.conformance import *  # noqa: F403
from fluxstore.testing.conformance import Backend
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import EntitySettings, Settings

SHAPES = {
    "albums": EntitySettings(file="music.json", records="albums", aliases={"name": ["title"]}),
    "tracks": EntitySettings(within="albums", parent={"album_id": "id"}),
}


@pytest.fixture
def backend(tmp_path):
    settings = Settings(path="data", naming="camelCase", checkpoint="1s")
    return Backend(JsonAdapter, settings, tmp_path, SHAPES)
