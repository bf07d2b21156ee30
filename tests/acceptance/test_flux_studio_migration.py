"""The example's records move to every other backend, and are there what they were."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from flux_studio_example import CONFIGURATION, EXAMPLE, importable
from shell import inside

import fluxstore
from fluxstore import Config

with importable():
    import entities
    import entities_business as business
    from entities import Milestone, Project, Task, User
    from flux_studio.app import FluxStudio
    from flux_studio.generate import FILES, generate
    from flux_studio.planting import Planted

ENTITY_OF = {"members": "project_members", "channels": "conversations"}
INDEX = re.compile(r"\[\d+\]")
TARGETS = ["postgres", "sqlite"]


@attrs.frozen
class Site:
    """The example in a folder of its own, with data of its own."""

    folder: Path
    target: str

    @property
    def data(self) -> Path:
        """The folder of JSON files."""
        return self.folder / "data"

    def run(self, command: str, *arguments: str, exit_code: int = 0) -> Any:
        """Run a command on json and the target, and return what ``--json`` prints."""
        ends = ("--from", "json", "--to", self.target, "--json")
        done = inside(command, *ends, *arguments, folder=self.folder)
        assert exit_code == done.returncode, done.stdout + done.stderr
        return json.loads(done.stdout)

    def config(self) -> Config:
        """Return the configuration with the entities of this process."""
        loaded = Config.load(self.folder / "fluxstore.toml")
        return attrs.evolve(loaded, entities=Config.load(CONFIGURATION).entities)

    def studio(self, backend: str) -> FluxStudio:
        """Open the application on a backend."""
        return FluxStudio(fluxstore.open(self.config(), backend=backend))

    def records(self, backend: str) -> dict[str, list[Any]]:
        """Return every record of every entity that a backend has, as the application sees it."""
        with fluxstore.open(self.config(), backend=backend) as store:
            return {name: list(store[name].find()) for name in store.entities}


@pytest.fixture(params=TARGETS)
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    flux_studio_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    """The example with an empty PostgreSQL that has its tables, or a SQLite file to be made."""
    monkeypatch.setenv("DATABASE_URL", flux_studio_dsn)
    for name in ("fluxstore.toml", "entities.py", "entities_business.py"):
        shutil.copy(EXAMPLE / name, tmp_path)
    return Site(tmp_path, request.param)


def planted_problems(planted: tuple[Planted, ...]) -> Counter[tuple[str, str, str, str]]:
    """Return what must be quarantined, as (file, entity, key, reason); no key: empty."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for one in planted:
        if one.outcome == "quarantined":
            key = one.key or ""
            if key and one.kind == "members":
                key = json.dumps([one.parent, key], separators=(",", ":"))
            found[one.file, ENTITY_OF.get(one.kind, one.kind), key, one.reason] += 1
    return found


def listed_problems(file: Path) -> Counter[tuple[str, str, str, str]]:
    """Return what ``--problems`` lists, in the same form; each record and reason once."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for line in file.read_text().splitlines():
        one = json.loads(line)
        key = "" if INDEX.fullmatch(one["key"]) else one["key"]
        file = Path(one["file"].partition(": ")[0]).name
        found[file, one["entity"], key, one["reason"]] += 1
    return found


def test_a_clean_folder_moves_with_nothing_left_behind(site: Site) -> None:
    generate(site.data, records=1500, seed=7)
    assert site.run("assess")["problem_count"] == 0
    report = site.run("migrate")
    assert sum(one["written"] for one in report["entities"]) == 1500
    assert sum(one["quarantined"] for one in report["entities"]) == 0
    site.run("validate")
    assert site.records("json") == site.records(site.target)


def test_a_second_run_writes_nothing(site: Site) -> None:
    generate(site.data, records=500, seed=7)
    site.run("migrate")
    report = site.run("migrate")
    assert sum(one["written"] for one in report["entities"]) == 0
    assert sum(one["unchanged"] for one in report["entities"]) == 500


def test_bad_records_stay_behind_and_odd_ones_do_not(site: Site, tmp_path: Path) -> None:
    planted = generate(site.data, records=600, seed=7, faults=0.01).planted
    before = {name: (site.data / f"{name}.json").read_bytes() for name in FILES}
    site.run("assess", "--problems", str(tmp_path / "assessed.jsonl"), exit_code=4)
    site.run("migrate", "--problems", str(tmp_path / "migrated.jsonl"), exit_code=4)
    expected = planted_problems(planted)
    assert expected == listed_problems(tmp_path / "assessed.jsonl")
    assert expected == listed_problems(tmp_path / "migrated.jsonl")
    assert before == {name: (site.data / f"{name}.json").read_bytes() for name in FILES}


def test_regression_18_a_record_edited_in_its_file_keeps_its_updated_at_everywhere(
    site: Site,
) -> None:
    generate(site.data, records=300, seed=7)
    site.run("migrate")
    file = site.data / "projects.json"
    document = json.loads(file.read_bytes())
    document["projects"][0]["name"] = "Edited by hand"
    file.write_text(json.dumps(document))
    site.run("validate", exit_code=5)
    site.run("migrate")
    site.run("validate")


@pytest.fixture
def used(site: Site) -> Site:
    """The example with records that the application wrote itself, into JSON files."""
    generate(site.data, records=0, seed=7)
    with site.studio("json") as studio:
        studio.users.create(User(id="1500000000007", email="ada@example.com", name="Ada"))
        studio.users.create(User(id="u2", email="bo@example.com", name="Bo"))
        studio.projects.create(
            Project(id="p1", name="Logo", manager_id="1500000000007"), members={"u2": "viewer"}
        )
        studio.tasks.create(Task(id="t1", title="Sketch", project_id="p1"), by="u2")
        studio.milestones.create(Milestone(id="m1", name="First", project_id="p1"), by="u2")
    return site


def test_regression_13_changes_to_what_a_project_holds_reach_the_other_side(used: Site) -> None:
    used.run("migrate")
    with used.studio("json") as studio:
        studio.members.update("p1", "u2", "manager")
        studio.tasks.update("t1", status="review")
        studio.milestones.update("m1", status="completed")
    used.run("migrate")
    with used.studio(used.target) as studio:
        assert [task.status for task in studio.tasks.of("p1")] == ["review"]
        assert [milestone.status for milestone in studio.milestones.of("p1")] == ["completed"]
        assert {"owner", "manager"} == {member.role for member in studio.members.of("p1")}


def test_regression_14_members_given_to_a_create_reach_the_other_side(used: Site) -> None:
    used.run("migrate")
    with used.studio(used.target) as studio:
        assert {("1500000000007", "owner"), ("u2", "viewer")} == {
            (member.user_id, member.role) for member in studio.members.of("p1")
        }


def test_regression_15_activities_are_on_both_sides(used: Site) -> None:
    used.run("migrate")
    with used.studio("json") as one, used.studio(used.target) as other:
        assert len(one.activities.of("p1")) == 3
        assert one.activities.of("p1") == other.activities.of("p1")


def test_regression_18_updated_at_is_the_same_on_both_sides(used: Site) -> None:
    used.run("migrate")
    with used.studio("json") as one, used.studio(used.target) as other:
        first, second = one.projects.by_id("p1"), other.projects.by_id("p1")
    assert first is not None
    assert first.updated_at is not None
    assert first == second


def test_regression_25_all_23_entities_move(used: Site) -> None:
    with fluxstore.open(used.config(), backend="json") as store:
        for instance in samples():
            store[type(instance)].create(instance)
    used.run("migrate")
    found = used.records(used.target)
    assert len(found) == 23
    assert all(found.values()), [name for name, records in found.items() if not records]
    assert used.records("json") == found
    used.run("validate")


def samples() -> list[Any]:
    """Return a record of each entity that the application does not write here itself."""
    owner, other = "1500000000007", "u2"
    day = datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC)
    return [
        entities.Organization(id="o1", name="Studio", slug="studio", created_by=owner),
        entities.OrganizationMember(organization_id="o1", user_id=other, role="admin"),
        entities.Team(id="g1", name="Team", organization_id="o1", slug="core"),
        entities.TeamMember(team_id="g1", user_id=other),
        entities.File(id="f1", name="a.png", size_bytes=2**40, tags=["x", "ü"], project_id="p1"),
        entities.FilePermission(file_id="f1", user_id=other, granted_by=owner),
        entities.Conversation(id="c1", name="Talk", team_id="g1", created_by=owner),
        entities.ConversationParticipant(conversation_id="c1", user_id=other, last_read_at=day),
        entities.Message(id="x1", conversation_id="c1", content="&lt;hi&gt;", mentions=[other]),
        entities.Message(id="x2", conversation_id="c1", reply_to_id="x1", attachments=[{"n": 1}]),
        entities.MessageReaction(message_id="x1", user_id=other, reaction="👍🏽"),
        entities.Notification(id="n1", user_id=other, type="t", title="T", data={"a": None}),
        business.ServicePackage(
            id="s1", organization_id="o1", name="Logo", slug="logo", price=Decimal("1.10")
        ),
        business.ClientRequest(
            id="r1", client_id=other, title="R", service_package_id="s1", budget=Decimal("1e3")
        ),
        business.Invoice(
            id="i1",
            organization_id="o1",
            client_id=other,
            invoice_number="2026-1",
            total=Decimal("99.00"),
            line_items=[{"text": "Logo", "price": "99.00"}],
            issue_date=day.date(),
        ),
        business.TimeEntry(id="e1", user_id=other, project_id="p1", task_id="t1", started_at=day),
        business.Portfolio(id="w1", user_id=owner, title="Work", slug="work", settings={"a": [1]}),
        business.PortfolioItem(id="y1", portfolio_id="w1", title="One", tags=["a"], position=3),
    ]
