"""What nobody declared inside a nested value: there and back, written to on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shell import inside

CONFIG = """
entities = ["entities"]

[backends.json]
adapter = "json"
path = "data"

[backends.sqlite]
adapter = "sqlite"
path = "target.db"
"""
ENTITIES = """
import attrs
from fluxstore import entity, field

@attrs.frozen
class Address:
    street: str
    zip: str | None = None

@entity("people")
class Person:
    id: str
    name: str = ""
    home: Address | None = None
    moves: list[Address] = field(factory=list)
"""
WRITES = """
import attrs
import fluxstore

with fluxstore.open("fluxstore.toml", backend="sqlite") as store:
    people = store["people"]
    ada = people.get("ada")
    people.put(attrs.evolve(ada, name="Ada"))
    moved = attrs.evolve(ada.home, street="Oak Row")
    people.update("bob", home=moved, moves=[moved, *people.get("bob").moves])
"""
ADA = {"id": "ada", "name": "a", "home": {"street": "Elm", "zip": None, "floor": 3}, "moves": []}
BOB = {
    "id": "bob",
    "home": {"street": "Ash", "door": {"n": [1]}},
    "moves": [{"street": "x", "y": 0}],
}
WAY = ("--from", "json", "--to", "sqlite")


def test_what_is_inside_survives_writes_at_the_target_and_a_rollback(tmp_path: Path) -> None:
    (tmp_path / "fluxstore.toml").write_text(CONFIG)
    (tmp_path / "entities.py").write_text(ENTITIES)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "people.json").write_text(json.dumps([ADA, BOB]))
    codes = [inside("migrate", *WAY, folder=tmp_path).returncode]
    wrote = subprocess.run(
        [sys.executable, "-c", WRITES], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    codes += [inside("rollback", "--force", *WAY, folder=tmp_path).returncode]
    codes += [inside("validate", *WAY, folder=tmp_path).returncode]

    assert (0, [0, 0, 0]) == (wrote.returncode, codes), wrote.stderr
    oak = {"street": "Oak Row", "zip": None}
    assert [
        {**ADA, "name": "Ada"},
        {**BOB, "home": {**oak, "door": {"n": [1]}}, "moves": [oak, {**oak, **BOB["moves"][0]}]},
    ] == json.loads((tmp_path / "data" / "people.json").read_text())
