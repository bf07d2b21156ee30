"""Memory stays flat: five times the records take no more of it, however many stay behind."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from endless import ENTITIES, endless

from fluxstore.migration.assess import assess
from fluxstore.migration.migrate import migrate
from fluxstore.migration.verify import validate

FEW, MANY = 4_000, 20_000
MIB = 1024 * 1024


def peak_bytes(command: Callable[[int], object], records: int) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        command(records)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def copy(records: int) -> None:
    assert 0 == migrate(endless("a", records), endless("b", 0), ENTITIES).exit_code


def compare(records: int) -> None:
    assert 0 == validate(endless("a", records), endless("b", records), ENTITIES).exit_code


def compare_with_nothing(records: int) -> None:
    report = validate(endless("a", records), endless("b", 0), ENTITIES)
    assert records == {one.entity: one for one in report.entities}["users"].missing


def look_at_what_stays_behind(records: int) -> None:
    source = endless("a", records, dangling=True)
    assert records == assess(source, endless("b", 0), ENTITIES).problem_count


@pytest.mark.parametrize(
    "command", [copy, compare, compare_with_nothing, look_at_what_stays_behind]
)
def test_memory_does_not_grow_with_the_records(command):
    command(100)  # what is made once and kept
    few, many = peak_bytes(command, FEW), peak_bytes(command, MANY)

    assert many <= 1.2 * few + MIB
    assert many <= 16 * MIB
