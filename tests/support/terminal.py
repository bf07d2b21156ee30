"""The command on a terminal of its own: what it writes there, and what is typed into it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from shell import COMMAND, LIMIT_SECONDS, environment


def on_a_terminal(
    folder: Path, *arguments: str, typed: str = "", **changes: str | None
) -> tuple[int, str]:
    """Return the exit code of a command and all that it writes to its terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(**changes),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    written = _read_all(ours)
    return process.wait(LIMIT_SECONDS), written


def _read_all(descriptor: int) -> str:
    pieces: list[bytes] = []
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        select.select([descriptor], [], [], 1)
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # the other end has closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(descriptor)
    return b"".join(pieces).decode()
