"""Takes every mechanism away, one at a time: ``python tests/faults/remove.py --help``.

Prints which test noticed each; exits 1 where nobody did. ``--note`` writes that down in
``removals/noticed.json``, of which ``removals_page.py`` makes a page of the documentation.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from harness.removal import ROOT, Copy, Noticed
from removals import NOTICED, REMOVALS, noticed


def main() -> int:
    """Take away what was asked for."""
    parser = argparse.ArgumentParser(description="Take mechanisms away; some test must notice.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a name (default: all)")
    parser.add_argument("--list", action="store_true", help="list them, and run nothing")
    parser.add_argument("--note", action="store_true", help="write down which test noticed")
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
            found = copy.try_one(one)
            unnoticed += not found.failed
            sys.stdout.write(found.line() + "\n")
            sys.stdout.flush()
            if asked.note:
                note(found)
    sys.stdout.write(f"{len(chosen) - unnoticed} of {len(chosen)} removals were noticed\n")
    return int(unnoticed > 0)


def note(found: Noticed) -> None:
    """Write down which test noticed a removal; forget what has no removal any more."""
    names = [one.name for one in REMOVALS]
    known = noticed() | {found.removal.name: found.failed[0] if found.failed else ""}
    kept = {name: known[name] for name in names if known.get(name)}
    NOTICED.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
