"""One process of a workload: ``worker.py JOB``, where JOB is the file of a pickled ``Job``."""

from __future__ import annotations

import pickle
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from harness.history import History
from harness.workload import Actor, Job

import fluxstore
from fluxstore.errors import FluxstoreError


def main() -> int:
    """Open the store, work until told to stop, close it; a named error is told, and its code."""
    try:
        work()
    except FluxstoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


def work() -> None:
    """Open the store, work until told to stop, close it."""
    job: Job = pickle.loads(Path(sys.argv[1]).read_bytes())
    stopping: list[Any] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    history = History(Path(job.history), job.worker)
    with fluxstore.open(job.config) as store:
        if job.ready:
            Path(job.ready).touch()
        stop = Path(job.stop) if job.stop else None

        actors = [Actor(store[job.entity], history, job, n) for n in range(job.threads)]
        if job.is_interrupted:
            signal.signal(signal.SIGINT, lambda *_: actors[0].interrupt())

        def act(actor: Actor) -> None:
            actor.run(lambda: bool(stopping) or (stop is not None and stop.exists()))

        others = [threading.Thread(target=act, args=(actor,)) for actor in actors[1:]]
        for other in others:
            other.start()
        act(actors[0])
        for other in others:
            other.join()
    history.close()


if __name__ == "__main__":
    raise SystemExit(main())
