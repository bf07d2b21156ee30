"""The callables that hooks bind: what does the work ever after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import attrs

from fluxstore.adapter import Adapter, Batch, Collection, Merged
from fluxstore.entity import Entities, Entity
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Record, Row

F = TypeVar("F", bound=Callable[..., Any])

Move: TypeAlias = Callable[[Batch], Merged]
"""Moves one batch of a migration into the target."""

Lens: TypeAlias = Callable[[Record], Record]
"""What a validation looks at a record through, on both sides."""


class Commit(Protocol):
    """Makes changes, as ``Collection.commit`` does."""

    def __call__(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Return the records of the puts as they are now."""
        ...


@attrs.frozen
class Read:
    """How an entity is read: by keys, by query, and counted."""

    get: Callable[[Sequence[Key]], Mapping[Key, Record]]
    find: Callable[[Query], Found]
    count: Callable[[Query], int]
    stale: Read | None = None
    """Reads of who follows, for callers who take a stale answer where these are unavailable."""
    stale_ok: bool = False
    """Whether callers who do not say otherwise take one."""

    def each(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Read:
        """Return the same reads with every callable wrapped, for observers."""
        stale = self.stale.each(wrap) if self.stale is not None else None
        return attrs.evolve(
            self, get=wrap(self.get), find=wrap(self.find), count=wrap(self.count), stale=stale
        )


@attrs.frozen
class Write:
    """How an entity is written, and which backend is the authority."""

    commit: Commit
    authority: str
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered around a transaction: what follows its commits is to happen once it has ended."""

    def each(self, wrap: Callable[[Commit], Commit]) -> Write:
        """Return the same write with its callable wrapped, for observers."""
        return attrs.evolve(self, commit=wrap(self.commit))


class Reports(Protocol):
    """Who hears what happens while an application runs: the reporting hooks."""

    def diverged(self, entity: Entity, key: str, fields: tuple[str, ...]) -> None:
        """Report a record that differs."""
        ...

    def phase_changed(self, entity: str, phase: str, epoch: int) -> None:
        """Report a change of phase."""
        ...


@attrs.frozen
class Routing:
    """What a bind hook is told beside the entity: the policy in force and its settings."""

    backend: str
    """The backend to use where no policy says otherwise."""
    policy: str | None = None
    """The name of the policy in ``[policy]``, or ``None``."""
    settings: Any = None
    """The policy's own settings, an instance of the class it registered."""
    entities: Entities = attrs.field(factory=Entities, eq=False, repr=False)
    """Every entity of the store."""
    reports: Reports | None = attrs.field(default=None, eq=False, repr=False)
    """Whom the policy tells what happens later; ``None`` where nobody is to hear."""


@attrs.frozen
class Told:
    """What a policy has to say: ``data`` for programs, ``lines`` for people, ``problems`` first."""

    data: Mapping[str, Any]
    lines: Sequence[str] = ()
    problems: Sequence[str] = ()
    exit_code: int = 0


@attrs.frozen
class Retreat:
    """What a rollback was asked for."""

    backups: Path
    """Where the source's backup goes."""
    entities: tuple[str, ...] = ()
    """Only these; none: all."""
    lossy: bool = False
    """A loss is accepted: the target cannot be asked any more."""
    dry_run: bool = False
    tell: Callable[[str], None] = lambda _: None
    """Hears each step, in words."""
    write: Callable[[Sequence[str], str], None] = lambda _keys, _value: None
    """Sets a value of the configuration, found by its keys: what is wanted from now on."""


Opener: TypeAlias = Callable[[str], Adapter]
"""Returns a backend by name, open; the same one each time, closed by who made the opener."""

Rollback: TypeAlias = Callable[[Retreat], Told]
"""Brings the authority back to the source."""

Status: TypeAlias = Callable[[], Told]
"""Says where things stand; ``data["next"]`` is the next safe step."""


class Closeable(Protocol):
    """Something that a store closes when it is closed."""

    def close(self) -> None:
        """Let go of everything."""
        ...


S = TypeVar("S", bound=Closeable)


class Backends(Protocol):
    """The configured backends of one entity, each opened when it is first asked for."""

    def __getitem__(self, name: str) -> Collection:
        """Return the entity's collection in the backend *name*."""
        ...

    def adapter(self, name: str) -> Adapter:
        """Return the open adapter of the backend *name*."""
        ...

    def shared(self, name: str, make: Callable[[], S]) -> S:
        """Return the store's one *name*, made at first asking; closed before the backends are."""
        ...

    def rebind(self) -> None:
        """Bind every entity of the store anew: the phase has changed. From any thread."""
        ...
