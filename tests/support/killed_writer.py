"""A program that writes and says so, for tests that kill it: ``killed_writer.py FOLDER SHAPE``.

Each operation is announced before it begins and acknowledged after it returned, one line each, in
one ``write`` call that cannot be torn.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fluxstore import Entities, entity, entity_of
from fluxstore.adapter import Opening, Use
from fluxstore.records import Delete, Intent, Put
from fluxstore_json.adapter import JsonAdapter


@entity("users")
class User:
    id: str
    name: str
    visits: int = 0


def row(key, visits=0):
    return {"id": key, "name": key * 20, "visits": visits}


OPERATIONS = (
    (Put("new", row("new"), Intent.CREATE),),
    (Put("old1", {"visits": 7}, Intent.CHANGE),),
    (Delete("old2"),),
    (Put("new", row("new", 1), Intent.REPLACE), Put("new2", row("new2"), Intent.CREATE)),
    (Delete("new"), Put("old0", {"visits": 9}, Intent.CHANGE)),
)


def open_adapter(folder: Path, shape: str, use: Use = Use.SERVE) -> JsonAdapter:
    """Open the folder's users as this program has them, in an array or in an object."""
    settings = JsonAdapter.Settings(path=str(folder), checkpoint="every write")
    own = JsonAdapter.EntitySettings(file="users.json", records="users", shape=shape)
    places = {"users": own}
    entities = Entities([entity_of(User)])
    return JsonAdapter(Opening("json", settings, entities, places, folder, use))


def main() -> None:
    """Write, one operation after the other."""
    adapter = open_adapter(Path(sys.argv[1]), sys.argv[2])
    users = adapter.collection(entity_of(User))
    for number, changes in enumerate(OPERATIONS):
        os.write(1, b"begin %d\n" % number)
        users.commit(changes)
        os.write(1, b"done %d\n" % number)
    adapter.close()
    os.write(1, b"closed\n")


if __name__ == "__main__":
    main()
