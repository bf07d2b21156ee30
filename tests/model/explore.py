"""Explore the protocol's model: python tests/model/explore.py [--full] [--only TEXT] [--help].

Exits with 1 where a promise breaks, or where an ablation is not caught as it should be.
"""

from __future__ import annotations

import argparse
import sys
import time

from protocol_model.ablation import Ablation
from protocol_model.ablations import ABLATIONS
from protocol_model.explorer import Event, explore
from protocol_model.report import ablation_table, interleaving_list
from protocol_model.workloads import FULL, SHORT, Workload

FULL_LIMIT = 40_000_000


def main() -> int:
    """Explore what the arguments ask for, and print a line for each."""
    asked = _arguments()
    if asked.table:
        print(ablation_table())
        return 0
    if asked.interleavings:
        print(interleaving_list(a for a in ABLATIONS if asked.only in str(a)))
        return 0
    workloads = () if asked.ablations else FULL if asked.full else SHORT
    held = [_holds(workload) for workload in workloads if asked.only in workload.name]
    ablations = [ablation for ablation in ABLATIONS if asked.only in str(ablation)]
    caught = [_is_caught(ablation, trace=asked.trace) for ablation in ablations]
    print(f"{sum(held)} of {len(held)} workloads hold", end=", ")
    print(f"{sum(caught)} of {len(caught)} ablations are caught")
    return 0 if all(held) and all(caught) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the full form")
    parser.add_argument("--ablations", action="store_true", help="the ablations alone")
    parser.add_argument("--only", default="", metavar="TEXT", help="what has TEXT in its name")
    parser.add_argument("--trace", action="store_true", help="print the ablations' counterexamples")
    parser.add_argument("--interleavings", action="store_true", help="print them with answers")
    parser.add_argument("--table", action="store_true", help="print the table of the documentation")
    return parser.parse_args()


def _holds(workload: Workload) -> bool:
    began = time.process_time()
    found = explore(workload.model, limit=FULL_LIMIT)
    seconds = time.process_time() - began
    size = f"{found.states:>10,} states {found.transitions:>12,} transitions {seconds:7.1f} s"
    print(f"{workload.name:<46}{size}  {_verdict(found.broken, found.length)}", flush=True)
    _tell(found.trace)
    return found.broken is None


def _is_caught(ablation: Ablation, *, trace: bool) -> bool:
    found = explore(ablation.model, promises=(ablation.breaks,))
    caught = (found.broken, found.length) == (ablation.breaks, ablation.steps)
    print(f"without {ablation!s:<46}{_verdict(found.broken, found.length)}", flush=True)
    if trace or not caught:
        _tell(found.trace)
    return caught


def _verdict(broken: str | None, steps: int) -> str:
    return "holds" if broken is None else f"breaks {broken} in {steps} steps"


def _tell(trace: tuple[Event, ...]) -> None:
    for event in trace:
        print(f"    {event}")


if __name__ == "__main__":
    sys.exit(main())
