"""Takes every mechanism away, one at a time: ``python tests/faults/remove.py --help``.

Prints which test noticed each; exits 1 where nobody did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from harness.removal import ROOT, Copy
from removals import REMOVALS


def main() -> int:
    """Take away what was asked for."""
    parser = argparse.ArgumentParser(description="Take mechanisms away; some test must notice.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a name (default: all)")
    parser.add_argument("--list", action="store_true", help="list them, and run nothing")
    asked = parser.parse_args()
    wanted = asked.names or [""]
    chosen = [one for one in REMOVALS if any(name in one.name for name in wanted)]
    if asked.list:
        for one in chosen:
            there = "" if one.is_there(ROOT) else "  (the code has changed)"
            sys.stdout.write(f"{one.name:40} {one.mechanism}{there}\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="fluxstore-without-") as folder:
        copy = Copy(Path(folder))
        unnoticed = 0
        for one in chosen:
            noticed = copy.try_one(one)
            unnoticed += not noticed.failed
            sys.stdout.write(noticed.line() + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - unnoticed} of {len(chosen)} removals were noticed\n")
    return int(unnoticed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
