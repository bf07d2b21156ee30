"""The exit codes of the command line, as a table."""

from __future__ import annotations

from collections.abc import Iterable

OK, BUG, USAGE, CONFIGURATION = 0, 1, 2, 3
DATA, DIFFERENCES, GATE, UNAVAILABLE, LOSS = 4, 5, 6, 7, 8
INTERRUPTED, TERMINATED = 130, 143

MEANINGS: dict[int, str] = {
    OK: "it is done, and nothing is left to do",
    BUG: "a bug in fluxstore; run again with --debug and report what it prints",
    USAGE: "usage: an unknown command, option, entity or record",
    CONFIGURATION: "configuration, plugin or access: what is set up cannot work",
    DATA: "data was quarantined or refused; the rest was done",
    DIFFERENCES: "differences were found",
    GATE: "a phase, a gate or a lease is in the way",
    UNAVAILABLE: "a backend is unavailable as a whole",
    LOSS: "the outcome is unknown, or a loss must be accepted by name",
    INTERRUPTED: "interrupted (Ctrl-C, SIGINT); the message says how to go on",
    TERMINATED: "terminated (SIGTERM); the message says how to go on",
}
WORST_FIRST = (LOSS, UNAVAILABLE, GATE, DATA, DIFFERENCES, CONFIGURATION, USAGE, BUG, OK)


def worst(codes: Iterable[int]) -> int:
    """Return the code that is given where several hold; 0 where none does."""
    return min(codes, key=WORST_FIRST.index, default=OK)
