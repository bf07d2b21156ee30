"""The example application in a migration: all it does is on both sides, there and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from flux_studio_example import configuration, importable
from two_sided import wait_until

import fluxstore
from fluxstore import Config, Entity, Plugins, entity_of
from fluxstore.adapter import Adapter, Use
from fluxstore.backends import OpenBackends, open_backend
from fluxstore.codec import Codec
from fluxstore.migration import relay
from fluxstore.migration.scanning import pages
from fluxstore_phases.phases import Side, phase_of
from fluxstore_phases.sides import Sides
from fluxstore_phases.steps import Walk

with importable():
    from entities import Activity, Milestone, Project, Task, User
    from flux_studio.app import FluxStudio

NAMES = {Side.SOURCE: "json", Side.TARGET: "postgres"}


@pytest.fixture
def plugins() -> Plugins:
    return Plugins.load()


@pytest.fixture
def config(
    tmp_path: Path, plugins: Plugins, flux_studio_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> Config:
    monkeypatch.setenv("DATABASE_URL", flux_studio_dsn)
    (tmp_path / "data").mkdir()
    return configuration(tmp_path, plugins=plugins)


@pytest.fixture
def sides(config: Config, plugins: Plugins) -> Iterator[Sides]:
    def opened(name: str) -> Adapter:
        return open_backend(config, name, plugins=plugins, use=Use.SERVE)

    backends = OpenBackends(opened)
    yield Sides(NAMES, config.entities, backends.adapter)
    backends.close()


@contextmanager
def studio(config: Config, plugins: Plugins) -> Iterator[FluxStudio]:
    with FluxStudio(fluxstore.open(config, plugins=plugins)) as opened:
        yield opened


def fill(opened: FluxStudio) -> None:
    opened.users.create(User(id="u1", email="ada@example.com", name="Ada"))
    opened.users.create(User(id="u2", email="bo@example.com", name="Bo"))
    opened.projects.create(
        Project(id="p1", name="Logo", manager_id="u1"), members={"u2": "viewer"}, by="u1"
    )
    opened.projects.create(Project(id="p2", name="Site", manager_id="u1"), by="u1")
    opened.tasks.create(Task(id="t1", title="Sketch", project_id="p1", assigned_to="u2"), by="u1")
    opened.tasks.create(Task(id="t2", title="Draw", project_id="p2"), by="u1")
    opened.milestones.create(Milestone(id="m1", name="First", project_id="p2"), by="u1")


def change(opened: FluxStudio) -> None:
    opened.tasks.update("t1", title="Sketches", by="u2")
    opened.members.update("p1", "u2", "manager")
    opened.milestones.update("m1", status="completed")
    opened.projects.delete("p2", by="u1")
    opened.store[User].delete("u2")


def found(sides: Sides, side: Side, entity: Entity) -> dict[str, bytes]:
    codec, collection = Codec.of(entity), sides.adapter(side).collection(entity)
    return {
        codec.key_text(record.key): codec.record_bytes(record)
        for page in pages(collection, lambda: 500)
        for record in page.records
    }


def settled(sides: Sides) -> None:
    origin = sides.adapter(sides.standing("*").holder)
    wait_until(lambda: not relay.backlog(origin, list(sides.entities.values())).marks)


def equal(sides: Sides) -> dict[str, int]:
    """Return how many records each entity has, the same ones on both sides."""
    settled(sides)
    counts = {}
    for name, entity in sides.entities.items():
        ours = found(sides, Side.SOURCE, entity)
        assert (name, ours) == (name, found(sides, Side.TARGET, entity))
        counts[name] = len(ours)
    return counts


def test_regression_13_14_15_all_that_the_application_does_is_on_both_sides(
    config: Config, plugins: Plugins, sides: Sides
) -> None:
    Walk(sides).to(phase_of("dual_write"))
    with studio(config, plugins) as opened:
        fill(opened)
        filled = equal(sides)
        change(opened)
        changed = equal(sides)
        activities = opened.store[Activity].count()
    assert (2, 2, 1) == (filled["projects"], filled["tasks"], filled["milestones"])
    assert (1, 1, 0) == (changed["projects"], changed["tasks"], changed["milestones"])
    assert filled["activities"] < changed["activities"] == activities


def test_what_a_delete_took_with_it_is_gone_from_the_follower_when_the_call_returns(
    config: Config, plugins: Plugins, sides: Sides
) -> None:
    Walk(sides).to(phase_of("dual_write"))
    patient = {"on_follower_error": "raise", "follower_budget": timedelta(seconds=20)}
    raising = attrs.evolve(config.policy.settings, **patient)
    strict = attrs.evolve(config, policy=attrs.evolve(config.policy, settings=raising))
    with studio(strict, plugins) as opened:
        fill(opened)
        for key in ("p1", "p2"):
            opened.store[Project].delete(key)
        assert {} == found(sides, Side.TARGET, entity_of(Project))
        assert {} == found(sides, Side.TARGET, entity_of(Task))
