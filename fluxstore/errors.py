"""Every error fluxstore raises, as one tree: facts as attributes, the message made from them.

::

    FluxstoreError
    ├── ConfigError                 file, key; what was expected
    ├── UsageError                  an argument of a command or a call that cannot be meant
    ├── PluginError
    │   ├── PluginLoadError         an installed plugin does not load
    │   ├── AdapterNotFoundError    nothing installed offers that adapter
    │   └── AdapterConflictError    two distributions offer one adapter
    ├── EntityError
    │   ├── EntityNotFoundError     no such entity; near names
    │   └── CheckError              a record breaks its entity's rules; all problems, with paths
    ├── BackendError
    │   ├── BackendUnavailableError worth retrying
    │   ├── RecordNotFoundError
    │   ├── RecordExistsError
    │   ├── ConflictError           the record is no longer as it was read
    │   ├── ConstraintError         unique, reference or check
    │   ├── UnreadableRecordError   what is stored cannot be decoded
    │   └── UnsupportedError        a capability that the adapter does not declare
    ├── RoutingError
    │   ├── StalePhaseError
    │   ├── SealedError
    │   ├── PhaseOrderError
    │   ├── FollowerError           durable at the authority, not at the follower yet
    │   └── OutcomeUnknown          carries the op_id that makes a retry safe
    ├── AccessError                 rights are missing; what an administrator must grant
    └── MigrationError
        ├── PlanError               nothing was touched
        ├── GateError               which gate, what is missing
        ├── CursorError
        ├── LeaseError              somebody else is at it
        ├── QuarantineError         records stayed behind
        └── ValidationFailed        carries the report

Exit codes of the command line hang on the classes (``exit_code``).
"""

from __future__ import annotations

import unicodedata
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

import attrs

T = TypeVar("T")


@dataclass_transform(eq_default=False, field_specifiers=(attrs.field,))
def _fact(cls: type[T]) -> type[T]:
    """Make *cls* an attrs class whose attributes are an error's facts."""
    return attrs.define(eq=False, slots=False, auto_exc=True, str=False, repr=False)(cls)


def printable(text: str) -> str:
    """Return *text* on one line, with control and direction characters escaped."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character.encode("unicode_escape", "backslashreplace").decode("ascii")
    return character


def shortened(value: object, length: int = 40) -> str:
    """Return a printable form of *value* for a message, cut to *length* characters."""
    text = printable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= length else text[: length - 1] + "…"


@_fact
class FluxstoreError(Exception):
    """What every error here is: a problem in one line and the next step."""

    exit_code: ClassVar[int] = 1

    problem: str
    next_step: str = attrs.field(default="", kw_only=True)

    def subject(self) -> str:
        """Return what the message is about (file, backend, entity, key), or an empty string."""
        return ""

    def __str__(self) -> str:
        """Return the message: subject, problem, next step, on one line."""
        subject = self.subject()
        text = f"{subject}: {self.problem}" if subject else self.problem
        return printable(f"{text}; {self.next_step}" if self.next_step else text)

    def __repr__(self) -> str:
        """Return the class and the message."""
        return f"{type(self).__name__}({str(self)!r})"

    def facts(self) -> dict[str, Any]:
        """Return the attributes as a dict, for ``--json`` and for logs."""
        return {name: getattr(self, name) for name in attrs.fields_dict(cast(Any, type(self)))}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by facts, so that keyword-only attributes survive."""
        return _rebuild, (type(self), self.facts())


def _rebuild(cls: type[FluxstoreError], facts: dict[str, Any]) -> FluxstoreError:
    return cls(**facts)


def _joined(*parts: object) -> str:
    return " ".join(shortened(part, 80) for part in parts if part not in (None, ""))


@_fact
class ConfigError(FluxstoreError):
    """The configuration cannot be used: which file, which key, what was expected."""

    exit_code: ClassVar[int] = 3

    file: str = attrs.field(default="", kw_only=True)
    key: str = attrs.field(default="", kw_only=True)

    def subject(self) -> str:
        """Return file and key."""
        return ": ".join(printable(part) for part in (self.file, self.key) if part)


@_fact
class UsageError(FluxstoreError):
    """An argument that cannot be meant; ``near`` holds names that might have been."""

    exit_code: ClassVar[int] = 2

    near: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class PluginError(FluxstoreError):
    """A plugin is at fault; ``plugin`` is its entry-point name."""

    exit_code: ClassVar[int] = 3

    plugin: str = attrs.field(default="", kw_only=True)
    distribution: str = attrs.field(default="", kw_only=True)

    def subject(self) -> str:
        """Return plugin and distribution."""
        where = f" of {self.distribution}" if self.distribution else ""
        return f"plugin {self.plugin}{where}" if self.plugin else ""


@_fact
class PluginLoadError(PluginError):
    """An installed plugin does not load."""


@_fact
class AdapterNotFoundError(PluginError):
    """Nothing installed offers that adapter; ``installed`` lists what is."""

    adapter: str = attrs.field(default="", kw_only=True)
    installed: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class AdapterConflictError(PluginError):
    """Two distributions offer one adapter; neither is taken."""

    adapter: str = attrs.field(default="", kw_only=True)
    distributions: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class EntityError(FluxstoreError):
    """An entity's declaration or use is wrong."""

    exit_code: ClassVar[int] = 3

    entity: str = attrs.field(default="", kw_only=True)

    def subject(self) -> str:
        """Return the entity's name."""
        return printable(self.entity)


@_fact
class EntityNotFoundError(EntityError):
    """No entity has that name; ``near`` holds names that might have been meant."""

    exit_code: ClassVar[int] = 2

    near: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class CheckError(EntityError):
    """A record breaks its entity's rules; ``problems`` holds all (``fluxstore.Problem``)."""

    exit_code: ClassVar[int] = 4

    key: object = attrs.field(default=None, kw_only=True)
    problems: tuple[Any, ...] = attrs.field(default=(), kw_only=True)

    def subject(self) -> str:
        """Return entity and key."""
        return _joined(self.entity, self.key)


@_fact
class BackendError(FluxstoreError):
    """A backend refused or failed; ``backend``, ``entity`` and ``key`` say where."""

    exit_code: ClassVar[int] = 7

    backend: str = attrs.field(default="", kw_only=True)
    entity: str = attrs.field(default="", kw_only=True)
    key: object = attrs.field(default=None, kw_only=True)

    def subject(self) -> str:
        """Return backend, entity and key."""
        return _joined(self.backend, self.entity, self.key)


@_fact
class BackendUnavailableError(BackendError):
    """The backend cannot be reached or did not answer in time; nothing was done: try again."""


@_fact
class RecordNotFoundError(BackendError):
    """No record has that key."""

    exit_code: ClassVar[int] = 2


@_fact
class RecordExistsError(BackendError):
    """A record with that key is there already."""

    exit_code: ClassVar[int] = 4


@_fact
class ConflictError(BackendError):
    """The record is no longer as it was read (``expect=``); read it again and decide anew."""

    exit_code: ClassVar[int] = 4


@_fact
class ConstraintError(BackendError):
    """A rule of the entity would be broken; ``rule`` is unique, reference or check."""

    exit_code: ClassVar[int] = 4

    rule: str = attrs.field(default="", kw_only=True)
    fields: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class UnreadableRecordError(BackendError):
    """What is stored cannot be decoded; it stays as it is. ``file`` and ``field`` say where."""

    exit_code: ClassVar[int] = 4

    file: str = attrs.field(default="", kw_only=True)
    field: str = attrs.field(default="", kw_only=True)

    def subject(self) -> str:
        """Return file, entity, key and field; of a long path no part is left out."""
        rest = _joined(self.entity, self.key, self.field)
        return " ".join(part for part in (printable(self.file or self.backend), rest) if part)


@_fact
class UnsupportedError(BackendError):
    """The adapter does not declare the capability that was asked for."""

    exit_code: ClassVar[int] = 3

    capability: str = attrs.field(default="", kw_only=True)


@_fact
class RoutingError(FluxstoreError):
    """The route of a call is not open."""

    exit_code: ClassVar[int] = 6

    entity: str = attrs.field(default="", kw_only=True)

    def subject(self) -> str:
        """Return the entity's name."""
        return printable(self.entity)


@_fact
class StalePhaseError(RoutingError):
    """The caller's idea of the phase is older than the ledger's; refresh and go on."""


@_fact
class SealedError(RoutingError):
    """A cutover holds writes back; they go on within its budget."""


@_fact
class PhaseOrderError(RoutingError):
    """The phase asked for is not a neighbour; ``missing`` lists the steps between."""

    missing: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class FollowerError(RoutingError):
    """A write is durable, and its follower has not taken it: only where the policy raises that."""

    follower: str = attrs.field(default="", kw_only=True)
    op_id: str = attrs.field(default="", kw_only=True)


@_fact
class OutcomeUnknown(RoutingError):  # noqa: N818 - the name is a promise of the API
    """Whether the write took effect is not known; the same ``op_id`` again has one effect."""

    exit_code: ClassVar[int] = 8

    op_id: str = attrs.field(default="", kw_only=True)


@_fact
class AccessError(FluxstoreError):
    """Rights are missing; ``statements`` is what an administrator must run."""

    exit_code: ClassVar[int] = 3

    statements: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class MigrationError(FluxstoreError):
    """A migration cannot go on."""

    exit_code: ClassVar[int] = 6


@_fact
class PlanError(MigrationError):
    """The plan cannot be carried out; nothing was touched."""

    exit_code: ClassVar[int] = 3


@_fact
class GateError(MigrationError):
    """A gate of a phase change is shut; ``gate`` names it, ``missing`` what would open it."""

    gate: str = attrs.field(default="", kw_only=True)
    missing: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@_fact
class CursorError(MigrationError):
    """A stored cursor does not fit what is there now; start that entity afresh."""

    exit_code: ClassVar[int] = 2


@_fact
class LeaseError(MigrationError):
    """Another process holds the lease; ``holder`` says who."""

    holder: str = attrs.field(default="", kw_only=True)


@_fact
class QuarantineError(MigrationError):
    """Records stayed behind in quarantine; ``count`` says how many."""

    exit_code: ClassVar[int] = 4

    count: int = attrs.field(default=0, kw_only=True)


@_fact
class ValidationFailed(MigrationError):  # noqa: N818 - the name is a promise of the API
    """The backends differ; ``report`` says where."""

    exit_code: ClassVar[int] = 5

    report: Any = attrs.field(default=None, kw_only=True)
