"""The page about the protocol says what the exploration finds."""

from __future__ import annotations

import re
from pathlib import Path

from doc_examples import tables
from protocol_model.ablations import ABLATIONS
from protocol_model.report import ablation_rows, interleaving_list

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "protocol.md").read_text("utf-8")


def test_the_table_of_mechanisms_is_what_is_explored():
    assert ablation_rows() == tables(PAGE)["without"]


def test_every_mechanism_that_the_page_names_is_one():
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE))
    known = {ablation.mechanism for ablation in ABLATIONS} | {"seals_level"}

    assert set() == named - known


def test_an_interleaving_is_told_with_what_the_protocol_answers():
    told = interleaving_list(a for a in ABLATIONS if a.mechanism == "leg_fence")

    assert told.startswith("migration: leg_fence\n    writer 0 adds key 0 at source\n")
    assert "  not: writer 0 applies key 0 at target\n" in told
    assert told.endswith("writer 0 has its leg refused key 0 at target")
