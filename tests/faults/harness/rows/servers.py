"""Rows in which PostgreSQL, or the way to it, fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import attrs

import fluxstore
from fluxstore.errors import BackendUnavailableError
from harness.crew import wait_until
from harness.migration import Migration
from harness.project import Project
from harness.rhythm import Rhythm
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import KEYS, PRELOADED, begun, get_on, storm

EVERY_VERB = ("create", "append", "delete", "read")
BUDGET_MILLISECONDS = 250.0
NOISE_MILLISECONDS = 250.0
"""What a busy machine adds by itself."""
DRAINED_SECONDS = 30.0
DUAL_WRITE = Case("json", "postgres", "dual_write")
LIVE = Case("json", "postgres", "live")
LONGEST_SECONDS = 20.0


def named_where_it_answers(stage: Stage) -> tuple[str, ...]:
    """Return the verbs that may fail by name: all where PostgreSQL is the authority, else none."""
    return EVERY_VERB if stage.case.authority == "postgres" else ()


def down_at_start(stage: Stage) -> None:
    """Start the application while its follower is down."""
    project = stage.project()
    before = project.preload(PRELOADED)
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    with stage.server.down():
        for number in range(3):
            crew.start(f"w{number}", KEYS, steps_per_second=60)
        crew.ready()
        get_on(crew)
    get_on(crew)
    crew.finish()
    stage.judge(project, [*before, *crew.history()])


def down_for_a_while(stage: Stage) -> None:
    """Stop the follower under load; what it missed crosses soon after it is back."""
    project = stage.project()
    crew = storm(
        stage,
        project,
        stage.server.down,
        parts=stage.short_or_full(1, 10),
        most_milliseconds=BUDGET_MILLISECONDS + NOISE_MILLISECONDS,
    )
    began = time.monotonic()
    left = Migration(project).drained(backfilled=stage.case.phase != "dual_write")
    stage.require(not left and time.monotonic() - began < DRAINED_SECONDS, *left, "not drained")
    stage.require(bool(crew.workers), "nobody worked")


def down_as_authority(stage: Stage) -> None:
    """Stop the authority: calls fail by name, nothing is written elsewhere or read unasked."""
    project = stage.project()
    storm(stage, project, stage.server.down, named=EVERY_VERB)
    stale_only_where_allowed(stage, project, allowed=False)
    project.append("[policy.entities.logbooks]\nstale_ok = true\n")
    stale_only_where_allowed(stage, project, allowed=True)


def stale_only_where_allowed(stage: Stage, project: Project, *, allowed: bool) -> None:
    """Read while the authority is down: by a call that asks, and by one that does not."""
    with fluxstore.open(project.loaded()) as store:
        logbooks = store["logbooks"]
        before, unasked = logbooks.find(), None
        with stage.server.down(), fluxstore.stale_answers() as heard:
            with suppress(BackendUnavailableError):
                unasked = logbooks.find()
            asked = logbooks.find(stale_ok=True)
    stage.require(asked == before and asked.stale, "the follower's answer is another, or unmarked")
    stage.require(unasked == (before if allowed else None), f"read unasked: {unasked}")
    stage.require(len(heard) == 1 + allowed, f"heard of as stale: {heard}")


def stopped_in_commits(stage: Stage) -> None:
    """Stop the authority at once, again and again, so that some commits lose their answer."""
    parts = stage.short_or_full(3, 100)
    storm(stage, stage.project(), stage.server.down, named=EVERY_VERB, parts=parts)


def silent(stage: Stage) -> None:
    """Let the network swallow everything: calls return all the same, and the pool heals."""
    proxy = stage.proxy()
    project = stage.project(proxy=proxy, statement_timeout="2s")

    @contextmanager
    def held() -> Iterator[None]:
        proxy.hold()
        try:
            yield
        finally:
            proxy.release()

    crew = storm(stage, project, held, named=named_where_it_answers(stage))
    longest = max((call.ended - call.began) / 1e9 for call in crew.history())
    stage.require(longest < LONGEST_SECONDS, f"a call took {longest:.1f} s")


def slow(stage: Stage) -> None:
    """Add 200 ms to every message: the follower's budget is kept."""
    proxy = stage.proxy()
    project = stage.project(proxy=proxy)

    @contextmanager
    def delayed() -> Iterator[None]:
        proxy.delay_seconds = 0.1
        try:
            yield
        finally:
            proxy.delay_seconds = 0.0

    storm(stage, project, delayed, most_milliseconds=BUDGET_MILLISECONDS + NOISE_MILLISECONDS)


def cut_commits(stage: Stage) -> None:
    """Cut connections at COMMIT, and at its reply: what happened is found out, or asked again."""
    proxy = stage.proxy()
    project = stage.project(proxy=proxy)
    crew = begun(stage, project)
    for number in range(stage.short_or_full(6, 100)):
        place = ("request", "reply")[number % 2]
        half_open = stage.case.variant == "half-open"
        cut = proxy.cut(b"COMMIT", place, keeps_server=half_open)  # type: ignore[arg-type]
        wait_until(cut.is_set, "somebody commits")
        stage.note(cuts=1)
        get_on(crew, 2000)
    crew.finish()
    named = named_where_it_answers(stage)
    stage.judge(project, [*crew.before, *crew.history()], named=named)


def terminated(stage: Stage) -> None:
    """Terminate every connection every two seconds."""
    rhythm = Rhythm(stage.server.terminate_all, 2.0)
    project = stage.project()
    crew = begun(stage, project)
    with rhythm:
        for _ in range(stage.short_or_full(4, 60)):
            get_on(crew)
    crew.finish()
    named = named_where_it_answers(stage)
    stage.judge(project, [*crew.before, *crew.history()], named=named)


def crowded(stage: Stage) -> None:
    """Let many threads share a pool of four connections while a foreign session holds a lock."""
    project = stage.project(statement_timeout="2s")
    before = project.preload(PRELOADED)
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    crew.start("w", KEYS, threads=stage.short_or_full(16, 50))
    crew.ready()
    get_on(crew)
    with stage.server.locked(project.dsn, "LOCK TABLE logbooks IN ACCESS EXCLUSIVE MODE"):
        get_on(crew, 4000)
    get_on(crew)
    crew.finish()
    stage.judge(project, [*before, *crew.history()], named=named_where_it_answers(stage))


def locked_table(stage: Stage) -> None:
    """Let a foreign session hold the table."""
    project = stage.project(statement_timeout="2s")
    storm(
        stage,
        project,
        lambda: stage.server.locked(project.dsn, "LOCK TABLE logbooks IN ACCESS EXCLUSIVE MODE"),
        named=named_where_it_answers(stage),
    )


def locked_at_cutover(stage: Stage) -> None:
    """Let a foreign session hold the target's table: the cutover gives up, writers go on."""
    project = stage.project(statement_timeout="2s")
    crew = begun(stage, project)
    migration = Migration(project)
    migration.must("validate", *project.way)
    with stage.server.locked(project.dsn, "LOCK TABLE logbooks IN ACCESS EXCLUSIVE MODE"):
        refused = migration.run("phase", "set", "live", "--yes")
        stage.require(refused.code in {6, 7}, str(refused))
        get_on(crew)
    migration.walk("live", lambda: None)
    migration.walk("shadow", lambda: None)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


ROWS = (
    Row(
        "F30",
        "PostgreSQL down when the application starts",
        "T8",
        "it runs; the follower catches up later",
        down_at_start,
        (DUAL_WRITE, Case("json", "postgres", "shadow")),
    ),
    Row(
        "F31",
        "PostgreSQL down for a while",
        "T8",
        "no caller meets an error or waits longer than the budget; drained within 30 s",
        down_for_a_while,
        (DUAL_WRITE, Case("json", "postgres", "shadow")),
    ),
    Row(
        "F32",
        "PostgreSQL down as authority",
        "T8",
        "a named error; nothing is written elsewhere, nothing stale is read unless allowed",
        down_as_authority,
        (LIVE,),
    ),
    Row(
        "F33",
        "PostgreSQL stopped at once in commits",
        "T8",
        "what was acknowledged is there, what failed is not",
        stopped_in_commits,
        (LIVE,),
    ),
    Row(
        "F34",
        "a connection cut at COMMIT, or at its answer",
        "T6",
        "the outcome is found out, or unknown; asked again, it has one effect",
        cut_commits,
        (DUAL_WRITE, LIVE, attrs.evolve(LIVE, variant="half-open")),
    ),
    Row(
        "F36",
        "the network swallows everything",
        "T6",
        "calls return within their timeouts, and the pool heals",
        silent,
        (DUAL_WRITE, LIVE),
    ),
    Row("F37", "200 ms added to each round trip", "T6", "the budget is kept", slow, (DUAL_WRITE,)),
    Row(
        "F38",
        "all connections terminated every 2 s",
        "T8",
        "only named errors at the authority, none at the follower",
        terminated,
        (DUAL_WRITE, LIVE),
    ),
    Row(
        "F39",
        "many threads, four connections, one long transaction",
        "T8",
        "a named error, no deadlock; no caller notices where it is the follower's",
        crowded,
        (DUAL_WRITE, LIVE),
    ),
    Row(
        "F40",
        "a foreign lock on the table",
        "T8",
        "given up in time; no caller notices where it is the follower's",
        locked_table,
        (DUAL_WRITE, LIVE),
    ),
    Row(
        "F40c",
        "a foreign lock on the target's table at a cutover",
        "T8",
        "the cutover gives up by itself, writers go on",
        locked_at_cutover,
        (Case("json", "postgres", "shadow"),),
    ),
)
