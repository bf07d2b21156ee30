"""A phase change killed with kill -9 at any of its changes is finished, or undone, by the next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import killed_phase_change
import pytest
from phase_changes import (
    DSN,
    ENTITIES,
    KINDS,
    ends,
    marks,
    phase,
    prove,
    records,
    roles,
    texts,
    walk,
    write,
)

from fluxstore.migration import relay
from fluxstore.testing.databases import postgres_dsn, postgres_server, reachable_folder
from fluxstore_phases import archiving, completing, recovery
from fluxstore_phases.phases import Side
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk

SOURCE, TARGET = Side.SOURCE, Side.TARGET
CHANGES = ((0, "1"), (1, "2"), (1, "0"), (3, "4"), (4, "3"), (4, "5"), (5, "4"), (5, "final"))
MOST_CALLS = 24
CUTOVER = 5
"""Changes of control in a cutover: the fence's gate, C2, C4½, C5, C6."""
ALL_VERBS = "set_control,set_fact,clear"
LIMIT_SECONDS = 60

__all__ = ["postgres_dsn", "postgres_server", "reachable_folder"]


def killed(
    kinds: tuple[str, str], folder: Path, to: str, call: int, moment: str, *, verbs: str = ALL_VERBS
) -> bool:
    """Run the change; tell whether it was killed."""
    command = [sys.executable, killed_phase_change.__file__, *kinds, str(folder), to]
    support = str(Path(killed_phase_change.__file__).parent)
    done = subprocess.run(
        [*command, str(call), moment, verbs],
        check=False,
        env=os.environ | {"PYTHONPATH": support},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


def opened(kinds: tuple[str, str], folder: Path):
    return ends(folder, one=KINDS[kinds[0]], two=KINDS[kinds[1]])


def begin(kinds: tuple[str, str], folder: Path, at: int) -> dict[str, str]:
    """Bring a migration to phase *at*, with marks where that phase makes them."""
    folder.mkdir()
    with opened(kinds, folder) as both:
        sides = both.sides()
        write(sides, SOURCE, "old", "from before")
        walk(sides, at)
        holder = sides.standing(ALL).holder
        write(sides, holder, "new", f"in phase {at}")
        if at == 3:
            prove(sides)
        return texts(sides, holder)


def check(kinds: tuple[str, str], folder: Path, to: str, acknowledged: dict[str, str]) -> None:
    """Recover as anybody would, go on writing, finish the change; nothing may be missing."""
    with opened(kinds, folder) as both:
        sides = both.sides()
        with sides.leased():
            recovery.recover_all(sides)
        holder = sides.standing(ALL).holder
        fresh = sides.standing(ALL).state.name == "fresh"
        assert fresh or 1 == roles(sides).count("authority")
        assert acknowledged == texts(sides, holder)
        write(sides, holder, "after", "the kill")
        if to == "final":
            with sides.leased():
                completing.finalize(sides, ALL)
        else:
            finish(sides, int(to))
        holder = sides.standing(ALL).holder
        assert acknowledged | {"after": "the kill"} == texts(sides, holder)
        if to in ("2", "3", "4"):
            converge(sides, holder)


def finish(sides, to: int) -> None:
    if sides.standing(ALL).phase.number == 3:
        prove(sides)
    Walk(sides).to(phase(to))
    assert to == sides.standing(ALL).phase.number
    assert sides.standing(ALL).state.done
    if to == 5:
        assert archiving.is_kept(sides, sides.standing(ALL))


def converge(sides, holder: Side) -> None:
    relay.drain(sides.adapter(holder), sides.adapter(holder.other), list(ENTITIES.values()))
    assert 0 == marks(sides, holder)
    if holder is TARGET or sides.standing(ALL).phase.number == 3:
        assert records(sides, SOURCE) == records(sides, TARGET)


@pytest.mark.parametrize(
    ("kinds", "at", "to"), [(("json", "sqlite"), 3, "4"), (("sqlite", "json"), 4, "3")]
)
def test_files_of_other_kinds_are_no_exception(kinds, at, to, tmp_path):
    acknowledged = begin(kinds, tmp_path / "base", at)
    for call in range(1, CUTOVER + 1):
        folder = tmp_path / f"killed-{call}"
        shutil.copytree(tmp_path / "base", folder)
        assert killed(kinds, folder, to, call, "after", verbs="set_control")
        check(kinds, folder, to, acknowledged)


@pytest.mark.parametrize("call", range(1, CUTOVER + 1))
def test_nor_is_a_server(call, tmp_path, postgres_dsn, monkeypatch):
    monkeypatch.setenv(DSN, postgres_dsn)
    kinds = ("json", "postgres")
    acknowledged = begin(kinds, tmp_path / "base", 3)

    assert killed(kinds, tmp_path / "base", "4", call, "after", verbs="set_control")
    check(kinds, tmp_path / "base", "4", acknowledged)


@pytest.mark.parametrize(("at", "to"), CHANGES)
def test_the_next_one_finds_one_authority_and_every_write(at, to, tmp_path):
    """Killed after a change is killed before the next one: nothing durable is in between."""
    kinds = ("reference", "reference")
    acknowledged = begin(kinds, tmp_path / "base", at)
    kills = 0
    for call in range(1, MOST_CALLS):
        folder = tmp_path / f"killed-{call}"
        shutil.copytree(tmp_path / "base", folder)
        if not killed(kinds, folder, to, call, "after"):
            break
        kills += 1
        check(kinds, folder, to, acknowledged)

    assert 1 <= kills < MOST_CALLS - 1
