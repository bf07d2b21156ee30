"""Workloads: who does what, from which state, and where it is to end."""

from __future__ import annotations

import attrs

ADD, DELETE = "add", "delete"
LEGACY = 1
"""The bit of what was there before anybody wrote."""

TO_DUAL, TO_LIVE, TO_LIVE_AND_BACK = "dual", "live", "rollback"
TO_FINAL, TO_COMPLETE_AND_BACK, TO_EXPIRED_AND_BACK = "final", "reopen", "refill"
TO_OFF_AND_AGAIN, TO_LIVE_TWICE = "again", "twice"


@attrs.frozen
class Op:
    """One operation: it adds its own bit to a record, or deletes it."""

    number: int
    kind: str
    key: int

    @property
    def bit(self) -> int:
        return LEGACY << (self.number + 1)


def _scripts(texts: tuple[str, ...], first: int) -> tuple[tuple[Op, ...], ...]:
    """Return operations of texts such as ``a0 d1``: add to key 0, then delete key 1."""
    kinds = {"a": ADD, "d": DELETE}
    scripts, number = [], first
    for text in texts:
        script = []
        for word in text.split():
            script.append(Op(number, kinds[word[0]], int(word[1:])))
            number += 1
        scripts.append(tuple(script))
    return tuple(scripts)


@attrs.frozen
class Scenario:
    """A workload small enough to be explored completely, or large enough for a recorded run.

    ``target`` says what the target holds of the records at first: ``empty``; ``copied``, the same;
    ``drifted``, others under the same keys; ``stale``, others with version rows of an earlier
    migration. ``begins`` is the phase, ``off`` or ``dual`` (then ``copied`` is up to date).
    """

    name: str
    goal: str
    writers: tuple[str, ...] = ()
    foreign: str = ""
    keys: int = 1
    legacy: bool = True
    target: str = "empty"
    begins: str = "off"
    batch: int = 1
    relays: int = 1
    backfills: int = 1
    reads: int = 0
    recoveries: int = 0
    lost_replies: int = 0
    finalizes: bool = False
    """Somebody else may be finalizing meanwhile."""
    deletes_extra: bool = False
    """The backfill deletes records that only the target has, as ``--delete-extra`` does."""
    fails: bool = True
    """Processes die and legs fail, at any step and any number of times."""
    all_late: bool = False
    """Every step of a phase change is a message that may be late, not only the dangerous ones."""
    in_flight: int = 2
    """How many messages of phase changes may be under way at once."""

    def scripts(self) -> tuple[tuple[Op, ...], ...]:
        """Return the operations of each writer."""
        return _scripts(self.writers, 0)

    def foreign_script(self) -> tuple[Op, ...]:
        """Return the writes of the foreign client."""
        return _scripts((self.foreign,), sum(len(script) for script in self.scripts()))[0]
