"""The command ``fluxstore``, run as a user runs it, and plugins that tests install for it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from fluxstore.cli.frame import run
from fluxstore.cli.signals import Signals

COMMAND = str(Path(sys.executable).with_name("fluxstore"))
LIMIT_SECONDS = 90
PLAIN = {"NO_COLOR": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def environment(**changes: str | None) -> dict[str, str]:
    """Return this process's environment, plain, with *changes*; ``None`` takes a name out."""
    merged: dict[str, str | None] = {**os.environ, **PLAIN, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def fluxstore(
    *arguments: str | Path, folder: Path, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in *folder*; nobody answers its questions."""
    chosen = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=folder,
        env=env or environment(),
        capture_output=not {"stdout", "stderr"} & set(options),
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
        **chosen,
        **options,
    )


def inside(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, which is many times faster; nobody answers its questions."""
    given = [str(one) for one in arguments]
    out, errors = io.StringIO(), io.StringIO()
    before = Path.cwd(), sys.stdin
    os.chdir(folder)
    sys.stdin = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(errors):
            code = run(given, Signals())
    finally:
        sys.stdin = before[1]
        os.chdir(before[0])
    return subprocess.CompletedProcess(given, code, out.getvalue(), errors.getvalue())


def begin(
    *arguments: str | Path, folder: Path, env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the command and let it run, in a process group of its own."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        cwd=folder,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until *path* is there; the process must not end before."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return how a process ends: code, stdout, stderr; it is killed where it does not."""
    try:
        out, errors = process.communicate(timeout=LIMIT_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, errors


def install_plugin(site: Path, name: str, source: str, *, distribution: str = "") -> None:
    """Make a distribution with one plugin below *site*, a folder of PYTHONPATH."""
    distribution = distribution or f"fluxstore-{name}"
    module = f"plugin_{distribution.replace('-', '_')}"
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(source, "utf-8")
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
    (info / "METADATA").write_text(metadata, "utf-8")
    (info / "entry_points.txt").write_text(f"[fluxstore]\n{name} = {module}\n", "utf-8")
