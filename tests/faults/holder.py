"""A writer that stops itself inside its transaction: ``holder.py CONFIG KEY``."""

from __future__ import annotations

import os
import signal
import sys

import fluxstore


def main() -> None:
    """Write one record, stop before the commit, and commit once told to go on."""
    with fluxstore.open(sys.argv[1]) as store, store.transaction():
        records = store["logbooks"]
        records.create(records.entity.cls(id=sys.argv[2], entries=[], count=0))
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main()
