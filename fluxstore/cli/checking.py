"""``validate`` and ``verify-certificate``: are both sides equal, and was it so?"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from fluxstore.cli import ends, exits, history, render, summaries
from fluxstore.cli.ends import EntityNames, From, To
from fluxstore.cli.moving import Workers, choices
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session

if TYPE_CHECKING:
    from fluxstore.migration.certificate import Certificate
    from fluxstore.migration.report import ValidationReport


def validate(
    ctx: typer.Context,
    *,
    source: From = "",
    target: To = "",
    entity: EntityNames = [],  # noqa: B006 - Typer reads the default and never changes it
    workers: Workers = 1,
    sample: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Compare this share of the keys only, 0 to 1."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page for people: report.html.")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the certificate; default: .fluxstore/."),
    ] = None,
    differences: Annotated[
        Path | None, typer.Option(metavar="FILE", help="List every difference, as JSON lines.")
    ] = None,
) -> render.Answer:
    """Compare both sides, both ways: every record and every field.

    Names file, key and field of each difference, and writes a signed certificate. In phase off
    nothing else is written. Later, with writers at work, what is under way is carried along and a
    difference counts only once it is certain. Exit code 5 for differences, 4 where records are
    known to have stayed behind.
    """
    from fluxstore.cli.report import require_jinja2, write_report

    session = Session.of(ctx)
    if report is not None:
        require_jinja2()
    chosen = {"sample": sample, "differences_file": differences}
    found = compared(session, (source, target), tuple(entity), workers=workers, **chosen)
    session.plugins.validated(found)
    signed = _certified(session, found, certificate)
    if found.sample is None:  # a sample proves nothing to go on by
        words, path = _verdict(found)[0], signed.path if signed else None
        session.remember(history.event("validate", found, words, path))
    if report is not None:
        write_report(report, found)
    return _answer(found, signed, report)


def compared(
    session: Session, way: tuple[str, str], entity: tuple[str, ...], *, workers: int, **chosen: Any
) -> ValidationReport:
    """Return what comparing both backends finds, live where one follows the other."""
    from fluxstore.adapter import Use
    from fluxstore.migration.confirm import validate_live
    from fluxstore.migration.verify import validate as run

    chosen["diverged"] = session.plugins.diverged
    uses = (Use.SOURCE, Use.SOURCE)
    with ends.opened(session, *way, entity, uses=uses) as both:
        if both.live() is None:
            own = {"entities": both.entities, "lenses": ends.lenses(session, both)}
            with choices(session, workers, **chosen, **own) as options:
                return run(both.source, both.target, both.config.entities, options)
    with ends.served(session, *way, entity) as (both, live):
        lenses = ends.lenses(session, both)
        with choices(session, workers, **chosen, lenses=lenses) as options:
            return validate_live(live, both.config.entities, options)


@attrs.frozen
class Signed:
    """A certificate and where it is."""

    certificate: Certificate
    path: Path


def _certified(session: Session, found: ValidationReport, path: Path | None) -> Signed | None:
    """Write the certificate, where that can be done or was asked for."""
    from fluxstore.migration.certificate import certify

    if path is None and (found.sample is not None or find_spec("cryptography") is None):
        return None
    folder = session.config.folder
    usual = history.certificate_path(folder, found.migration, found.ended)
    chosen = path or usual
    try:
        chosen.parent.mkdir(parents=True, exist_ok=True)
        return Signed(certify(found, chosen, key_file=history.key_file(folder)), chosen)
    except OSError as error:
        if path is not None:
            raise
        session.warn(f"no certificate: {error.filename}: {error.strerror}")
        return None


def _answer(found: ValidationReport, signed: Signed | None, page: Path | None) -> render.Answer:
    head, names = _columns(found)
    rows: list[list[object]] = [[getattr(one, name) for name in names] for one in found.entities]
    lines = [summaries.way(found), "", *render.table(head, rows), ""]
    lines += [*found.notices, *_verdict(found)]
    data = dict(found.to_json())
    if signed is not None:
        path = render.near(str(signed.path))
        lines.append(f"certificate: {path}, signed by {signed.certificate.fingerprint[:16]}…")
        data["certificate"] = str(signed.path)
        data["fingerprint"] = signed.certificate.fingerprint
    if page is not None:
        lines.append(f"report: {page}")
    return render.Answer(data, lines, _problems(found), found.exit_code)


def _columns(found: ValidationReport) -> tuple[list[str], list[str]]:
    """Return the table's heads, and what of an entity stands under each."""
    names = {
        "entity": "entity",
        found.source["backend"] if found.live else "source": "source_records",
        found.target["backend"] if found.live else "target": "target_records",
        "equal": "equal",
        "missing": "missing",
        "orphan": "orphan",
        "diverged": "diverged",
        **{name: name for name in ("ahead", "lagging") if _any(found, name)},
        "stays behind": "quarantined",
    }
    return list(names), list(names.values())


def _any(found: ValidationReport, name: str) -> bool:
    return any(getattr(one, name) for one in found.entities)


def _problems(found: ValidationReport) -> list[str]:
    more = "name a file with --differences to list all of them"
    lines = summaries.first(found.differences, found.difference_count, more)
    stayed = sum(one.quarantined for one in found.entities)
    lines += summaries.first(found.quarantined, stayed, "`fluxstore assess` lists all of them")
    return [*lines, *(str(one.refused) for one in found.entities if one.refused)]


def _verdict(found: ValidationReport) -> list[str]:
    keys = "all keys" if found.sample is None else f"a sample of {found.sample:.0%} of the keys"
    share = f"{found.accuracy:.4%} of {keys} equal"
    way = summaries.options_of(found)
    if found.exit_code == exits.OK:
        return [Styled(f"both sides are equal ({share})", "green")]
    if found.difference_count:
        count = render.count(found.difference_count, "difference")
        return [
            Styled(f"{count} ({share})", "red"),
            f"next: fluxstore repair --plan {way}, or migrate again: what drifted is repaired",
        ]
    return [
        Styled(f"what crossed is equal; some records stayed behind ({share})", "yellow"),
        f"next: fluxstore assess {way} says why",
    ]


def verify_certificate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The certificate.")],
    *,
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Refuse a certificate that another key has signed."),
    ] = None,
) -> render.Answer:
    """Check a certificate, offline: unchanged since it was signed, and what it says.

    Exit code 5 where it was changed, or says that both sides differed.
    """
    from fluxstore.migration.certificate import verify_certificate as run

    found = run(file, fingerprint=fingerprint)
    content = found.content
    style = "green" if found.equal else "red"
    lines = [
        Styled(f"{file} is as it was signed: both sides were {content['verdict']}", style),
        f"{content['source']['where']} → {content['target']['where']}",
        f"compared {content['started']} to {content['ended']}, epoch {content['epoch']}",
        f"signed by {found.fingerprint}",
    ]
    code = exits.OK if found.equal else exits.DIFFERENCES
    data = {"file": str(file), "fingerprint": found.fingerprint, "content": content}
    return render.Answer(data, lines, exit_code=code)
