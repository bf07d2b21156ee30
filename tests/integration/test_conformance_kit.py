"""The conformance kit notices what it is there for: an adapter with any one flaw fails it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flawed_adapters import FLAWS

SUPPORT = Path(__file__).resolve().parent.parent / "support"
KIT = """
import pytest
from flawed_adapters import flawed_backend
from fluxstore.testing.conformance import *

@pytest.fixture
def backend(tmp_path):
    return flawed_backend({flaw!r}, tmp_path)
"""
CAUGHT_BY = {
    "forgets what was expected": "TestExpect::test_a_delete_can_expect_too",
    "does an operation again": "TestOperations::test_a_repeated_operation_has_one_effect",
    "leaves half of a refused commit": "TestDeletes::test_restrict_refuses_the_delete_whole",
    "lets another error out": "TestReferences::test_a_reference_to_no_record_is_refused",
    "takes a missing delete": "TestVerbs::test_delete_of_a_missing_record_is_refused",
    "ignores conflicts": "TestExpect::test_a_record_that_is_gone_is_a_conflict",
    "drops residue": "TestResidue::test_all_sorts_of_residue_come_back_together",
    "drops what is inside": "TestInside::test_a_put_keeps_what_is_inside",
    "composes text": "TestUnique::test_values_are_told_apart_byte_by_byte",
    "turns missing into null": "TestResidue::test_missing_null_and_empty_are_three_things",
    "drops the scale": "TestFidelity::test_values_at_the_edges_come_back",
    "puts nulls first": "TestOrder::test_records_are_ordered",
    "folds case": "TestOrder::test_records_are_ordered",
    "forgets to page": "TestPages::test_pages_over_many_ties",
    "takes any cursor": "TestPages::test_a_cursor_of_another_query_is_refused",
    "skips a record": "TestScan::test_every_record_is_found_once",
    "writes what is equal": "TestMerge::test_equal_records_are_not_written",
    "fails a whole batch": "TestMerge::test_what_breaks_a_rule_is_refused_singly",
    "forgets the cursor": "TestMerge::test_the_cursor_is_saved_with_what_it_covers",
    "foresees nothing": "TestForesee::test_it_predicts_and_writes_nothing",
    "applies what is equal": "TestApplyIfNewer::test_the_newest_version_wins_whatever_the_order",
    "brings the deleted back": "TestApplyIfNewer::test_a_deleted_record_does_not_come_back",
    "sets control always": "TestControl::test_it_is_set_only_where_it_is_as_expected",
    "clears any mark": "TestFencing::test_a_mark_is_cleared_only_while_it_is_the_same",
    "lends to everybody": "TestLease::test_a_held_lease_is_refused_and_free_afterwards",
    "never undoes": "TestTransactions::test_an_error_undoes_all_commits_and_goes_on",
    "counts no backlog": "TestFencing::test_the_backlog_tells_how_many_marks_wait_and_how_long",
    "forgets facts": "TestBooks::test_facts_are_kept_and_forgotten",
    "answers whatever control says": "TestGovernedReads::test_others_refuse_every_read",
    "looks at control before it reads": (
        "TestGovernedReads::test_a_reader_never_sees_what_came_after_its_side_stopped"
    ),
    "looks at control before it writes": "TestSealing::test_nothing_is_let_through_afterwards",
    "keeps its versions to itself": "TestFencing::test_a_commit_returns_the_versions_that_it_gave",
    "forgets what a cascade did": "TestFencing::test_what_a_cascade_did_is_captured",
    "lets transactions in unasked": (
        "TestGovernedTransactions::test_entering_is_refused_as_a_write_would_be"
    ),
    "seals over open transactions": (
        "TestGovernedTransactions::test_a_seal_waits_for_one_that_is_open"
    ),
    "compares control before it sets it": (
        "TestControlRaces::test_eight_threads_take_every_epoch_once"
    ),
    "compares epochs only": "TestControl::test_every_part_of_it_is_compared",
    "purges nothing": ("TestPurge::test_versions_marks_and_cursors_are_forgotten_and_records_stay"),
    "purges everything": "TestPurge::test_only_what_it_governs_is_forgotten",
    "keeps marks in phase off": "TestControl::test_in_phase_off_nothing_is_kept_for_a_follower",
    "applies in any epoch": "TestFollowing::test_another_epoch_is_refused",
    "applies in any role": "TestFollowing::test_who_is_no_follower_takes_nothing",
    "applies one by one": "TestFollowing::test_unique_values_are_swapped_in_one_call",
    "judges before the end": (
        "TestFollowing::test_a_child_may_come_before_its_parent_in_one_transaction"
    ),
    "cascades on a follower": "TestFollowing::test_a_delete_takes_nothing_along",
    "leaves operations behind": (
        "TestOperationsTravel::test_what_was_applied_brings_its_operations"
    ),
    "leaves operations of the late behind": (
        "TestOperationsTravel::test_operations_of_what_is_not_newer_are_kept"
    ),
    "forgets what has crossed": (
        "TestOperationsTravel::test_an_operation_is_owed_until_it_has_crossed"
    ),
    "believes any epoch": (
        "TestOperationsTravel::test_what_crosses_in_the_epoch_of_another_migration_does_not_count"
    ),
    "owes what came from there": (
        "TestOperationsTravel::test_what_came_from_the_other_side_is_not_owed_to_it"
    ),
    "owes to nobody new": ("TestOperationsTravel::test_in_another_migration_all_of_them_are_owed"),
    "overwrites what the leg brought": (
        "TestLiveBatches::test_what_has_a_version_here_is_left_alone"
    ),
    "looks for versions before it merges": "TestLiveBatches::test_a_racing_leg_is_never_lost",
    "merges in any role": "TestLiveBatches::test_only_a_follower_in_its_epoch_takes_it",
}
OUTCOME = re.compile(r"^(PASSED|FAILED) (test_\w+)\.py::(\w+::\w+)", re.MULTILINE)


def module(flaw: str) -> str:
    return f"test_{flaw.replace(' ', '_')}"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[tuple[str, str], set[str]]:
    """What became of (test module, test): an adapter's flaw has a module of its own."""
    folder = tmp_path_factory.mktemp("kit")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {SUPPORT}\n", "utf-8")
    for flaw in FLAWS:
        (folder / f"{module(flaw)}.py").write_text(KIT.format(flaw=flaw), "utf-8")
    asked = [f"{module(flaw)}.py::{test}" for flaw, test in CAUGHT_BY.items()]
    asked += [f"{module('none')}.py::{test}" for test in sorted(set(CAUGHT_BY.values()))]
    options = ["-q", "-rpf", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *asked],
        cwd=folder, capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    found: dict[tuple[str, str], set[str]] = {}
    for outcome, name, test in OUTCOME.findall(ran.stdout):
        found.setdefault((name, test), set()).add(outcome)
    assert len(asked) == len(found), ran.stdout[-2000:] + ran.stderr[-2000:]
    return found


def test_an_adapter_without_a_flaw_passes(outcomes):
    passed = {test: found for (name, test), found in outcomes.items() if name == module("none")}

    assert {test: {"PASSED"} for test in CAUGHT_BY.values()} == passed


@pytest.mark.parametrize("flaw", CAUGHT_BY)
def test_an_adapter_with_a_flaw_fails(flaw, outcomes):
    assert "FAILED" in outcomes[module(flaw), CAUGHT_BY[flaw]]


def test_every_flaw_is_expected_to_be_caught():
    assert CAUGHT_BY.keys() == FLAWS.keys() - {"none"}
