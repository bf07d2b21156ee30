"""Why one value cannot be taken, and the limits that all values share."""

from __future__ import annotations

from typing import Any

from fluxstore.errors import shortened
from fluxstore.records import Reason

MAX_DEPTH = 64
MAX_RECORD_BYTES = 1024 * 1024
MAX_INT = 2**63 - 1
MIN_INT = -(2**63)


class Refusal(ValueError):  # noqa: N818 - it is an answer, not a fault
    """A value that cannot be taken: a reason, what was expected, and the path into the field."""

    def __init__(self, reason: Reason, expected: str, *, path: str = "") -> None:
        """Hold the facts; *path* grows as the refusal passes through containers."""
        super().__init__(reason, expected, path)
        self.reason = reason
        self.expected = expected
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the path, which is keyword-only."""
        return _refusal, (self.reason, self.expected, self.path)

    def under(self, step: str) -> Refusal:
        """Return the same refusal seen from one container further out."""
        return Refusal(self.reason, self.expected, path=step + self.path)


def _refusal(reason: Reason, expected: str, path: str) -> Refusal:
    return Refusal(reason, expected, path=path)


def mistyped(wanted: str, found: Any) -> Refusal:
    """Return the refusal of *found* where *wanted* (words for a type) was expected."""
    return Refusal(Reason.TYPE, f"{wanted} expected, {described(found)} found")


def described(value: Any) -> str:
    """Return words for a value's type, and the value itself where it is short and no text."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else shortened(value, 24)


def check_text(value: str) -> str:
    """Return *value*; refuse NUL and lone surrogates, which no database text can hold."""
    if "\0" in value:
        raise Refusal(Reason.NUL, "text without NUL characters expected")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refusal(Reason.SURROGATE, "text without lone surrogates expected") from None
    return value


def check_int(value: int, *, big: bool = False) -> int:
    """Return *value*; refuse what 63 bits and a sign cannot hold, unless *big*."""
    if not big and not MIN_INT <= value <= MAX_INT:
        raise Refusal(Reason.RANGE, "an integer of at most 63 bits expected (or declare it bigint)")
    if big and value.bit_length() > 4096:
        raise Refusal(Reason.RANGE, "an integer of at most 4,096 bits expected")
    return value
