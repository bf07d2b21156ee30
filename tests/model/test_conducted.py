"""Real backends take the model's steps, on named interleavings and on random paths."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

import attrs
import pytest
from asked import ASKED, ask
from conducted import ENTITIES, STEPS, Conductor
from protocol_model.ablations_of_migration import MIGRATION
from protocol_model.interleavings import interleaving
from protocol_model.migration import Migration
from protocol_model.scenario import (
    TO_COMPLETE_AND_BACK,
    TO_FINAL,
    TO_LIVE_AND_BACK,
    TO_LIVE_TWICE,
    TO_OFF_AND_AGAIN,
    Scenario,
)

from fluxstore.adapter import Adapter
from fluxstore.settings import Secret
from fluxstore.testing.backend import Backend
from fluxstore.testing.databases import DatabaseServer
from fluxstore.testing.reference import ReferenceAdapter
from fluxstore.testing.reference import Settings as ReferenceSettings
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import Settings as JsonSettings
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.settings import Settings as PostgresSettings
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings as SqliteSettings

Made = AbstractContextManager[Backend]
WALKS, LENGTH = 2, 70
BUSY = {
    "writers": ("a0 d1 a2 a0", "a1 a1 d0 a2", "d2 a0 a1"),
    "foreign": "a2 d1",
    "keys": 3,
    "batch": 2,
    "relays": 2,
    "backfills": 2,
    "reads": 3,
    "recoveries": 2,
    "lost_replies": 2,
    "finalizes": True,
}
GOALS = (TO_LIVE_AND_BACK, TO_LIVE_TWICE, TO_COMPLETE_AND_BACK, TO_FINAL, TO_OFF_AND_AGAIN)
NAMED = [one for one in MIGRATION if isinstance(one.whole, Migration)]


def reference(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(ReferenceAdapter, ReferenceSettings(), folder))


def sqlite(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(SqliteAdapter, SqliteSettings(path="store.db"), folder))


def json(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(JsonAdapter, JsonSettings(path="data"), folder))


@contextmanager
def postgres(folder: Path, server: DatabaseServer) -> Iterator[Backend]:
    with server.database() as dsn:
        yield Backend(PostgresAdapter, PostgresSettings(dsn=Secret(dsn)), folder)


PAIRS: tuple[tuple[Callable[[Path, DatabaseServer], Made], ...], ...] = (
    (reference, reference),
    (json, postgres),
    (sqlite, json),
    (postgres, sqlite),
)


class Stage:
    """Opens fresh pairs of backends, and closes them."""

    def __init__(self, makers, folder: Path, server: DatabaseServer) -> None:
        self._makers, self._folder, self._server = makers, folder, server
        self._opened = ExitStack()
        self._count = 0

    def sides(self) -> tuple[Adapter, Adapter]:
        """Return two empty backends."""
        self._opened.close()
        self._count += 1
        adapters = []
        for number, make in enumerate(self._makers):
            folder = self._folder / f"{self._count}-{number}"
            folder.mkdir()
            backend = self._opened.enter_context(make(folder, self._server))
            adapters.append(self._opened.enter_context(backend.opened(ENTITIES)))
        return adapters[0], adapters[1]

    def close(self) -> None:
        self._opened.close()


@pytest.fixture(params=PAIRS, ids=["-".join(make.__name__ for make in pair) for pair in PAIRS])
def stage(request, tmp_path, postgres_server) -> Iterator[Stage]:
    made = Stage(request.param, tmp_path, postgres_server)
    yield made
    made.close()


def follow(conductor: Conductor, steps) -> None:
    """Take the model's step for each event: the first that it describes."""
    for wanted in steps:
        found = (step for step in conductor.model.steps(conductor.state) if wanted.matches(step[0]))
        conductor.take(*next(found))


@pytest.mark.postgres
@pytest.mark.slow
def test_real_backends_follow_every_named_interleaving(stage: Stage):
    for ablation in NAMED:
        found = interleaving(ablation)
        conductor = Conductor(ablation.whole, stage.sides())
        follow(conductor, found.steps)
        refused = found.refused
        if refused is not None and not str(refused.actor).startswith(("migrator", "message")):
            ask(conductor, refused)


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.parametrize("goal", GOALS)
def test_real_backends_follow_random_paths(stage: Stage, goal: str):
    for seed in range(WALKS):
        model = Migration.of(attrs.evolve(Scenario("busy", goal), **BUSY))
        conductor = Conductor(model, stage.sides())
        chance = random.Random(f"{goal} {seed}")
        for _ in range(LENGTH):
            choice = list(model.steps(conductor.state))
            if not choice:
                break
            conductor.take(*chance.choice(choice))


def test_every_actor_but_the_migrator_can_be_asked():
    assert {"migrator", "message"} == STEPS.keys() - ASKED.keys()
