"""What a connection of ours says first: once for its session, or for each transaction."""

from __future__ import annotations

import math

import attrs

from fluxstore_postgres.settings import Settings
from fluxstore_postgres.statements import Part, Statement, composed, joined, literal, word

IDLE_FACTOR = 2
"""A transaction in which nothing happens for so many statements' time is ended by the server: a
client that vanished without a word would keep its locks, and the fence, for ever."""


@attrs.frozen
class Sessions:
    """How one backend's sessions and transactions begin."""

    timeout_seconds: float
    is_reading: bool
    """Whether nothing is to be written."""
    is_pooled: bool
    """Whether connections are lent for a transaction each, by an external pooler."""

    @classmethod
    def of(cls, settings: Settings, *, is_reading: bool) -> Sessions:
        """Return the sessions that *settings* ask for."""
        return cls(settings.statement_timeout.total_seconds(), is_reading, settings.is_pooled)

    def set_up(self) -> Statement:
        """Return what a session says once."""
        return joined("set_up", [self._settings("SESSION")])

    def begin(self, seconds: float | None, *, writes: bool) -> Statement:
        """Return the start of a transaction whose statements may take *seconds*.

        Of one that *writes*, its last part says the number by which its outcome can be asked for.
        """
        parts: list[Part] = []
        if self.is_pooled:
            access = word("READ ONLY" if self.is_reading else "READ WRITE")
            parts.append(composed("session", "begin_pooled", access=access))
            parts.append(self._settings("LOCAL"))
        else:
            parts.append(composed("session", "begin"))
        if seconds is not None:
            milliseconds = literal(0 if math.isinf(seconds) else round(seconds * 1000))
            parts.append(composed("session", "long", milliseconds=milliseconds))
        if writes and not self.is_reading:
            parts.append(composed("session", "number"))
        return joined("begin", parts)

    def _settings(self, scope: str) -> Part:
        return composed(
            "session",
            "set_up",
            scope=word(scope),
            milliseconds=literal(max(1, round(self.timeout_seconds * 1000))),
            idle_milliseconds=literal(round(self.timeout_seconds * IDLE_FACTOR * 1000)),
            read_only=word("on" if self.is_reading else "off"),
        )
