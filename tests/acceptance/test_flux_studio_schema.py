"""The example application's relational schema: rebuilt from its steps, and what it enforces."""

from __future__ import annotations

import re
from typing import Any

import flux_studio_example as example
import psycopg
import pytest
from flux_studio_rows import OLD, insert, value
from psycopg import errors, sql

from fluxstore.steps import read_steps


def test_steps_are_numbered_without_a_gap_and_say_what_they_are_for() -> None:
    names = [step.name for step in example.steps()]
    numbers = [int(name.split("_")[0]) for name in names]
    assert list(range(1, len(names) + 1)) == numbers
    for step in example.steps():
        assert re.match(r"-- .{20,}\n", step.read_text()), step.name
    assert names == [step.name for step in read_steps(example.STEPS)]


def test_the_schema_rebuilt_from_its_steps_is_the_one_on_file(
    flux_studio: psycopg.Connection,
) -> None:
    assert example.EXPECTED_SCHEMA.read_text().splitlines() == example.schema_lines(flux_studio)


def test_there_are_23_tables(flux_studio: psycopg.Connection) -> None:
    assert value(flux_studio, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 23


def test_the_steps_make_the_same_schema_under_another_name(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA studio")
        connection.execute("SET search_path = studio")
        for step in example.steps():
            example.run(connection, step)
        expected = example.EXPECTED_SCHEMA.read_text().splitlines()
        assert expected == example.schema_lines(connection)
        connection.execute("SET search_path = public")
        made = value(connection, "SELECT studio.log_activity(NULL, NULL, 'a', 'b', 'c')")
        assert value(connection, "SELECT id FROM studio.activities") == made


def test_a_second_run_of_a_step_fails_and_changes_nothing(flux_studio: psycopg.Connection) -> None:
    before = example.schema_lines(flux_studio)
    for step in example.steps():
        with pytest.raises((errors.DuplicateTable, errors.DuplicateFunction)):
            example.run(flux_studio, step)
    assert before == example.schema_lines(flux_studio)


def test_every_reference_is_indexed(flux_studio: psycopg.Connection) -> None:
    question = example.INSPECT / "references_without_index.sql"
    assert flux_studio.execute(question.read_bytes()).fetchall() == []
    flux_studio.execute("DROP INDEX files_project_idx")
    rows = flux_studio.execute(question.read_bytes()).fetchall()
    assert [("files", "files_project_id_fkey")] == [row[:2] for row in rows]


@pytest.mark.parametrize("question", sorted(path.name for path in example.INSPECT.glob("*.sql")))
def test_an_operator_may_ask_anything_in_a_read_only_session(
    stocked: psycopg.Connection, question: str
) -> None:
    stocked.execute("SET default_transaction_read_only = on")
    text = (example.INSPECT / question).read_text()
    assert text.startswith("-- ")
    assert stocked.execute(text.encode()).description


def test_unknown_organizations_and_files_are_listed(stocked: psycopg.Connection) -> None:
    stocked.execute("UPDATE projects SET organization_id = 'o9', files = ARRAY['f9']")
    insert(stocked, "teams", id="t1", name="Team", organization_id="o9")
    organizations = (example.INSPECT / "unknown_organizations.sql").read_bytes()
    files = (example.INSPECT / "unknown_files.sql").read_bytes()
    assert [("o9", 1, 1)] == stocked.execute(organizations).fetchall()
    assert [("p1", "f9")] == stocked.execute(files).fetchall()
    insert(stocked, "organizations", id="o9", name="Nine", slug="nine")
    insert(stocked, "files", id="f9", name="nine.png")
    assert stocked.execute(organizations).fetchall() == []
    assert stocked.execute(files).fetchall() == []


# What is refused

REFUSED = [
    ("users", {"id": "", "email": "a@b.c", "name": "A"}),
    ("users", {"id": "u2", "email": "no address", "name": "A"}),
    ("users", {"id": "u2", "email": "two@at@b.c", "name": "A"}),
    ("users", {"id": "u2", "email": "a@b.c", "name": "A", "user_type": "robot"}),
    ("projects", {"id": "p2", "name": "P", "status": "done"}),
    ("projects", {"id": "p2", "name": "P", "priority": "urgent"}),
    ("projects", {"id": "p2", "name": "P", "progress": 101}),
    ("projects", {"id": "p2", "name": "P", "progress": -1}),
    ("tasks", {"id": "t1", "project_id": "p1", "title": "T", "status": "done"}),
    ("tasks", {"id": "t1", "project_id": "p1", "title": "T", "priority": "none"}),
    ("milestones", {"id": "m1", "project_id": "p1", "name": "M", "status": "late"}),
    ("files", {"id": "f1", "name": "F", "size_bytes": -1}),
]


@pytest.mark.parametrize(("table", "row"), REFUSED)
def test_a_value_outside_its_check_is_refused(
    stocked: psycopg.Connection, table: str, row: dict[str, Any]
) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(stocked, table, **row)


def test_one_mail_address_belongs_to_one_user(stocked: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation):
        insert(stocked, "users", id="u2", email="ada@example.com", name="Other")


def test_a_slug_is_unique_within_its_organization_only(stocked: psycopg.Connection) -> None:
    insert(stocked, "teams", id="t1", name="One", organization_id="o1", slug="core")
    insert(stocked, "teams", id="t2", name="Two", organization_id="o2", slug="core")
    insert(stocked, "teams", id="t3", name="Three", organization_id="o1")
    insert(stocked, "teams", id="t4", name="Four", organization_id="o1")
    with pytest.raises(errors.UniqueViolation):
        insert(stocked, "teams", id="t5", name="Five", organization_id="o1", slug="core")


def test_a_user_is_a_member_of_a_project_once(stocked: psycopg.Connection) -> None:
    insert(stocked, "project_members", project_id="p1", user_id="u1", role="owner")
    with pytest.raises(errors.UniqueViolation):
        insert(stocked, "project_members", project_id="p1", user_id="u1", role="viewer")


@pytest.mark.parametrize(
    "id_", ["1500000000007", "5F0C2A1E-0000-4000-A000-000000000001", "é", "a/b"]
)
def test_regression_22_an_id_need_not_be_a_uuid(stocked: psycopg.Connection, id_: str) -> None:
    insert(stocked, "users", id=id_, email="x@example.com", name="X")
    insert(stocked, "projects", id=id_, name="X", manager_id=id_)
    insert(stocked, "tasks", id=id_, project_id=id_, title="X", assigned_to=id_)
    assert value(stocked, "SELECT id FROM tasks") == id_


@pytest.mark.parametrize("role", ["owner", "manager", "contributor", "client", "viewer"])
def test_regression_23_every_role_of_the_application_is_allowed(
    stocked: psycopg.Connection, role: str
) -> None:
    insert(stocked, "project_members", project_id="p1", user_id="u1", role=role)
    assert value(stocked, "SELECT role FROM project_members") == role


def test_regression_23_another_role_is_refused(stocked: psycopg.Connection) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(stocked, "project_members", project_id="p1", user_id="u1", role="captain")


def test_two_unique_values_are_swapped_in_one_transaction(stocked: psycopg.Connection) -> None:
    insert(stocked, "users", id="u2", email="bo@example.com", name="Bo")
    with stocked.transaction():
        stocked.execute("SET CONSTRAINTS ALL DEFERRED")
        stocked.execute("UPDATE users SET email = 'bo@example.com' WHERE id = 'u1'")
        stocked.execute("UPDATE users SET email = 'ada@example.com' WHERE id = 'u2'")
    assert value(stocked, "SELECT email FROM users WHERE id = 'u1'") == "bo@example.com"


def test_a_child_may_come_before_its_parent_in_one_transaction(stocked: psycopg.Connection) -> None:
    with stocked.transaction():
        stocked.execute("SET CONSTRAINTS ALL DEFERRED")
        insert(stocked, "tasks", id="t1", project_id="p2", title="T")
        insert(stocked, "projects", id="p2", name="P")
    assert value(stocked, "SELECT count(*) FROM tasks") == 1


# What a delete takes with it


def test_a_deleted_project_takes_its_children_and_leaves_its_history(
    stocked: psycopg.Connection,
) -> None:
    insert(stocked, "project_members", project_id="p1", user_id="u1", role="owner")
    insert(stocked, "tasks", id="t1", project_id="p1", title="T")
    insert(stocked, "milestones", id="m1", project_id="p1", name="M")
    stocked.execute("SELECT log_activity('p1', 'u1', 'task.created', 'task', 't1')")
    stocked.execute("DELETE FROM projects")
    for table in ("project_members", "tasks", "milestones"):
        assert stocked.execute(sql.SQL("TABLE {}").format(sql.Identifier(table))).rowcount == 0
    kept = stocked.execute("SELECT project_id, project_name, user_id FROM activities").fetchall()
    assert [(None, "Logo", "u1")] == kept


def test_a_deleted_user_is_forgotten_by_tasks_and_kept_in_history(
    stocked: psycopg.Connection,
) -> None:
    insert(stocked, "tasks", id="t1", project_id="p1", title="T", assigned_to="u1", created_by="u1")
    stocked.execute("SELECT log_activity('p1', 'u1', 'task.created', 'task', 't1')")
    stocked.execute("DELETE FROM users")
    assert [(None, None)] == stocked.execute("SELECT assigned_to, created_by FROM tasks").fetchall()
    assert [(None, "Ada")] == stocked.execute(
        "SELECT user_id, user_name FROM activities"
    ).fetchall()


def test_who_has_invoices_or_hours_cannot_be_deleted(stocked: psycopg.Connection) -> None:
    insert(stocked, "organizations", id="o1", name="O", slug="o")
    insert(stocked, "time_entries", id="e1", user_id="u1", project_id="p1", started_at=OLD)
    insert(
        stocked,
        "invoices",
        id="i1",
        organization_id="o1",
        client_id="u1",
        invoice_number="1",
        total="1.10",
    )
    for statement in (b"DELETE FROM users", b"DELETE FROM organizations"):
        with pytest.raises(errors.ForeignKeyViolation):
            stocked.execute(statement)
    assert str(value(stocked, "SELECT total FROM invoices")) == "1.10"
