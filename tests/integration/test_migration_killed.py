"""A migration killed with kill -9 at any batch is finished by the next; one batch is done again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import killed_migration
import pytest
from killed_migration import LIMIT, source_of, target_at
from moving import ENTITIES, Note, User, by_entity, keys, options, snapshot_of

from fluxstore.migration.migrate import migrate
from fluxstore.migration.verify import validate

RECORDS = 64
BATCHES = 2 * RECORDS // LIMIT


def killed(adapter: str, path: Path, batch: int, moment: str) -> int:
    command = [sys.executable, killed_migration.__file__, adapter, str(path), str(RECORDS)]
    support = str(Path(killed_migration.__file__).parent)
    done = subprocess.run(
        [*command, str(batch), moment],
        check=False,
        env=os.environ | {"PYTHONPATH": support},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -9, done.stderr
    return done.returncode


@pytest.mark.parametrize("adapter", ["reference", "sqlite"])
@pytest.mark.parametrize(
    ("batch", "moment"), [(0, "after"), (1, "after"), (3, "before"), (3, "after"), (6, "after")]
)
def test_the_next_run_finishes_it_and_does_at_most_one_batch_again(
    adapter, batch, moment, tmp_path
):
    path = tmp_path / "target.bin"
    killed(adapter, path, batch, moment)
    target, source = target_at(adapter, path), source_of(RECORDS)
    try:
        done = len(keys(target, User)) + len(keys(target, Note))
        report = migrate(source, target, ENTITIES, options(resume=True, batch_seconds=1e-9))
        found = by_entity(report)

        assert done == LIMIT * (batch + (moment == "after"))
        assert 2 * RECORDS - done == sum(one.written for one in report.entities)
        for one in (found["users"], found["notes"]):
            assert RECORDS == one.resumed + one.written + one.unchanged
            assert one.unchanged <= LIMIT
        assert snapshot_of(source, User, Note) == snapshot_of(target, User, Note)
        assert 0 == validate(source, target, ENTITIES).exit_code
    finally:
        target.adapter.close()


@pytest.mark.parametrize("adapter", ["reference", "sqlite"])
def test_killed_again_and_again_it_still_ends(adapter, tmp_path):
    path = tmp_path / "target.bin"
    for batch in (2, 2, 2):
        killed(adapter, path, batch, "after")
    target = target_at(adapter, path)
    try:
        report = migrate(source_of(RECORDS), target, ENTITIES, options(resume=True))

        assert 0 == report.exit_code
        assert 2 * RECORDS == len(keys(target, User)) + len(keys(target, Note))
    finally:
        target.adapter.close()
