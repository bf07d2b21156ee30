"""Plays the matrix of faults: ``python tests/faults/run.py --help``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from harness.rows import ROWS
from harness.runner import play_all, report


def main() -> int:
    """Play what was asked for; 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(description="Play the matrix of faults.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="F01, or F01/json-off (default all)")
    parser.add_argument("--full", action="store_true", help="the whole sweep of each row: hours")
    parser.add_argument("--seed", type=int, default=0, help="decides every choice")
    parser.add_argument("--list", action="store_true", help="list the rows and their cases")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a JSON report")
    asked = parser.parse_args()
    named = {one.partition("/")[0] for one in asked.rows}
    chosen = [row for row in ROWS if not named or row.id in named]
    if asked.list:
        for row in chosen:
            names = ", ".join(case.name for case in row.cases)
            sys.stdout.write(f"{row.id}  {row.tools:8} {row.fault}: {row.expected}\n     {names}\n")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing is left behind
    logging.disable(logging.CRITICAL)  # what the product says while it is killed is not the report
    ran = play_all(chosen, seed=asked.seed, full=asked.full, only=asked.rows)
    if asked.report:
        report(ran, asked.report)
    return int(any(one.verdict == "FAIL" for one in ran))


if __name__ == "__main__":
    raise SystemExit(main())
