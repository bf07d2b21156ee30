"""The two ends of a migration, as the command line names and opens them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from fluxstore.cli.session import Session
from fluxstore.errors import UsageError, shortened

if TYPE_CHECKING:
    from fluxstore.adapter import Use
    from fluxstore.calls import Lens, Move
    from fluxstore.config import Config
    from fluxstore.entity import Entity
    from fluxstore.migration.live import Live
    from fluxstore.migration.plan import End

From = Annotated[
    str,
    typer.Option("--from", metavar="BACKEND", help="The source; default: [policy] source."),
]
To = Annotated[
    str,
    typer.Option("--to", metavar="BACKEND", help="The target; default: [policy] target."),
]
EntityNames = Annotated[
    list[str],
    typer.Option("--entity", metavar="NAME", help="Only this entity; may be given again."),
]


@attrs.frozen
class Ends:
    """Both ends, open, and the entities that were asked for."""

    source: End
    target: End
    config: Config
    entities: tuple[str, ...] = ()

    def asked(self) -> Iterator[Entity]:
        """Yield the entities that were asked for, or all."""
        for name in self.entities or self.config.entities:
            yield self.config.entities[name]

    def live(self) -> Live | None:
        """Return the live migration between both, ``None`` where they are in phase ``off``."""
        from fluxstore.migration.live import live_of

        return live_of(self.source, self.target, self.asked())


def chosen_names(session: Session, source: str, target: str) -> tuple[str, str]:
    """Return the names of both backends; ``UsageError`` where one is missing or both are one."""
    settings = session.config.policy.settings if session.config.policy else None
    source = source or getattr(settings, "source", None) or ""
    target = target or getattr(settings, "target", None) or ""
    for option, name in (("--from", source), ("--to", target)):
        if not name:
            known = ", ".join(session.config.backends) or "none"
            raise UsageError(f"{option} BACKEND expected", next_step=f"configured: {known}")
    if source == target:
        raise UsageError(
            f"--from and --to are both {shortened(source)}", next_step="name two backends"
        )
    return source, target


def chosen_entities(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """Return *names*; ``UsageError`` for one that is no entity, with near names."""
    for name in names:
        if name not in config.entities:
            near = tuple(get_close_matches(name[:100], config.entities))
            known = ", ".join(config.entities) or "none"
            hint = f"did you mean {' or '.join(near)}?" if near else f"entities: {known}"
            raise UsageError(f"no entity {shortened(name)!r}", near=near, next_step=hint)
    return tuple(names)


@contextmanager
def opened(
    session: Session,
    source: str,
    target: str,
    entities: Sequence[str] = (),
    *,
    uses: tuple[Use, Use] | None = None,
) -> Iterator[Ends]:
    """Yield both ends, open for *uses* (source and target of a migration unless said otherwise)."""
    from fluxstore.adapter import Use

    source, target = chosen_names(session, source, target)
    chosen = chosen_entities(session.config, entities)
    first, second = uses or (Use.SOURCE, Use.TARGET)
    with ExitStack() as stack:
        yield Ends(
            source=_end(session, stack, source, first),
            target=_end(session, stack, target, second),
            config=session.config,
            entities=chosen,
        )


@contextmanager
def served(
    session: Session, source: str, target: str, entities: Sequence[str] = ()
) -> Iterator[tuple[Ends, Live]]:
    """Yield both ends of a live migration, open as an application opens them.

    ``GateError`` where there is no live migration between them.
    """
    from fluxstore.adapter import Use
    from fluxstore.errors import GateError

    uses = (Use.SERVE, Use.SERVE)
    with opened(session, source, target, entities, uses=uses) as both:
        live = both.live()
        if live is None:
            raise GateError(
                f"{both.source.name} and {both.target.name} are in phase off",
                gate="control",
                next_step="fluxstore phase set dual_write",
            )
        yield both, live


def _end(session: Session, stack: ExitStack, name: str, use: Use) -> End:
    from fluxstore.migration.plan import End

    adapter = stack.enter_context(session.backend(name, use))
    kind = session.config.backend(name).adapter
    offers = [one for one in session.plugins.offers("adapter") if one.name == kind]
    return End(name, adapter, offers[0].plugin.version if offers else "")


def moves(session: Session, ends: Ends) -> Mapping[str, Move]:
    """Return what plugins bind for a migration: what moves each entity's batches."""
    return {
        one.name: session.plugins.bind_migrate(
            one, ends.source.collection(one), ends.target.collection(one)
        )
        for one in ends.asked()
    }


def lenses(session: Session, ends: Ends) -> Mapping[str, Lens]:
    """Return what plugins bind for a validation: through what each entity's records are seen."""
    from fluxstore.backends import OpenBackends

    adapters = {ends.source.name: ends.source.adapter, ends.target.name: ends.target.adapter}
    backends = OpenBackends(adapters.__getitem__)
    return {one.name: session.plugins.bind_validate(one, backends.of(one)) for one in ends.asked()}
