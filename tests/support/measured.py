"""Commands run as an operator runs them, each in a process of its own, with what it used."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
COMMAND = Path(sys.executable).with_name("fluxstore")


@attrs.frozen
class Ran:
    """What a command did and used; memory is its peak resident set, of the process alone."""

    arguments: tuple[str, ...]
    code: int
    stdout: str = attrs.field(repr=False)
    stderr: str
    seconds: float
    cpu_seconds: float
    peak_mib: float

    @property
    def json(self) -> Any:
        """What it printed with ``--json``."""
        return json.loads(self.stdout)


def run(*arguments: str | Path, folder: Path, environment: dict[str, str] | None = None) -> Ran:
    """Run a program to its end; its output goes through files, so that none can block it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            list(map(str, arguments)),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        peak_mib = _watched(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [_text(stream) for stream in (out, errors)]
    return Ran(
        tuple(map(str, arguments)),
        process.returncode,
        texts[0],
        texts[1],
        seconds,
        used.ru_utime + used.ru_stime,
        peak_mib,
    )


def _watched(pid: int) -> float:
    """Return the peak of a process, looked at every 10 ms until it ends.

    What ``wait4`` says of memory begins with the parent's, whose pages the child had before exec.
    """
    peak_kib = 0
    descriptor = os.pidfd_open(pid)
    try:
        while not select.select([descriptor], [], [], 0.01)[0]:
            found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
            peak_kib = int(found[1]) if found else peak_kib
    finally:
        os.close(descriptor)
    return peak_kib / 1024


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode("utf-8", "replace"))


def bare_import_mib(folder: Path) -> float:
    """Return the peak of a process that imports what every measured command needs, and ends."""
    modules = "fluxstore.cli, fluxstore_json.adapter, fluxstore_postgres.adapter"
    hold = "import sys, time; time.sleep(0.1)"  # so that the last look sees all of it
    ran = run(sys.executable, "-c", f"import {modules}\n{hold}", folder=folder)
    assert ran.code == 0, ran.stderr
    return ran.peak_mib
