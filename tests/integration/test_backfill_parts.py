"""What a file has beside its records travels with a live backfill, there and on."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from governed import Pair, govern
from moving import ENTITIES

from fluxstore.migration.backfill import backfill
from fluxstore.migration.live import live_of
from fluxstore.migration.plan import End
from fluxstore.testing.backend import Backend
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import EntitySettings, Settings
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings as SqliteSettings

PLACES = {
    "notes": EntitySettings(file="notes.json", records="notes"),
    "teams": EntitySettings(file="teams.json", records="teams"),
    "members": EntitySettings(within="teams", records="people", parent={"team_id": "id"}),
}
NOTES = {
    "made by": "hand",
    "notes": [{"id": 3, "text": "c"}, {"id": 1, "text": "a", "colour": "red"}, {"id": 2}],
    "version": 7,
}
TEAMS = {
    "teams": [
        {
            "id": "z",
            "name": "Last",
            "people": [{"user_id": "b", "role": "owner"}, {"user_id": "a"}],
        },
        {"id": "a", "name": "First", "people": []},
    ]
}
USERS = [{"id": "a"}, {"id": "b"}]


def files(name: str, folder: Path, held: ExitStack) -> End:
    backend = Backend(JsonAdapter, Settings(path="data"), folder, PLACES, name)
    return End(name, held.enter_context(backend.opened(ENTITIES)))


def moved(both: Pair) -> None:
    both.govern()
    live = live_of(both.origin, both.follower, ENTITIES.values())
    assert live is not None
    assert 0 == backfill(live, ENTITIES).exit_code


def test_order_wrapper_and_nesting_arrive_in_the_last_of_three_backends(tmp_path: Path) -> None:
    first, last = tmp_path / "first", tmp_path / "last"
    (first / "data").mkdir(parents=True)
    (last / "data").mkdir(parents=True)
    for name, content in (("notes", NOTES), ("teams", TEAMS), ("users", USERS)):
        (first / "data" / f"{name}.json").write_text(json.dumps(content, indent=2))
    with ExitStack() as held:
        source = files("source", first, held)
        backend = Backend(SqliteAdapter, SqliteSettings(path="store.db"), tmp_path, {}, "middle")
        middle = End("middle", held.enter_context(backend.opened(ENTITIES)))
        target = files("target", last, held)
        moved(Pair(source, middle))
        govern(middle, "authority", epoch=5)
        moved(Pair(middle, target))
    for name, content in (("notes", NOTES), ("teams", TEAMS)):
        assert content == json.loads((last / "data" / f"{name}.json").read_text())
        assert [*content] == [*json.loads((last / "data" / f"{name}.json").read_text())]
