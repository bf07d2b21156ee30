"""The example's page is followed step by step, and its schema applied as the page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from doc_examples import Reader
from flux_studio_example import EXAMPLE, EXPECTED_SCHEMA, STEPS, schema_lines, steps
from shell import inside


@pytest.fixture
def place(tmp_path: Path, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, beside a copy of its schema, with an empty PostgreSQL."""
    monkeypatch.setenv("DATABASE_URL", postgres_dsn)
    shutil.copytree(STEPS, tmp_path / "sql" / "flux_studio")
    leave_out = shutil.ignore_patterns("__pycache__", "data", ".fluxstore", ".mypy_cache")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "examples" / "flux_studio", ignore=leave_out))


@pytest.mark.timeout(300)
def test_every_example_of_the_page_runs(place: Path) -> None:
    Reader(place).follow((EXAMPLE / "README.md").read_text("utf-8"))


def test_the_steps_are_applied_once_by_the_command(place: Path, postgres_dsn: str) -> None:
    folder = "../../sql/flux_studio"
    first = inside("schema", "apply", folder, folder=place)
    assert first.returncode == 0, first.stderr
    assert [f"{step.name}: applied" for step in steps()] == first.stdout.splitlines()
    second = inside("schema", "apply", folder, folder=place)
    assert second.returncode == 0, second.stderr
    assert "every step has run already" in second.stdout
    with psycopg.connect(postgres_dsn, options="-c search_path=public") as connection:
        expected = EXPECTED_SCHEMA.read_text().splitlines()
        assert expected == schema_lines(connection)


def test_a_step_edited_after_it_ran_is_refused(place: Path) -> None:
    folder = "../../sql/flux_studio"
    assert inside("schema", "apply", folder, folder=place).returncode == 0
    step = place / folder / steps()[0].name
    step.write_text(step.read_text() + "-- one more word\n")
    again = inside("schema", "apply", folder, folder=place)
    assert again.returncode == 3
    assert "was edited after it ran" in again.stderr


def test_the_tables_are_what_the_entities_need(place: Path) -> None:
    inside("schema", "apply", "../../sql/flux_studio", folder=place)
    found = inside("schema", "diff", "--to", "postgres", folder=place)
    assert (found.returncode, found.stderr) == (0, ""), found.stdout
