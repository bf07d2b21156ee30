"""The JSON adapter passes the shared suite, in plain files and in shapes of a user's own."""

from __future__ import annotations

import pytest

from fluxstore.testing.conformance import *  # noqa: F403
from fluxstore.testing.conformance import Backend
from fluxstore.testing.entities import ENTITIES
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import EntitySettings, Settings

ARRAYS = {
    "albums": EntitySettings(file="music.json", records="albums", aliases={"name": ["title"]}),
    "tracks": EntitySettings(within="albums", parent={"album_id": "id"}),
}
OBJECTS = {
    one.name: EntitySettings(shape="object") for one in ENTITIES.values() if len(one.key) == 1
} | {
    "albums": EntitySettings(
        file="music.json", records="albums", aliases={"name": ["title"]}, shape="object"
    ),
    "tracks": EntitySettings(within="albums", parent={"album_id": "id"}, shape="object"),
    "people": EntitySettings(records="data.people", shape="object", key_inside=True),
}


@pytest.fixture(params=[ARRAYS, OBJECTS], ids=["arrays", "objects"])
def backend(request, tmp_path):
    settings = Settings(path="data", naming="camelCase", checkpoint="1s")
    return Backend(JsonAdapter, settings, tmp_path, request.param)
