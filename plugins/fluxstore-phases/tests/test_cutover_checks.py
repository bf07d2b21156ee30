"""C4: every key that was written since the validation is compared, nearly all before the seal."""

from __future__ import annotations

import pytest
from phase_changes import KINDS, NOTES, ends, satisfy, walk, write

from fluxstore.errors import GateError
from fluxstore.migration import facts, relay
from fluxstore.records import Put, Record, Version, Versioned
from fluxstore_phases import checking
from fluxstore_phases.cutover import Cutover
from fluxstore_phases.phases import Side, phase_of
from fluxstore_phases.standing import ALL

SOURCE, TARGET = Side.SOURCE, Side.TARGET
MANY = 3 * checking.FEW_KEYS
KEYS = [f"{number:05}" for number in range(MANY)]


@pytest.fixture(params=["sqlite-sqlite", "json-sqlite"])
def sides(request, tmp_path):
    one, two = request.param.split("-")
    with ends(tmp_path, one=KINDS[one], two=KINDS[two]) as both:
        yield both.sides()


def wrote(sides, keys):
    puts = [Put(key, {"id": key, "text": "new", "log": []}) for key in keys]
    sides.adapter(SOURCE).collection(NOTES).commit(puts)
    relay.drain(*map(sides.adapter, (SOURCE, TARGET)), [NOTES])


def spoil(sides, key):
    """Give the follower another value under the very same version, which no mark tells of."""
    version = sides.adapter(SOURCE).ledger.versions("notes", [key])[key]
    later = Version(version.epoch, version.seq + 1)
    record = Record(key, {"id": key, "text": "spoilt", "log": []})
    target = sides.adapter(TARGET).collection(NOTES)
    assert [True] == list(target.apply_if_newer([Versioned(key, later, record)]))


def cutover(sides, **more):
    return Cutover(sides, ALL, SOURCE, phase_of("live"), **more)


def test_what_was_written_since_the_validation_is_compared_before_writers_wait(sides):
    walk(sides, 3)
    satisfy(sides)
    wrote(sides, KEYS)
    run = cutover(sides)
    with sides.leased():
        handed = run.run()

    assert 0 == handed.checked  # nobody wrote after that: nothing is left for the pause
    assert MANY == sum(one.compared for one in run.checks.values())


def test_the_first_of_many_is_compared_too(sides):
    walk(sides, 3)
    satisfy(sides)
    wrote(sides, KEYS)
    spoil(sides, KEYS[0])
    with sides.leased(), pytest.raises(GateError, match=f"{KEYS[0]} for one") as caught:
        cutover(sides).run()

    assert "check" == caught.value.gate
    assert "authority" == sides.controls(SOURCE)[ALL].role


def test_what_is_written_between_the_passes_and_the_seal_is_compared_under_it(sides):
    walk(sides, 3)
    satisfy(sides)
    wrote(sides, KEYS[:3])

    def tell(said):
        if said.startswith("C2"):
            wrote(sides, KEYS[2:5])

    with sides.leased():
        handed = cutover(sides, tell=tell).run()

    assert 3 == handed.checked


def test_a_validation_begins_the_count_anew(sides):
    walk(sides, 3)
    wrote(sides, KEYS[:9])
    satisfy(sides)
    run = cutover(sides)
    with sides.leased():
        run.run()

    assert 0 == sum(one.compared for one in run.checks.values())


def test_the_way_back_compares_what_was_written_since_the_cutover(sides):
    walk(sides, 3)
    wrote(sides, KEYS[:9])
    walk(sides, 4)
    write(sides, TARGET, "late", "x")
    run = Cutover(sides, ALL, TARGET, phase_of("shadow"))
    with sides.leased():
        run.run()

    assert 1 == sum(one.compared for one in run.checks.values())
    assert {"late"} == set(sides.adapter(SOURCE).collection(NOTES).read(["late"]))
    assert sides.adapter(SOURCE).ledger.fact(facts.EQUAL)
