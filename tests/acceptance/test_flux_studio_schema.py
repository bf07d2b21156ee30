"""The example application's relational schema: rebuilt from its steps, and what it enforces."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import flux_studio_example as example
import psycopg
import pytest
from psycopg import errors, sql

from fluxstore.steps import read_steps

OLD = datetime(2020, 1, 2, tzinfo=UTC)


def insert(connection: psycopg.Connection, table: str, **values: Any) -> None:
    """Insert one row; what is not said is the column's default."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    connection.execute(statement, list(values.values()))


def value(connection: psycopg.Connection, statement: str, *arguments: Any) -> Any:
    """Return the only value of the only row."""
    row = connection.execute(statement.encode(), arguments).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def studio(flux_studio: psycopg.Connection) -> psycopg.Connection:
    """A user ``u1`` called Ada with a project ``p1`` called Logo."""
    insert(flux_studio, "users", id="u1", email="ada@example.com", name="Ada", updated_at=OLD)
    insert(flux_studio, "projects", id="p1", name="Logo", manager_id="u1", updated_at=OLD)
    return flux_studio


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
    studio: psycopg.Connection, question: str
) -> None:
    studio.execute("SET default_transaction_read_only = on")
    text = (example.INSPECT / question).read_text()
    assert text.startswith("-- ")
    assert studio.execute(text.encode()).description


def test_unknown_organizations_and_files_are_listed(studio: psycopg.Connection) -> None:
    studio.execute("UPDATE projects SET organization_id = 'o9', files = ARRAY['f9']")
    insert(studio, "teams", id="t1", name="Team", organization_id="o9")
    organizations = (example.INSPECT / "unknown_organizations.sql").read_bytes()
    files = (example.INSPECT / "unknown_files.sql").read_bytes()
    assert [("o9", 1, 1)] == studio.execute(organizations).fetchall()
    assert [("p1", "f9")] == studio.execute(files).fetchall()
    insert(studio, "organizations", id="o9", name="Nine", slug="nine")
    insert(studio, "files", id="f9", name="nine.png")
    assert studio.execute(organizations).fetchall() == []
    assert studio.execute(files).fetchall() == []


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
    studio: psycopg.Connection, table: str, row: dict[str, Any]
) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(studio, table, **row)


def test_one_mail_address_belongs_to_one_user(studio: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation):
        insert(studio, "users", id="u2", email="ada@example.com", name="Other")


def test_a_slug_is_unique_within_its_organization_only(studio: psycopg.Connection) -> None:
    insert(studio, "teams", id="t1", name="One", organization_id="o1", slug="core")
    insert(studio, "teams", id="t2", name="Two", organization_id="o2", slug="core")
    insert(studio, "teams", id="t3", name="Three", organization_id="o1")
    insert(studio, "teams", id="t4", name="Four", organization_id="o1")
    with pytest.raises(errors.UniqueViolation):
        insert(studio, "teams", id="t5", name="Five", organization_id="o1", slug="core")


def test_a_user_is_a_member_of_a_project_once(studio: psycopg.Connection) -> None:
    insert(studio, "project_members", project_id="p1", user_id="u1", role="owner")
    with pytest.raises(errors.UniqueViolation):
        insert(studio, "project_members", project_id="p1", user_id="u1", role="viewer")


@pytest.mark.parametrize(
    "id_", ["1500000000007", "5F0C2A1E-0000-4000-A000-000000000001", "é", "a/b"]
)
def test_regression_22_an_id_need_not_be_a_uuid(studio: psycopg.Connection, id_: str) -> None:
    insert(studio, "users", id=id_, email="x@example.com", name="X")
    insert(studio, "projects", id=id_, name="X", manager_id=id_)
    insert(studio, "tasks", id=id_, project_id=id_, title="X", assigned_to=id_)
    assert value(studio, "SELECT id FROM tasks") == id_


@pytest.mark.parametrize("role", ["owner", "manager", "contributor", "client", "viewer"])
def test_regression_23_every_role_of_the_application_is_allowed(
    studio: psycopg.Connection, role: str
) -> None:
    insert(studio, "project_members", project_id="p1", user_id="u1", role=role)
    assert value(studio, "SELECT role FROM project_members") == role


def test_regression_23_another_role_is_refused(studio: psycopg.Connection) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(studio, "project_members", project_id="p1", user_id="u1", role="captain")


def test_two_unique_values_are_swapped_in_one_transaction(studio: psycopg.Connection) -> None:
    insert(studio, "users", id="u2", email="bo@example.com", name="Bo")
    with studio.transaction():
        studio.execute("SET CONSTRAINTS ALL DEFERRED")
        studio.execute("UPDATE users SET email = 'bo@example.com' WHERE id = 'u1'")
        studio.execute("UPDATE users SET email = 'ada@example.com' WHERE id = 'u2'")
    assert value(studio, "SELECT email FROM users WHERE id = 'u1'") == "bo@example.com"


def test_a_child_may_come_before_its_parent_in_one_transaction(studio: psycopg.Connection) -> None:
    with studio.transaction():
        studio.execute("SET CONSTRAINTS ALL DEFERRED")
        insert(studio, "tasks", id="t1", project_id="p2", title="T")
        insert(studio, "projects", id="p2", name="P")
    assert value(studio, "SELECT count(*) FROM tasks") == 1


# What a delete takes with it


def test_a_deleted_project_takes_its_children_and_leaves_its_history(
    studio: psycopg.Connection,
) -> None:
    insert(studio, "project_members", project_id="p1", user_id="u1", role="owner")
    insert(studio, "tasks", id="t1", project_id="p1", title="T")
    insert(studio, "milestones", id="m1", project_id="p1", name="M")
    studio.execute("SELECT log_activity('p1', 'u1', 'task.created', 'task', 't1')")
    studio.execute("DELETE FROM projects")
    for table in ("project_members", "tasks", "milestones"):
        assert studio.execute(sql.SQL("TABLE {}").format(sql.Identifier(table))).rowcount == 0
    kept = studio.execute("SELECT project_id, project_name, user_id FROM activities").fetchall()
    assert [(None, "Logo", "u1")] == kept


def test_a_deleted_user_is_forgotten_by_tasks_and_kept_in_history(
    studio: psycopg.Connection,
) -> None:
    insert(studio, "tasks", id="t1", project_id="p1", title="T", assigned_to="u1", created_by="u1")
    studio.execute("SELECT log_activity('p1', 'u1', 'task.created', 'task', 't1')")
    studio.execute("DELETE FROM users")
    assert [(None, None)] == studio.execute("SELECT assigned_to, created_by FROM tasks").fetchall()
    assert [(None, "Ada")] == studio.execute("SELECT user_id, user_name FROM activities").fetchall()


def test_who_has_invoices_or_hours_cannot_be_deleted(studio: psycopg.Connection) -> None:
    insert(studio, "organizations", id="o1", name="O", slug="o")
    insert(studio, "time_entries", id="e1", user_id="u1", project_id="p1", started_at=OLD)
    insert(
        studio,
        "invoices",
        id="i1",
        organization_id="o1",
        client_id="u1",
        invoice_number="1",
        total="1.10",
    )
    for statement in (b"DELETE FROM users", b"DELETE FROM organizations"):
        with pytest.raises(errors.ForeignKeyViolation):
            studio.execute(statement)
    assert str(value(studio, "SELECT total FROM invoices")) == "1.10"


# updated_at


def test_updated_at_is_set_for_a_client_that_left_it(studio: psycopg.Connection) -> None:
    studio.execute("UPDATE projects SET name = 'New'")
    assert value(studio, "SELECT updated_at > now() - interval '1 hour' FROM projects")


def test_updated_at_stays_as_a_client_set_it(studio: psycopg.Connection) -> None:
    wanted = OLD + timedelta(days=1)
    studio.execute("UPDATE projects SET name = 'New', updated_at = %s", [wanted])
    assert value(studio, "SELECT updated_at FROM projects") == wanted


def test_updated_at_stays_where_nothing_changed(studio: psycopg.Connection) -> None:
    studio.execute("UPDATE projects SET name = name")
    assert value(studio, "SELECT updated_at FROM projects") == OLD


@pytest.mark.parametrize("setting", ["fluxstore.mode", "fluxstore.epoch"])
def test_regression_18_updated_at_is_left_to_fluxstore_on_its_own_connections(
    studio: psycopg.Connection, setting: str
) -> None:
    studio.execute("SELECT set_config(%s, 'x', false)", [setting])
    studio.execute("UPDATE projects SET name = 'New'")
    assert value(studio, "SELECT updated_at FROM projects") == OLD
    studio.execute("SELECT set_config(%s, '', false)", [setting])
    studio.execute("UPDATE projects SET name = 'Newer'")
    assert value(studio, "SELECT updated_at FROM projects") > OLD


def test_regression_24_a_missing_created_at_stays_missing(studio: psycopg.Connection) -> None:
    insert(studio, "tasks", id="t1", project_id="p1", title="T", created_at=None)
    assert value(studio, "SELECT created_at FROM tasks") is None


# Views and log_activity


def tasks(connection: psycopg.Connection, *statuses: str, **values: Any) -> None:
    """Insert one task of ``p1`` for each status."""
    for status in statuses:
        number = value(connection, "SELECT count(*) FROM tasks")
        insert(
            connection,
            "tasks",
            id=f"t{number}",
            project_id="p1",
            title="T",
            status=status,
            **values,
        )


STATS = (
    "total_tasks",
    "completed_tasks",
    "in_progress_tasks",
    "todo_tasks",
    "blocked_tasks",
    "overdue_tasks",
    "completion_percentage",
)


def stats(connection: psycopg.Connection, view: str, **who: str) -> list[float]:
    """Return the numbers of one row of a view."""
    ((name, key),) = who.items()
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = {}").format(
        sql.SQL(", ").join(map(sql.Identifier, STATS)),
        sql.Identifier(view),
        sql.Identifier(name),
        key,
    )
    row = connection.execute(statement).fetchone()
    assert row is not None
    return [float(number) for number in row]


def test_project_task_stats_count_by_status(studio: psycopg.Connection) -> None:
    tasks(studio, "todo", "todo", "in-progress", "review", "blocked", "completed", "completed")
    assert [7, 2, 1, 2, 1, 0, 28.57] == stats(studio, "project_task_stats", project_id="p1")


def test_a_project_without_tasks_has_a_row_of_zeros(studio: psycopg.Connection) -> None:
    assert [0, 0, 0, 0, 0, 0, 0] == stats(studio, "project_task_stats", project_id="p1")


def test_what_is_overdue_is_past_its_date_and_not_completed(studio: psycopg.Connection) -> None:
    tasks(studio, "todo", "review", "completed", due_date=OLD)
    tasks(studio, "todo", due_date=datetime.now(UTC) + timedelta(days=1))
    tasks(studio, "todo")
    assert stats(studio, "project_task_stats", project_id="p1")[5] == 2


def test_user_task_stats_count_what_is_assigned(studio: psycopg.Connection) -> None:
    insert(studio, "users", id="u2", email="bo@example.com", name="Bo")
    tasks(studio, "todo", "completed", assigned_to="u2", due_date=OLD)
    tasks(studio, "blocked", "in-progress")
    assert [2, 1, 0, 1, 0, 1, 50] == stats(studio, "user_task_stats", user_id="u2")
    assert [0, 0, 0, 0, 0, 0, 0] == stats(studio, "user_task_stats", user_id="u1")


def test_log_activity_fills_in_the_names(studio: psycopg.Connection) -> None:
    made = value(
        studio,
        "SELECT log_activity('p1', 'u1', 'task.created', 'task', 't1', 'Made it', '{\"a\": 1}')",
    )
    row = studio.execute("SELECT * FROM activities").fetchone()
    assert row is not None
    expected = (made, "p1", "Logo", "u1", "Ada", "task.created", "task", "t1", "Made it", {"a": 1})
    assert expected == row[:-1]


def test_log_activity_keeps_the_order_within_a_transaction(studio: psycopg.Connection) -> None:
    with studio.transaction():
        first = value(studio, "SELECT log_activity('p1', 'u1', 'a', 'b', 'c')")
        second = value(studio, "SELECT log_activity('p1', 'u1', 'a', 'b', 'c')")
    rows = studio.execute("SELECT id FROM activities ORDER BY created_at").fetchall()
    assert [(first,), (second,)] == rows


def test_log_activity_takes_no_project_and_refuses_an_unknown_one(
    studio: psycopg.Connection,
) -> None:
    studio.execute("SELECT log_activity(NULL, 'u1', 'user.updated', 'user', 'u1')")
    assert value(studio, "SELECT project_name IS NULL FROM activities")
    with pytest.raises(errors.ForeignKeyViolation):
        studio.execute("SELECT log_activity('nowhere', 'u1', 'a', 'b', 'c')")


# Roles

ALLOWED = {
    "flux_studio_reader": ["SELECT count(*) FROM tasks", "TABLE project_task_stats"],
    "flux_studio_app": [
        "SELECT count(*) FROM tasks",
        "UPDATE projects SET name = 'x'",
        "SELECT log_activity('p1', 'u1', 'a', 'b', 'c')",
        "DELETE FROM projects",
    ],
    "flux_studio_migrator": [
        "CREATE TABLE public.residue (id text)",
        "CREATE TEMPORARY TABLE staged (id text)",
        "CREATE SCHEMA ledger",
    ],
}
FORBIDDEN = {
    "flux_studio_reader": [
        "INSERT INTO projects (id, name) VALUES ('p2', 'x')",
        "SELECT log_activity('p1', 'u1', 'a', 'b', 'c')",
        "CREATE TABLE public.mine (id text)",
    ],
    "flux_studio_app": [
        "TRUNCATE tasks",
        "ALTER TABLE tasks ADD COLUMN more text",
        "DROP TABLE tasks",
        "CREATE TABLE public.mine (id text)",
    ],
    "flux_studio_migrator": ["TRUNCATE tasks", "DROP TABLE tasks"],
}


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_may_do_its_job_and_nothing_else(studio: psycopg.Connection, role: str) -> None:
    example.run(studio, example.ROLES)  # a template's copy has no rights on the database itself
    studio.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    for statement in FORBIDDEN[role]:
        with pytest.raises(errors.InsufficientPrivilege):
            studio.execute(statement.encode())
    for statement in ALLOWED[role]:
        studio.execute(statement.encode())


def test_roles_cannot_log_in_and_are_made_once(studio: psycopg.Connection) -> None:
    example.run(studio, example.ROLES)
    roles = studio.execute(
        "SELECT count(*), bool_or(rolcanlogin) FROM pg_roles WHERE rolname LIKE 'flux_studio_%'"
    ).fetchone()
    assert roles == (3, False)
