"""What ``doctor`` should say about a PostgreSQL backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fluxstore.adapter import Finding, Use
from fluxstore.errors import ConfigError
from fluxstore_postgres.database import Database
from fluxstore_postgres.dsn import Target
from fluxstore_postgres.settings import Settings
from fluxstore_postgres.statements import Part, composed, identifier, statement
from fluxstore_postgres.tables import Table

OLDEST = 150000
"""PostgreSQL 15: the oldest version that the tests run on."""
CLOCK_SECONDS = 5.0
Facts = Mapping[str, Any]
Test = Callable[[Facts], bool]

# What is wrong, when, and what to do; the last column says whether a migration must not start.
RULES: Sequence[tuple[str, Test, str, str, bool]] = (
    ("version", lambda f: f["number"] < OLDEST, "is PostgreSQL {version}", "upgrade to 15", True),
    (
        "encoding",
        lambda f: f["encoding"] != "UTF8",
        "is {encoding}, which cannot hold all text",
        "use a database with ENCODING UTF8",
        True,
    ),
    (
        "fsync",
        lambda f: f["fsync"] == "off",
        "is off: a power cut may lose acknowledged writes, or everything",
        "turn it on in postgresql.conf",
        True,
    ),
    (
        "full_page_writes",
        lambda f: f["full_page_writes"] == "off",
        "is off: a power cut may tear pages",
        "turn it on in postgresql.conf",
        True,
    ),
    (
        "synchronous_commit",
        lambda f: f["synchronous_commit"] == "off",
        "is off: a crash may lose acknowledged writes",
        "turn it on for this role or database",
        True,
    ),
    ("standby", lambda f: f["is_standby"], "takes no writes", "connect to the primary", True),
    (
        "role",
        lambda f: f["is_read_only"],
        "{role} may only read (default_transaction_read_only)",
        "use a role that may write",
        True,
    ),
    (
        "clock",
        lambda f: abs(f["now"] - time.time()) > CLOCK_SECONDS,
        "differs from ours by more than 5 s",
        "synchronise both; nothing is ordered by clocks, but times in records come from them",
        False,
    ),
)
DURABILITY = frozenset({"fsync", "full_page_writes", "synchronous_commit"})
"""What an offline copy may go on without: it is validated, and can be run again."""


def examine(database: Database, target: Target, settings: Settings) -> Sequence[Finding]:
    """Return settings that lose data, rights that are missing, tables that do not fit."""
    run = database.connections.run
    facts = run(statement("examine", "facts"), {"schema": database.schema})[0][0]
    return [
        *server(facts, database.use),
        *_connection(facts, target, settings),
        *_rights(facts, database),
        *_tables(facts, database),
        *_capture(database),
    ]


def statements_for_triggers(database: Database) -> tuple[str, ...]:
    """Return what an administrator must run so that triggers can be made; none where they can."""
    facts = database.connections.run(statement("examine", "facts"), {"schema": database.schema})
    missing = [_trigger_rights(facts[0][0], database, table) for table in database.tables]
    return tuple(dict.fromkeys(one for each in missing if each for one in each.statements))


def _capture(database: Database) -> Iterator[Finding]:
    if database.captures_itself:
        yield Finding(
            "capture",
            'is "client": what other programs write is neither captured nor refused',
            'let every program write by fluxstore, or say capture = "trigger"',
        )


def server(facts: Facts, use: Use) -> Iterator[Finding]:
    """Yield what is wrong with a server as *facts* say it is, for what it is used for."""
    for subject, test, problem, next_step, blocks in RULES:
        read_only = use is Use.SOURCE and subject in {"standby", "role"}
        if test(facts) and not read_only:
            words = problem.format(**facts)
            yield Finding(subject, words, next_step, blocks, offline=subject in DURABILITY)


def _connection(facts: Facts, target: Target, settings: Settings) -> Iterator[Finding]:
    if not target.is_local and not target.sslmode.startswith("verify"):
        problem = f"{target.sslmode} does not verify who the server is"
        yield Finding("tls", problem, 'say tls = "verify-full"')
    if settings.pool.max > facts["connections"]:
        problem = f"max is {settings.pool.max}, the server allows {facts['connections']} in all"
        yield Finding("pool", problem, "lower pool.max or raise max_connections")


def _rights(facts: Facts, database: Database) -> Iterator[Finding]:
    if database.use is Use.SOURCE:
        return
    role, named = identifier(facts["role"]), identifier(facts["database"])
    if facts["may_make_tables"] is False:
        schema = identifier(database.schema)
        grant = composed("examine", "grant_tables", schema=schema, role=role)
        words = f"{facts['role']} may not make tables in {database.schema}"
        yield _lacking(words, grant, blocks=not _all_there(database))
    if not facts["may_make_stages"]:
        grant = composed("examine", "grant_stages", database=named, role=role)
        yield _lacking(f"{facts['role']} may not stage what is merged", grant)
    if database.known_ledger() is not None:
        yield from _ledger_rights(facts, database)
    elif not facts["may_make_schemas"]:
        grant = composed("examine", "grant_schemas", database=named, role=role)
        schema_name = database.ledger_schema
        yield _lacking(
            f"{facts['role']} may not make the schema {schema_name} for the ledger", grant
        )


def _ledger_rights(facts: Facts, database: Database) -> Iterator[Finding]:
    asked = statement("examine", "may_ledger")
    rows = database.connections.run(asked, {"schema": database.ledger_schema})
    if not rows[0][0]:
        parts = {"schema": identifier(database.ledger_schema), "role": identifier(facts["role"])}
        grants = [composed("examine", f"grant_ledger{rest}", **parts) for rest in ("", "_tables")]
        yield _lacking(f"{facts['role']} may not use the ledger {database.ledger_schema}", *grants)


def _lacking(problem: str, *grants: Part, blocks: bool = True, offline: bool = False) -> Finding:
    """Return the finding that rights are missing, with what an administrator must run."""
    return Finding(
        "rights",
        problem,
        "let an administrator run:",
        blocks=blocks,
        statements=tuple(grant.as_string(None) + ";" for grant in grants),
        offline=offline,
    )


def _all_there(database: Database) -> bool:
    return all(database.found(entity) for entity in database.entities.values())


def _tables(facts: Facts, database: Database) -> Iterator[Finding]:
    for entity in database.entities.values():
        try:
            table = database.table(entity)
        except ConfigError as error:
            yield Finding(entity.name, error.problem, error.next_step, blocks=True)
            continue
        if table is not None:
            yield from _table_rights(facts, database, table)


def _table_rights(facts: Facts, database: Database, table: Table) -> Iterator[Finding]:
    role, (may_read, may_write, _, _) = identifier(facts["role"]), _may(database, table)
    is_source = database.use is Use.SOURCE
    if not may_read or not (may_write or is_source):
        grant = composed("examine", "grant_table", table=table.path, role=role)
        verb = "write" if may_read else "read"
        yield _lacking(f"{facts['role']} may not {verb} {table.words}", grant)
    found = _trigger_rights(facts, database, table)
    if found is not None and not is_source and not database.captures_itself:
        yield found


def _may(database: Database, table: Table) -> Sequence[Any]:
    """Return whether a table may be read, and written; its owner where triggers may not be made."""
    named = {"table": table.path.as_string(None)}
    return database.connections.run(statement("examine", "may"), named)[0]


def _trigger_rights(facts: Facts, database: Database, table: Table) -> Finding | None:
    """Return the finding that no triggers may be made on *table*, where that is so."""
    _, _, owner, is_superuser = _may(database, table)
    if owner is None:
        return None
    name = "give_table" if is_superuser else "grant_owner"
    role = identifier(facts["role"])
    parts = {"owner": identifier(owner), "table": table.path, "role": role}
    grants = [composed("examine", name, **parts), *_grants_to_capture(facts, database)]
    words = (
        f"{facts['role']} may not make triggers on {table.words}, as phases need them "
        '(capture = "client" does without)'
    )
    return _lacking(words, *grants, offline=True)


def _grants_to_capture(facts: Facts, database: Database) -> Sequence[Part]:
    asked, named = statement("examine", "may_capture"), {"schema": database.ledger_schema}
    rows = database.connections.run(asked, named)
    if not rows or rows[0][0]:
        return ()
    parts = {"schema": identifier(database.ledger_schema), "role": identifier(facts["role"])}
    names = ("grant_ledger_making", "grant_ledger_functions")
    return [composed("examine", name, **parts) for name in names]
