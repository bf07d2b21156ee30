"""What reports of the engine say to people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fluxstore.cli import render
from fluxstore.cli.render import Answer, Styled, count, duration

if TYPE_CHECKING:
    from fluxstore.adapter import Finding
    from fluxstore.cli.session import Session
    from fluxstore.migration.report import AssessReport, MigrationReport

SHOWN = 20


def way(report: Any) -> str:
    """Return where records go from and to, in words."""
    ends = (f"{end['backend']} ({end['where']})" for end in (report.source, report.target))
    return render.near(" → ".join(ends))


def options_of(report: Any) -> str:
    """Return the options that name both ends."""
    return f"--from {report.source['backend']} --to {report.target['backend']}"


def first(problems: Iterable[object], total: int, more: str) -> list[str]:
    """Return the first problems, one a line, and how many more there are and where."""
    shown = [render.near(str(problem)) for _, problem in zip(range(SHOWN), problems, strict=False)]
    if total > len(shown):
        shown.append(f"… and {total - len(shown):,} more; {more}")
    return shown


def findings(found: Sequence[Finding]) -> list[str]:
    """Return findings of adapters, one a line, with the SQL for an administrator below."""
    lines: list[str] = []
    for one in found:
        word = "blocks" if one.blocks else "note"
        hint = f"; {one.next_step}" if one.next_step else ""
        lines.append(f"{word}: {one.subject}: {one.problem}{hint}")
        lines += render.indented(one.statements)
    return lines


def of_assessment(report: AssessReport) -> Answer:
    """Return what ``assess`` ends with."""
    head = ("entity", "place", "read", "would cross", "would stay", "size")
    rows: list[list[object]] = [
        [
            one.entity,
            render.near(one.place),
            one.read,
            one.would_cross,
            one.quarantined,
            render.size(one.bytes),
        ]
        for one in report.entities
    ]
    lines = [way(report), "", *render.table(head, rows), ""]
    if report.problem_count:
        stays = count(report.problem_count, "problem")
        lines.append(Styled(f"{stays}: the records named above would stay behind", "yellow"))
    else:
        lines.append(Styled("every record would cross", "green"))
    lines.append(
        f"looked for {duration(report.seconds)}; the migration will take about "
        f"{duration(report.estimated_seconds)}"
    )
    lines.append(f"next: fluxstore migrate {options_of(report)}")
    more = "name a file with --problems to list all of them"
    return Answer(
        report.to_json(),
        lines,
        [*findings(report.findings), *first(report.problems, report.problem_count, more)],
        report.exit_code,
    )


def of_migration(report: MigrationReport, session: Session) -> Answer:
    """Return what ``migrate`` ends with."""
    return _of_copy(report, session, _outcome(report, options_of(report)))


def of_rollback(report: MigrationReport, session: Session, way_back: str) -> Answer:
    """Return what ``rollback`` ends with; *way_back* names the ends as the migration did."""
    read = count(sum(one.read for one in report.entities), "record")
    lines = [Styled(f"{read} brought back", "green"), f"next: fluxstore validate {way_back}"]
    if report.stopped:
        lines = [Styled("stopped before the end", "yellow")]
    elif report.dry_run:
        lines = [f"{read} would be brought back; nothing was written"]
    elif report.problem_count:
        problems = count(report.problem_count, "problem")
        lines = [Styled(f"{problems}: the rest was brought back", "yellow")]
    return _of_copy(report, session, lines)


def _of_copy(report: MigrationReport, session: Session, ending: Sequence[str]) -> Answer:
    head = (
        "entity", "read", "written", "unchanged", "quarantined", "extra", "deleted",
        "seconds", "records/s",
    )  # fmt: skip
    rows: list[list[object]] = [
        [one.entity, one.read, one.written, one.unchanged, one.quarantined, one.extra, one.deleted,
         one.seconds, round(one.records_per_second)]
        for one in report.entities
    ]  # fmt: skip
    lines = [way(report), "", *render.table(head, [*rows, _total(rows, report.seconds)]), ""]
    if report.backup:
        lines.append(f"what was replaced is kept in {render.near(str(report.backup))}")
    lines += [*report.notices, *ending]
    more = "name a file with --problems to list all of them"
    problems = first(report.problems, report.problem_count, more)
    if report.extra:
        problems += first(_extras(report), report.extra, "name a file with --extras for all")
    code = report.exit_code
    if report.stopped:
        code = session.signals.exit_code
        problems.append(f"stopped; to go on: {session.again_line()}")
    return Answer(report.to_json(), lines, problems, code)


def _total(rows: Sequence[Sequence[Any]], seconds: float) -> list[object]:
    sums = [sum(row[at] for row in rows) for at in range(1, 7)]
    return ["all", *sums, seconds, round(sums[0] / seconds) if seconds else 0]


def _extras(report: MigrationReport) -> Iterable[str]:
    backend = report.target["backend"]
    return (f"{one.entity} {one.key}: only in {backend}" for one in report.extras)


def _outcome(report: MigrationReport, way: str) -> list[str]:
    if report.stopped:
        return [Styled("stopped before the end", "yellow")]
    if report.dry_run:
        return [f"nothing was written; next: fluxstore migrate {way}"]
    if report.problem_count:
        return [
            Styled(f"{count(report.problem_count, 'problem')}: the rest was copied", "yellow"),
            f"next: mend what is named above at the source, then: fluxstore migrate {way}",
        ]
    if report.extra:
        extra = count(report.extra, "record")
        return [
            Styled(f"{extra} only in {report.target['backend']}: kept", "yellow"),
            f"next: look at them, and run it again with --delete-extra {report.extra}",
        ]
    written = sum(one.written for one in report.entities)
    words = f"{count(written, 'record')} written" if written else "nothing to write: all is equal"
    return [Styled(words, "green"), f"next: fluxstore validate {way}"]
