"""What the policy in force has to say to a command: hooks bound, backends opened for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import attrs

from fluxstore.cli import render

if TYPE_CHECKING:
    from fluxstore.adapter import Adapter
    from fluxstore.calls import Opener, Routing, Told
    from fluxstore.cli.session import Session


def rules(session: Session, source: str, target: str) -> bool:
    """Tell whether a policy is in force between these two backends."""
    settings = session.config.policy.settings if session.config.policy else None
    return (getattr(settings, "source", None), getattr(settings, "target", None)) == (
        source,
        target,
    )


def routing(session: Session) -> Routing:
    """Return what bind hooks are told: the policy, all entities, and who hears of changes."""
    found = session.config.routing()
    return attrs.evolve(found, entities=session.config.entities, reports=session.plugins)


@contextmanager
def opener(session: Session) -> Iterator[Opener]:
    """Yield what opens a backend by name, once; all are closed at the end."""
    from fluxstore.adapter import Use

    found: dict[str, Adapter] = {}
    with ExitStack() as stack:

        def adapter(name: str) -> Adapter:
            if name not in found:
                found[name] = stack.enter_context(session.backend(name, Use.SERVE))
            return found[name]

        yield adapter


def telling(session: Session) -> Callable[[str], None]:
    """Return what says on stderr what is being done, where somebody wants to hear it."""

    def tell(line: str) -> None:
        if not (session.quiet or session.json):
            render.write_lines([line], sys.stderr)

    return tell


def writing(session: Session) -> Callable[[Sequence[str], str], None]:
    """Return what sets a value of the configuration; it warns where that cannot be done."""
    from fluxstore.config.changing import change
    from fluxstore.errors import ConfigError

    def write(keys: Sequence[str], value: str) -> None:
        try:
            change(session.config.file, keys, value)
        except ConfigError as error:
            session.warn(str(error))

    return write


def answer(told: Told) -> render.Answer:
    """Return what a policy said as what a command ends with."""
    return render.Answer(told.data, told.lines, told.problems, told.exit_code)
