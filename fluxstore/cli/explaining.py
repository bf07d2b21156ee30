"""``explain``: one record in every backend, and why they differ."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from fluxstore.cli import exits, render
from fluxstore.cli.ends import chosen_entities
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import FluxstoreError, RecordNotFoundError

if TYPE_CHECKING:
    from fluxstore.adapter import Control
    from fluxstore.migration.explain import Explained, Seen
    from fluxstore.migration.plan import End


def explain(
    ctx: typer.Context,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="The entity's name.")],
    key: Annotated[
        str, typer.Argument(metavar="KEY", help='The key; of several fields: \'["a", "b"]\'.')
    ],
    *,
    show: Annotated[bool, typer.Option("--show", help="Show personal data, too.")] = False,
) -> render.Answer:
    """Say all about one record: its version and value in every backend, marks, and the reason.

    Nothing is changed. Exit code 2 where no backend knows the record, 7 where one cannot be asked.
    """
    from fluxstore.codec import Codec
    from fluxstore.migration.explain import explain as run

    session = Session.of(ctx)
    chosen = session.config.entities[chosen_entities(session.config, [entity])[0]]
    plain = Codec.of(chosen).key_of_text(key)
    problems: list[str] = []
    with ExitStack() as held:
        ends, code = _reached(session, held, problems)
        found = run(ends, chosen, plain)
    if ends and all(one.state == "absent" for one in found.seen) and code == exits.OK:
        raise RecordNotFoundError(
            "no backend knows a record with this key", entity=chosen.name, key=key
        )
    return render.Answer(found.to_json(show=show), _lines(found, show=show), problems, code)


def _reached(session: Session, held: ExitStack, problems: list[str]) -> tuple[list[End], int]:
    """Return the backends that can be asked, and the exit code of those that cannot."""
    from fluxstore.adapter import Use
    from fluxstore.migration.plan import End

    ends: list[End] = []
    codes = [exits.OK]
    for name in session.config.backends:
        try:
            ends.append(End(name, held.enter_context(session.backend(name, Use.SERVE))))
        except FluxstoreError as error:
            problems.append(f"{name}: {error}")
            codes.append(error.exit_code)
    return ends, exits.worst(codes)


def _lines(found: Explained, *, show: bool) -> list[str]:
    from fluxstore.migration.explain import said

    head = ("backend", "control", "state", "version", "mark", "operations")
    rows = [
        [
            one.backend,
            _said(one.control),
            one.state,
            said(one.version),
            said(one.mark.version) if one.mark else None,
            len(one.operations),
        ]
        for one in found.seen
    ]
    lines = render.table(head, rows)
    for one in found.seen:
        lines += ["", *_value(found, one, show=show)]
    lines += ["", Styled(found.why, "bold")]
    return [*lines, *([f"next: {found.next_step}"] if found.next_step else [])]


def _said(control: Control | None) -> str | None:
    return None if control is None else f"{control.role}, epoch {control.epoch}, {control.phase}"


def _value(found: Explained, one: Seen, *, show: bool) -> list[str]:
    from fluxstore.migration.explain import shown

    lines = [f"{one.backend} ({render.near(one.where)})"]
    for problem in (one.unreadable, one.quarantine):
        lines += [f"  {problem}"] if problem is not None else []
    if one.record is None:
        return [*lines, f"  {one.state}"]
    document = shown(found.entity, one.record, show=show)
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in document.items()}
    return [*lines, *(f"  {name}: {text}" for name, text in texts.items())]
