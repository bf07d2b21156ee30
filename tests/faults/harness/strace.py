"""Faults at a system call of any kind, from outside: killed, refused or delayed by strace.

``when`` counts calls for each thread by itself, as strace does; a sweep takes N = 1, 2, … until the
program ends untouched.
"""

from __future__ import annotations

import shutil
from pathlib import Path

FILE_CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "ftruncate,fallocate,flock,mkdir"
)
NETWORK_CALLS = "sendto,recvfrom,connect"
COMMITTING_CALLS = "fdatasync,fsync,rename,renameat,renameat2"
HIT = "INJECTED"


def why_not() -> str:
    """Return why strace cannot be used here, or an empty text."""
    return "" if shutil.which("strace") else "needs strace"


def killed_at(calls: str, when: int, log: Path) -> tuple[str, ...]:
    """Return what a program runs under to be killed (kill -9) at its *when*-th call."""
    return _strace(calls, f"signal=KILL:when={when}", log)


def failing(calls: str, error: str, when: str, log: Path) -> tuple[str, ...]:
    """Return what a program runs under for calls to fail: *when* is ``3``, or ``3+`` from then."""
    return _strace(calls, f"error={error}:when={when}", log)


def delayed(calls: str, microseconds: int, log: Path) -> tuple[str, ...]:
    """Return what a program runs under for each of its calls to be late."""
    return _strace(calls, f"delay_enter={microseconds}", log)


def was_hit(log: Path) -> bool:
    """Tell whether a fault was injected at all: a sweep has come to its end where it was not."""
    said = log.read_text(errors="replace") if log.exists() else ""
    return HIT in said or "killed by SIGKILL" in said


def _strace(calls: str, effect: str, log: Path) -> tuple[str, ...]:
    strace = ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={calls}")
    return (*strace, "-e", f"inject={calls}:{effect}")
