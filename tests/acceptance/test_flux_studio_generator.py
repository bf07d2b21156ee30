"""The generator of Flux Studio folders: the same bytes again, shares, flat memory, faults."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flux_studio_example import EXAMPLE, importable

with importable():
    from flux_studio.faults import CASES
    from flux_studio.generate import FILES, Generated, generate, main
    from flux_studio.planting import Planted
    from flux_studio.shares import SHARES

Document = dict[str, Any]
MEBIBYTE = 1 << 20
# Of 500 records with seed 7. Another digest means another folder for everyone's seed: say so in
# the changelog.
DIGEST = "2ea299ddfe0d46c23be9aafcff34449569b8c4937f828d7b3fcfb368f184d0f8"


def digest(folder: Path) -> str:
    """Return a digest of all files of a folder."""
    made = hashlib.sha256()
    for name in FILES:
        made.update((folder / f"{name}.json").read_bytes())
    return made.hexdigest()


def loaded(path: Path) -> Document:
    """Return a file's document; a number too long for an int stays text."""
    document: Document = json.loads(path.read_bytes(), parse_int=number)
    return document


def number(digits: str) -> int | str:
    """Return an int, or the digits where they are too many."""
    return int(digits) if len(digits) < 100 else digits


def read(folder: Path) -> dict[str, list[Any]]:
    """Return the records of each kind; children are taken out of their projects."""
    kinds = {name: loaded(folder / f"{name}.json")[name] for name in FILES}
    for kind in ("members", "milestones", "tasks"):
        holders = [project for project in kinds["projects"] if isinstance(project, dict)]
        kinds[kind] = [
            {"projectId": project.get("id"), **child} if isinstance(child, dict) else child
            for project in holders
            for child in project.get(kind, [])
        ]
    return kinds


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The records of a folder of 20,000."""
    folder = tmp_path_factory.mktemp("flux_studio")
    generate(folder, records=20_000, seed=7)
    return read(folder)


def test_the_same_seed_and_size_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(tmp_path / name, records=500, seed=7)
        assert digest(tmp_path / name) == DIGEST


def test_another_seed_gives_another_folder(tmp_path: Path) -> None:
    generate(tmp_path, records=500, seed=8)
    assert digest(tmp_path) != DIGEST


@pytest.mark.parametrize("seed", [7, 8])
@pytest.mark.parametrize("records", [0, 1, 2, 5, 20, 137, 1000])
def test_records_counts_all_entities_together(tmp_path: Path, records: int, seed: int) -> None:
    generated = generate(tmp_path, records=records, seed=seed)
    found = {kind: len(items) for kind, items in read(tmp_path).items()}
    assert found == generated.counts
    assert sum(found.values()) == records


def test_compact_files_hold_the_same_records_on_one_line(tmp_path: Path) -> None:
    generate(tmp_path / "pretty", records=300, seed=7)
    generate(tmp_path / "compact", records=300, seed=7, compact=True)
    assert read(tmp_path / "pretty") == read(tmp_path / "compact")
    for name in FILES:
        assert b"\n" not in (tmp_path / "compact" / f"{name}.json").read_bytes()


def test_pretty_files_look_as_the_application_writes_them(tmp_path: Path) -> None:
    generate(tmp_path, records=300, seed=7)
    for name in FILES:
        text = (tmp_path / f"{name}.json").read_text()
        assert json.dumps(json.loads(text), indent=2, ensure_ascii=False) == text.rstrip("\n")


# Shares: (what is counted, in which records, which share is stated)


def lacks(field: str) -> Callable[[Document], bool]:
    """Tell of a record whether it lacks *field*."""
    return lambda record: field not in record


def null(field: str) -> Callable[[Document], bool]:
    """Tell of a record whether *field* is there and null."""
    return lambda record: field in record and record[field] is None


def escaped(record: Document) -> bool:
    """Tell whether a record's name holds HTML-escaped text."""
    return "&" in record["name"] and ";" in record["name"]


STATED = [
    ("users", lambda user: user["id"].isdigit() and len(user["id"]) == 13, "numeric_user_id"),
    ("users", lambda user: "googleId" in user and "password" not in user, "google_user"),
    ("users", escaped, "escaped_name"),
    ("projects", escaped, "escaped_name"),
    ("users", lambda user: not user["name"].isascii(), "unicode_name"),
    ("projects", lacks("teamId"), "missing_team"),
    ("projects", null("teamId"), "null_team"),
    ("tasks", lacks("dueDate"), "missing_due_date"),
    ("tasks", null("dueDate"), "null_due_date"),
    ("milestones", lacks("dueDate"), "missing_due_date"),
    ("milestones", lacks("name"), "title_milestone"),
    ("tasks", lambda task: "estimatedHours" in task, "undeclared"),
    ("messages", lambda message: "clientTag" in message, "undeclared"),
    ("tasks", lacks("createdAt"), "missing_created"),
    ("tasks", lacks("updatedAt"), "missing_updated"),
    ("tasks", lambda task: task["description"] == "", "empty_text"),
    ("tasks", null("description"), "null_text"),
    ("tasks", lambda task: task.get("createdAt", "").endswith(".000Z"), "whole_second"),
    ("tasks", lambda task: task.get("createdAt", "").endswith("+05:30"), "offset"),
    ("tasks", lambda task: "." not in task.get("createdAt", "."), "no_fraction"),
    ("messages", lambda message: "replyTo" in message, "reply"),
    ("messages", lambda message: message["mentions"] != [], "mention"),
    ("messages", lambda message: "attachments" in message, "attachment"),
]


@pytest.mark.parametrize(
    ("kind", "counted", "share"), STATED, ids=[f"{kind}-{share}" for kind, _, share in STATED]
)
def test_each_awkward_part_occurs_as_often_as_stated(
    made: dict[str, list[Any]], kind: str, counted: Callable[[Document], bool], share: str
) -> None:
    stated = getattr(SHARES, share)
    found = sum(map(counted, made[kind])) / len(made[kind])
    margin = 4 * (stated * (1 - stated) / len(made[kind])) ** 0.5
    assert stated == pytest.approx(found, abs=margin)


def test_a_project_without_children_has_an_empty_array_or_none(made: dict[str, list[Any]]) -> None:
    childless = [p for p in made["projects"] if not p.get("tasks")]
    found = sum("tasks" not in p for p in childless) / len(childless)
    assert SHARES.absent_children == pytest.approx(found, abs=0.15)


def test_every_project_has_one_owner_who_made_it(made: dict[str, list[Any]]) -> None:
    owners = [(m["projectId"], m["userId"]) for m in made["members"] if m["role"] == "owner"]
    assert sorted((p["id"], p["createdBy"]) for p in made["projects"]) == sorted(owners)


def test_one_folder_in_three_has_no_files_at_all(tmp_path: Path) -> None:
    empty = []
    for seed in range(6):
        generate(tmp_path / str(seed), records=300, seed=seed, compact=True)
        empty.append((tmp_path / str(seed) / "files.json").read_bytes() == b'{"files":[]}')
    assert [False, False, True] * 2 == empty


def test_wrapper_keys_stand_before_and_after_the_records(tmp_path: Path) -> None:
    generate(tmp_path, records=50, seed=7)
    names = {name: list(json.loads((tmp_path / f"{name}.json").read_bytes())) for name in FILES}
    assert names["users"] == ["version", "users", "lastUpdated", "settings"]
    assert names["projects"] == ["projects", "nextNumber", "note"]
    assert names["teams"] == ["teams"]


# Clean data is consistent

UNIQUE = {
    "users": ("id", "email"),
    "projects": ("id",),
    "tasks": ("id",),
    "milestones": ("id",),
    "messages": ("id",),
    "activities": ("id",),
}
REFERENCES = [
    ("projects", "teamId", "teams"),
    ("projects", "createdBy", "users"),
    ("members", "userId", "users"),
    ("tasks", "assignedTo", "users"),
    ("tasks", "createdBy", "users"),
    ("teams", "createdBy", "users"),
    ("channels", "teamId", "teams"),
    ("channels", "projectId", "projects"),
    ("channels", "createdBy", "users"),
    ("messages", "channelId", "channels"),
    ("messages", "authorId", "users"),
    ("messages", "replyTo", "messages"),
    ("files", "projectId", "projects"),
    ("files", "uploadedBy", "users"),
    ("activities", "projectId", "projects"),
    ("activities", "userId", "users"),
]


@pytest.mark.parametrize("kind", UNIQUE)
def test_no_two_records_share_what_is_unique(made: dict[str, list[Any]], kind: str) -> None:
    for field in UNIQUE[kind]:
        assert len({record[field] for record in made[kind]}) == len(made[kind])


def test_a_user_is_a_member_of_a_project_once(made: dict[str, list[Any]]) -> None:
    assert max(Counter((m["projectId"], m["userId"]) for m in made["members"]).values()) == 1


@pytest.mark.parametrize(("kind", "field", "to"), REFERENCES)
def test_every_reference_leads_somewhere(
    made: dict[str, list[Any]], kind: str, field: str, to: str
) -> None:
    known = {record["id"] for record in made[to]}
    named = {record[field] for record in made[kind] if record.get(field) is not None}
    assert named
    assert named <= known


def test_the_files_that_projects_name_are_theirs(made: dict[str, list[Any]]) -> None:
    named = {
        (project["id"], file) for project in made["projects"] for file in project.get("files", [])
    }
    assert named == {(file["projectId"], file["id"]) for file in made["files"]}


def test_activities_carry_the_names_that_user_and_project_have(
    made: dict[str, list[Any]],
) -> None:
    names = {
        record["id"]: record["name"] for kind in ("users", "projects") for record in made[kind]
    }
    for activity in made["activities"]:
        assert activity["userName"] == names[activity["userId"]]
        assert activity["projectName"] == names[activity["projectId"]]


# Faults


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Generated]:
    """A folder of 2,000 records with a tenth more that are bad or odd."""
    folder = tmp_path_factory.mktemp("faulty")
    return folder, generate(folder, records=2000, seed=7, faults=0.1)


def items_of(folder: Path, planted: Planted) -> list[Any]:
    """Return the array in which a planted item stands."""
    document = loaded(folder / planted.file)
    if planted.parent is None:
        found: list[Any] = document[planted.kind]
        return found
    holders = [p for p in document["projects"] if isinstance(p, dict)]
    return next(p[planted.kind] for p in holders if p.get("id") == planted.parent)


def test_every_case_is_planted(faulty: tuple[Path, Generated]) -> None:
    planted = {(one.case, one.kind, one.field) for one in faulty[1].planted}
    assert {(case.name, case.kind, case.field) for case in CASES} == planted


def test_the_share_of_faults_is_as_asked(faulty: tuple[Path, Generated]) -> None:
    assert 200 <= len(faulty[1].planted) <= 250


def test_the_list_says_where_each_planted_item_stands(faulty: tuple[Path, Generated]) -> None:
    folder, generated = faulty
    for planted in generated.planted:
        item = items_of(folder, planted)[planted.index]
        key = "userId" if planted.kind == "members" else "id"
        if planted.key is not None:
            assert planted.key == item[key]
        elif planted.case == "J18":
            assert not isinstance(item, dict)


def test_the_good_records_are_those_of_a_clean_folder(
    faulty: tuple[Path, Generated], tmp_path: Path
) -> None:
    folder, generated = faulty
    generate(tmp_path, records=2000, seed=7)
    spoiled = Counter((one.file, one.kind) for one in generated.planted)
    for name in ("users", "teams", "channels", "messages", "files", "activities"):
        gone = {one.index for one in generated.planted if one.file == f"{name}.json"}
        records = read(folder)[name]
        kept = [record for at, record in enumerate(records) if at not in gone]
        assert len(gone) == spoiled[f"{name}.json", name]
        assert read(tmp_path)[name] == kept


def test_nothing_is_planted_unless_asked(tmp_path: Path) -> None:
    assert generate(tmp_path, records=100, seed=7).planted == ()


# The command


def command(*arguments: str) -> subprocess.Popen[str]:
    """Start ``python -m flux_studio.generate`` in the example's folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "flux_studio.generate", *arguments],
        cwd=EXAMPLE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def peak_bytes(*arguments: str) -> int:
    """Return the peak memory of the command."""
    process = command(*arguments)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.communicate() is not None
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


def test_memory_does_not_grow_with_the_folder(tmp_path: Path) -> None:
    small = peak_bytes(str(tmp_path / "small"), "--records", "5000")
    large = peak_bytes(str(tmp_path / "large"), "--records", "100000")
    assert large - small < 3 * MEBIBYTE


def test_the_command_says_what_it_made_and_lists_what_it_planted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "planted.jsonl"
    folder = str(tmp_path / "data")
    arguments = [folder, "--records", "300", "--faults", "0.01", "--planted", str(listed)]
    assert main(arguments) == 0
    planted = [json.loads(line) for line in listed.read_text().splitlines()]
    assert {"case", "kind", "file", "parent", "index", "key", "field", "outcome", "reason"} == set(
        planted[0]
    )
    assert f"{len(planted)} planted" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--records", "-1"], ["--faults", "2"], ["--seed", "x"]])
def test_the_command_refuses_what_cannot_be_meant(tmp_path: Path, option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), *option])
    assert list(tmp_path.iterdir()) == []


def test_the_command_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "teams.json").write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    assert "already holds teams.json" in capsys.readouterr().err
    assert (tmp_path / "teams.json").read_text() == "mine"
