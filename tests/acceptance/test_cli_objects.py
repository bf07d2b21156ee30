"""Objects that hold records under their keys, moved to a database and brought back by commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_folders import FOLDERS
from shell import inside

TARGET = """
[backends.sqlite]
adapter = "sqlite"
path = "target.db"
"""
WAY = ("--from", "json", "--to", "sqlite")


def begun(folder: Path, name: str) -> Path:
    """Return a folder with sample files, and what `init` wrote for them."""
    FOLDERS[name](folder / "data")
    assert 0 == inside("init", "data", folder=folder).returncode
    with (folder / "fluxstore.toml").open("a") as config:
        config.write(TARGET)
    return folder


@pytest.fixture
def club(tmp_path) -> Path:
    return begun(tmp_path, "club")


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "data").glob("*.json")}


def test_the_documents_come_back_as_they_were(club):
    before = texts(club)
    codes = [inside(name, *WAY, folder=club).returncode for name in ("assess", "migrate")]
    for name in ("club.json", "members.json"):
        whole = json.loads(before[name])
        held = whole.get("grounds", whole)
        del held[next(iter(held))]
        (club / "data" / name).write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    codes += [inside("rollback", "--force", *WAY, folder=club).returncode]
    codes += [inside("validate", *WAY, folder=club).returncode]

    assert [0, 0, 0, 0] == codes
    assert before == texts(club)


def test_objects_in_wrappers_and_records_come_back_as_they_were(tmp_path):
    league = begun(tmp_path, "league")
    before = texts(league)
    moved = inside("migrate", *WAY, "--json", folder=league)
    written = {one["entity"]: one["written"] for one in json.loads(moved.stdout)["entities"]}
    whole = json.loads(before["export.json"])
    del whole["data"]["teams"]["t2"]["players"]["9"], whole["data"]["teams"]["t3"]
    (league / "data" / "export.json").write_text(json.dumps(whole, indent=2) + "\n")
    codes = [inside("rollback", "--force", *WAY, folder=league).returncode]
    codes += [inside("validate", *WAY, folder=league).returncode]

    assert [0, 0, 0] == [moved.returncode, *codes]
    expected = {"teams": 3, "players": 4, "venues": 2, "rounds": 5, "matches": 6, "scores": 12}
    assert expected == written
    assert before == texts(league)


def test_what_is_no_record_is_foreseen_left_out_and_stays(club):
    path = club / "data" / "club.json"
    whole = json.loads(path.read_text())
    whole["grounds"]["g2"]["id"] = "g9"
    whole["scores"]["13"] = "thirteen"
    text = json.dumps(whole).replace(
        '"scores": {', '"scores": {"7": {"memberId": "m1", "points": 0}, '
    )
    path.write_text(text)
    told = [
        inside(name, *WAY, "--problems", str(club / name), folder=club)
        for name in ("assess", "migrate")
    ]

    assert [4, 4] == [one.returncode for one in told]
    foreseen, moved = ((club / name).read_text() for name in ("assess", "migrate"))
    assert foreseen == moved
    found = [json.loads(line) for line in moved.splitlines()]
    bad = {("g2", "key"), ("13", "type"), ("7", "duplicate_key")}
    bad |= {("20", "reference"), ("21", "reference")}  # what is inside of a record left out
    assert bad == {(one["key"], one["reason"]) for one in found}
    assert text == path.read_text()
