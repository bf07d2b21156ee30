"""Files that another program changed: taken as they are where that loses nothing."""

from __future__ import annotations

from functools import partial

import attrs

from fluxstore.ledger import Transaction, facts, pending
from fluxstore_json.backend import Backend, log
from fluxstore_json.moment import Moment
from fluxstore_json.places import Place


def adopt(backend: Backend) -> None:
    """Take files as others left them, where nothing of ours waits for them (or imports are on).

    Where a policy rules an entity of the file nothing is taken: its versions would not know.
    """
    if backend.is_read_only or not backend.ledger.exists():
        return
    found = backend.look(lambda moment: _changed(backend, moment))
    for file in found:
        log.warning("%s was changed by another program; taken as it is", backend.folder.shown(file))
        backend.ledger.submit(partial(_take, backend, file))


def _changed(backend: Backend, moment: Moment) -> list[str]:
    return [
        file
        for file in moment.checkpoints
        if file in backend.places.files and _is_adoptable(backend, moment, file)
    ]


def _is_adoptable(backend: Backend, moment: Moment, file: str) -> bool:
    moment.shelf(file)
    checkpoint, connection = moment.checkpoints[file], moment.connection
    if (file not in moment.foreign and not checkpoint.noticed) or connection is None:
        return False
    places = backend.places.of_file(file)
    ruled = any(backend.ledger.control(place.name) for place in places)
    waits = any(pending.count(connection, place.name)[0] for place in places)
    return not ruled and (not waits or backend.settings.foreign_edits == "import")


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
        _settle(moment, place)


def _settle(moment: Moment, place: Place) -> None:
    """Say of each change that waits whether the file as it is now has its key."""
    if moment.connection is None:
        return
    keys = [key for key, _, _ in pending.places(moment.connection, place.name, 0)]
    known = moment.shelf(place.file).index.known(place.name, keys)
    pending.set_fresh(moment.connection, place.name, [(key, key not in known) for key in keys])
