"""Files that another program changed: taken as they are where that loses nothing."""

from __future__ import annotations

import sqlite3
from functools import partial

import attrs

from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger import Transaction, facts, pending
from fluxstore.ledger.sidecar import is_migrating
from fluxstore_json.backend import Backend, log
from fluxstore_json.moment import Moment
from fluxstore_json.places import Place
from fluxstore_json.shelf import Shelf


def adopt(backend: Backend, *, at_opening: bool) -> None:
    """Take files as others left them, where that loses nothing.

    A file that was put back is taken at any time, one on which nothing of ours waits when the
    backend is opened, others with ``foreign_edits = "import"``. While an entity of the file is
    migrated no edit is taken: its versions would not know.
    """
    if backend.is_read_only or not backend.ledger.exists():
        return
    for file, changed in backend.look(lambda moment: _adoptable(backend, moment, at_opening)):
        shown = backend.folder.shown(file)
        words = "was changed by another program; taken as it is" if changed else "was put back"
        log.warning("%s %s", shown, words)
        backend.ledger.submit(partial(_take, backend, file))


def _adoptable(backend: Backend, moment: Moment, at_opening: bool) -> list[tuple[str, bool]]:
    """Return the files that may be taken, each with whether it is another than it was."""
    found = []
    for file in moment.checkpoints:
        try:
            unsettled = file in backend.places.files and not moment.is_settled(file)
        except UnreadableRecordError:  # whoever reads it will be told
            continue
        if unsettled and _may_take(backend, moment, file, at_opening):
            found.append((file, file in moment.foreign))
    return found


def _may_take(backend: Backend, moment: Moment, file: str, at_opening: bool) -> bool:
    if file not in moment.foreign:  # it was noticed, and has been put back since
        return True
    places, connection = backend.places.of_file(file), moment.connection
    if connection is None or any(is_migrating(moment.control(place)) for place in places):
        return False
    waits = any(pending.count(connection, place.name)[0] for place in places)
    return backend.settings.foreign_edits == "import" or (at_opening and not waits)


def _take(backend: Backend, file: str, transaction: Transaction) -> None:
    """Make the file as it is now the one that changes are changes of; what waits stays on top."""
    connection = transaction.connection
    moment = Moment(connection, backend.shelves, accept=True)
    shelf = moment.shelf(file)
    checkpoint = attrs.evolve(
        moment.checkpoints[file],
        generation=backend.ledger.next_generation(transaction),
        identity=shelf.file.identity,
        digest=shelf.digest(),
        noticed=None,
    )
    pending.set_checkpoint(connection, checkpoint)
    for place in backend.places.of_file(file):
        facts.begin(connection, place.name)
        settle(connection, shelf, place)


def settle(connection: sqlite3.Connection, shelf: Shelf, place: Place) -> None:
    """Say of each change that waits whether the file as it is now has its key."""
    keys = [key for key, _, _ in pending.places(connection, place.name, 0)]
    if keys:
        known = shelf.index.known(place.name, keys)
        pending.set_fresh(connection, place.name, [(key, key not in known) for key in keys])
