"""What the example's tables do by themselves: updated_at, views, log_activity, roles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import flux_studio_example as example
import psycopg
import pytest
from flux_studio_rows import OLD, insert, value
from psycopg import errors, sql

# updated_at


def test_updated_at_is_set_for_a_client_that_left_it(stocked: psycopg.Connection) -> None:
    stocked.execute("UPDATE projects SET name = 'New'")
    assert value(stocked, "SELECT updated_at > now() - interval '1 hour' FROM projects")


def test_updated_at_stays_as_a_client_set_it(stocked: psycopg.Connection) -> None:
    wanted = OLD + timedelta(days=1)
    stocked.execute("UPDATE projects SET name = 'New', updated_at = %s", [wanted])
    assert value(stocked, "SELECT updated_at FROM projects") == wanted


def test_updated_at_stays_where_nothing_changed(stocked: psycopg.Connection) -> None:
    stocked.execute("UPDATE projects SET name = name")
    assert value(stocked, "SELECT updated_at FROM projects") == OLD


@pytest.mark.parametrize("setting", ["fluxstore.mode", "fluxstore.epoch"])
def test_regression_18_updated_at_is_left_to_fluxstore_on_its_own_connections(
    stocked: psycopg.Connection, setting: str
) -> None:
    stocked.execute("SELECT set_config(%s, 'x', false)", [setting])
    stocked.execute("UPDATE projects SET name = 'New'")
    assert value(stocked, "SELECT updated_at FROM projects") == OLD
    stocked.execute("SELECT set_config(%s, '', false)", [setting])
    stocked.execute("UPDATE projects SET name = 'Newer'")
    assert value(stocked, "SELECT updated_at FROM projects") > OLD


def test_regression_24_a_missing_created_at_stays_missing(stocked: psycopg.Connection) -> None:
    insert(stocked, "tasks", id="t1", project_id="p1", title="T", created_at=None)
    assert value(stocked, "SELECT created_at FROM tasks") is None


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


def test_project_task_stats_count_by_status(stocked: psycopg.Connection) -> None:
    tasks(stocked, "todo", "todo", "in-progress", "review", "blocked", "completed", "completed")
    assert [7, 2, 1, 2, 1, 0, 28.57] == stats(stocked, "project_task_stats", project_id="p1")


def test_a_project_without_tasks_has_a_row_of_zeros(stocked: psycopg.Connection) -> None:
    assert [0, 0, 0, 0, 0, 0, 0] == stats(stocked, "project_task_stats", project_id="p1")


def test_what_is_overdue_is_past_its_date_and_not_completed(stocked: psycopg.Connection) -> None:
    tasks(stocked, "todo", "review", "completed", due_date=OLD)
    tasks(stocked, "todo", due_date=datetime.now(UTC) + timedelta(days=1))
    tasks(stocked, "todo")
    assert stats(stocked, "project_task_stats", project_id="p1")[5] == 2


def test_user_task_stats_count_what_is_assigned(stocked: psycopg.Connection) -> None:
    insert(stocked, "users", id="u2", email="bo@example.com", name="Bo")
    tasks(stocked, "todo", "completed", assigned_to="u2", due_date=OLD)
    tasks(stocked, "blocked", "in-progress")
    assert [2, 1, 0, 1, 0, 1, 50] == stats(stocked, "user_task_stats", user_id="u2")
    assert [0, 0, 0, 0, 0, 0, 0] == stats(stocked, "user_task_stats", user_id="u1")


def test_log_activity_fills_in_the_names(stocked: psycopg.Connection) -> None:
    made = value(
        stocked,
        "SELECT log_activity('p1', 'u1', 'task.created', 'task', 't1', 'Made it', '{\"a\": 1}')",
    )
    row = stocked.execute("SELECT * FROM activities").fetchone()
    assert row is not None
    expected = (made, "p1", "Logo", "u1", "Ada", "task.created", "task", "t1", "Made it", {"a": 1})
    assert expected == row[:-1]


def test_log_activity_keeps_the_order_within_a_transaction(stocked: psycopg.Connection) -> None:
    with stocked.transaction():
        first = value(stocked, "SELECT log_activity('p1', 'u1', 'a', 'b', 'c')")
        second = value(stocked, "SELECT log_activity('p1', 'u1', 'a', 'b', 'c')")
    rows = stocked.execute("SELECT id FROM activities ORDER BY created_at").fetchall()
    assert [(first,), (second,)] == rows


def test_log_activity_takes_no_project_and_refuses_an_unknown_one(
    stocked: psycopg.Connection,
) -> None:
    stocked.execute("SELECT log_activity(NULL, 'u1', 'user.updated', 'user', 'u1')")
    assert value(stocked, "SELECT project_name IS NULL FROM activities")
    with pytest.raises(errors.ForeignKeyViolation):
        stocked.execute("SELECT log_activity('nowhere', 'u1', 'a', 'b', 'c')")


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
def test_a_role_may_do_its_job_and_nothing_else(stocked: psycopg.Connection, role: str) -> None:
    example.run(stocked, example.ROLES)  # a template's copy has no rights on the database itself
    stocked.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    for statement in FORBIDDEN[role]:
        with pytest.raises(errors.InsufficientPrivilege):
            stocked.execute(statement.encode())
    for statement in ALLOWED[role]:
        stocked.execute(statement.encode())


def test_roles_cannot_log_in_and_are_made_once(stocked: psycopg.Connection) -> None:
    example.run(stocked, example.ROLES)
    roles = stocked.execute(
        "SELECT count(*), bool_or(rolcanlogin) FROM pg_roles WHERE rolname LIKE 'flux_studio_%'"
    ).fetchone()
    assert roles == (3, False)
