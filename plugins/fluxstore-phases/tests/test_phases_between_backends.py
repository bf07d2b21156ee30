"""The whole way, there and back, between backends of different kinds, writing all along."""

from __future__ import annotations

import pytest
from phase_changes import (
    KINDS,
    converged,
    ends,
    postgres,
    records,
    remove,
    roles,
    texts,
    walk,
    write,
)

from fluxstore.errors import StalePhaseError
from fluxstore.testing.databases import postgres_dsn, postgres_server, reachable_folder
from fluxstore_phases import completing
from fluxstore_phases.phases import Side
from fluxstore_phases.standing import ALL

SOURCE, TARGET = Side.SOURCE, Side.TARGET
FILES = ("json", "sqlite", "reference")
PAIRS = [(one, two) for one in FILES for two in FILES]
WITH_SERVER = [
    ("json", "postgres"),
    ("sqlite", "postgres"),
    ("postgres", "json"),
    ("json", "client"),
    ("client", "sqlite"),
]

__all__ = ["postgres_dsn", "postgres_server", "reachable_folder"]


def there_and_back(sides):
    """Go 0 → 4 → 3 → 5 → 4 → 3 → 0, writing in each phase; return what must be there."""
    expected = {}

    def wrote(key, text):
        write(sides, sides.standing(ALL).holder, key, text)
        expected[key] = text

    wrote("first", "before")
    wrote("gone", "for a while")
    for number, to in enumerate((1, 2, 3, 4, 3, 4, 5, 4, 3, 0)):
        walk(sides, to)
        wrote("changing", f"in step {number}")
        wrote(f"step {number}", f"phase {to}")
        if number == 3:
            remove(sides, TARGET, "gone")
            del expected["gone"]
        assert expected == texts(sides, sides.standing(ALL).holder), f"step {number}"
        if to in (1, 2, 3, 4):
            converged(sides)
    return expected


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_there_and_back_between_files(one, two, tmp_path):
    with ends(tmp_path, one=KINDS[one], two=KINDS[two]) as both:
        sides = both.sides()
        expected = there_and_back(sides)

        assert expected == texts(sides, SOURCE)
        assert ["authority", "nothing"] == roles(sides)


@pytest.mark.parametrize(("one", "two"), WITH_SERVER)
def test_there_and_back_with_a_server(one, two, tmp_path, postgres_dsn):
    client = postgres(postgres_dsn, capture="client")
    kinds = {**KINDS, "postgres": postgres(postgres_dsn), "client": client}
    with ends(tmp_path, one=kinds[one], two=kinds[two]) as both:
        sides = both.sides()
        expected = there_and_back(sides)

        assert expected == texts(sides, SOURCE)


@pytest.mark.parametrize(("one", "two"), [("json", "sqlite"), ("sqlite", "json")])
def test_after_finalizing_the_old_side_stays_shut(one, two, tmp_path):
    with ends(tmp_path, one=KINDS[one], two=KINDS[two]) as both:
        sides = both.sides()
        write(sides, SOURCE, "a", "x")
        walk(sides, 5)
        completing.finalize(sides, ALL)
        write(sides, TARGET, "a", "y")

        assert "final" == sides.standing(ALL).state.name
        assert {} == sides.adapter(TARGET).ledger.versions("notes", ["a"])
        assert records(sides, SOURCE) != records(sides, TARGET)
        with pytest.raises(StalePhaseError):
            write(sides, SOURCE, "a", "z")


def test_a_finalized_target_can_be_the_source_of_another_migration(tmp_path):
    with ends(tmp_path, one=KINDS["json"], two=KINDS["sqlite"]) as both:
        sides = both.sides()
        write(sides, SOURCE, "a", "x")
        walk(sides, 5)
        completing.finalize(sides, ALL)
        turned = both.sides(turned=True)
        write(turned, SOURCE, "a", "y")
        walk(turned, 4)

        assert {"a": "y"} == texts(turned, TARGET)
