"""An adapter under control: how a test sets it, and what the ledger then has."""

from __future__ import annotations

from fluxstore.adapter import Adapter, Control
from fluxstore.entity import entity_of
from fluxstore.records import Key, Version

DUAL = Control(1, "authority", "dual_write", "m1")
FOLLOWER = Control(1, "follower", "dual_write", "m1")


def govern(adapter: Adapter, control: Control = DUAL, name: str = "*") -> None:
    """Set the control of a scope, whatever it was."""
    assert adapter.ledger.set_control(name, adapter.ledger.controls().get(name), control)


def marks(adapter: Adapter, cls: type) -> dict[Key, Version]:
    """Return key to version of the marks, each of which must be the version of its record."""
    name = entity_of(cls).name
    found = {mark.key: mark.version for mark in adapter.ledger.marks(name, 1000)}
    assert found == adapter.ledger.versions(name, list(found))
    return found


def kinds(adapter: Adapter, cls: type) -> dict[Key, bool]:
    """Return key to whether the mark is a tombstone's."""
    return {key: version.deleted for key, version in marks(adapter, cls).items()}
