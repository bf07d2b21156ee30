"""A live backfill killed with kill -9 at any of its calls is gone on with, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import killed_backfill
import pytest
from governed import Pair, parents_first
from killed_backfill import pair_at, run
from moving import Member, Note, Team, User, everything

from fluxstore.entity import entity_of
from fluxstore.migration.relay import drain

CLASSES = (Team, User, Member, Note)
CALLS = (5, 22, 39, 56, 73, 90)


def killed(folder: Path, call: int, moment: str) -> bool:
    """Tell whether it died there: a later call than its last does not come."""
    support = str(Path(killed_backfill.__file__).parent)
    done = subprocess.run(
        [sys.executable, killed_backfill.__file__, str(folder), str(call), moment],
        check=False,
        env=os.environ | {"PYTHONPATH": support},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


def fill(both: Pair) -> None:
    both.write(Team(id="t"), User(id="a", email="1@x", team_id="t"))
    both.write(User(id="b", email="2@x", boss_id="a"), Member(team_id="t", user_id="b"))
    both.write(*(Note(id=n, text=f"note {n}") for n in range(80)))
    both.govern()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_was_killed_is_gone_on_with_and_loses_nothing(moment: str, tmp_path: Path) -> None:
    with pair_at(tmp_path) as both:
        fill(both)
    deaths = 0
    for call in CALLS:
        deaths += killed(tmp_path, call, moment)
        with pair_at(tmp_path) as both:
            both.write(Note(id=call % 80, text=f"written before {call}"))
            both.delete(Note, *both.origin.collection(entity_of(Note)).read([(call * 7) % 80]))
            both.change(User, "b", name=f"name {call}")
    assert deaths >= len(CALLS) // 2
    with pair_at(tmp_path) as both:
        assert 0 == run(both).exit_code
        assert drain(*both.adapters, parents_first()).is_empty
        for cls in CLASSES:
            assert everything(both.origin, cls) == everything(both.follower, cls)
