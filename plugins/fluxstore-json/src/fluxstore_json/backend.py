"""An open backend of JSON files: looking at one moment, changing in one transaction."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import attrs

from fluxstore.adapter import Opening, Use
from fluxstore.errors import BackendUnavailableError, ConfigError, FluxstoreError
from fluxstore.ledger import Checkpoint, Transaction, facts, pending, translated
from fluxstore_json.folder import Folder, checked_folder
from fluxstore_json.forms import Form
from fluxstore_json.ledger import JsonLedger
from fluxstore_json.moment import Moment, Stale
from fluxstore_json.places import Place, Places
from fluxstore_json.rules import Rules
from fluxstore_json.settings import EntitySettings, Settings
from fluxstore_json.shelf import Shelves
from fluxstore_json.trials import Trials
from fluxstore_json.unit import Unit

T = TypeVar("T")
log = logging.getLogger("fluxstore.json")
_LOOKS = 8
_backends: weakref.WeakSet[Backend] = weakref.WeakSet()


class Backend:
    """Everything that the collections of one open backend share."""

    def __init__(self, opening: Opening) -> None:
        """Look at the configuration; no file is opened."""
        self.name, self.use, self.entities = opening.backend, opening.use, opening.entities
        settings: Settings = opening.settings
        own: dict[str, EntitySettings] = dict(opening.entity_settings)
        self.settings = settings
        self.checkpoint_seconds = settings.checkpoint_seconds()
        self.folder = Folder(checked_folder(settings.path, opening.folder))
        self._refuse_folder()
        self.places = Places(opening.entities, settings, own)
        self.forms = {name: Form(place, self.places) for name, place in self.places.items()}
        self.rules = Rules(opening.entities, self.places)
        self.ledger = JsonLedger(
            self.folder.path,
            opening.entities,
            read_only=self.is_read_only,
            lock_timeout_seconds=settings.lock_timeout.total_seconds(),
            op_retention_seconds=settings.op_retention.total_seconds(),
        )
        self.ledger.imports_edits = settings.foreign_edits == "import" and not self.is_read_only
        self.shelves = Shelves(
            self.folder,
            self.places,
            self.forms,
            backend=self.name,
            must_exist=self.is_read_only,
        )
        self.committed: Callable[[], None] = lambda: None
        """Called after every durable change: a checkpoint may be due."""
        self._trials = Trials(self.rules)
        self._noticed: set[tuple[str, str]] = set()
        self.forked: list[Callable[[], None]] = [self.shelves.forget_all, self._trials.forget]
        """Called in a forked child: what the parent's threads held is not to be waited for."""
        _backends.add(self)
        self.is_closed = False

    @property
    def is_read_only(self) -> bool:
        """Whether nothing may be written."""
        return self.use is Use.SOURCE

    def _refuse_folder(self) -> None:
        path = self.folder.path
        if self.is_read_only and not path.is_dir():
            raise ConfigError(
                f"{path} is not there", key="path", next_step="name the folder of the JSON files"
            )
        kind = self.folder.network()
        if kind and not self.settings.network_files:
            raise ConfigError(
                f"{path} is on a network file system ({kind}), where no lock can be relied on",
                key="path",
                next_step="move it to a local disk, or set network_files = true at your own risk",
            )

    def look(self, work: Callable[[Moment], T]) -> T:
        """Return what *work* makes of one moment."""
        self._refuse_closed()
        for attempt in range(_LOOKS):
            last = attempt == _LOOKS - 1
            try:
                with self.ledger.reading() as connection:
                    moment = Moment(connection, self.shelves, accept=last)
                    made = work(moment)
            except Stale:  # a checkpoint came between the ledger and the file: look again
                continue
            self._notice(moment)
            return made
        raise AssertionError  # the last look takes everything

    def state(self, file: str) -> tuple[int | None, str]:
        """Return what stays the same for as long as no record in *file* changes."""
        self._refuse_closed()
        return self.ledger.version(), self.shelves.current(file).file.identity

    def change(self, work: Callable[[Unit], T]) -> T:
        """Return what *work* made of a unit of change, once it is durable."""
        self._refuse_closed()

        def write(transaction: Transaction) -> T:
            moment = Moment(transaction.connection, self.shelves, accept=True)
            unit = Unit(transaction, moment, self.rules)
            made = work(unit)
            unit.flush()
            for file in {self.places[name].file for name, _ in unit.touched}:
                self._know(transaction, moment, file)
            self._write_notices(transaction, moment)
            return made

        made = self.ledger.submit(write)
        if self.ledger.current is None:
            self.committed()
        return made

    def stream(self, work: Callable[[Moment], Iterator[T]]) -> Iterator[T]:
        """Yield what *work* yields of one moment, which lasts until the end."""
        self._refuse_closed()
        with self.ledger.reading() as connection:
            yield from work(Moment(connection, self.shelves, accept=True))

    def make_folder(self) -> None:
        """Make the folder where it is not there yet."""
        with translated(self.folder.path):
            self.folder.path.mkdir(parents=True, exist_ok=True)

    def trial(self, place: Place, work: Callable[[Unit], T]) -> T:
        """Return what *work* would make of a unit of change, of which nothing lasts."""
        self._refuse_closed()
        version = self.ledger.version()
        return self.look(lambda moment: self._trials.run(moment, version, place, work))

    def where(self, place: Place) -> str:
        """Return the file of *place*, and for nested records where in it they are."""
        shown = self.folder.shown(place.file)
        return shown if place.parent is None else f"{shown}: {place.inside}"

    @contextmanager
    def alone(self) -> Iterator[Transaction]:
        """Make all changes of this thread one transaction, while the context lasts."""
        self._refuse_closed()
        with self.ledger.alone() as transaction:
            yield transaction
        if self.ledger.current is None:
            self.committed()

    def _know(self, transaction: Transaction, moment: Moment, file: str) -> None:
        """Remember which version of *file* the first change is a change of."""
        if file in moment.checkpoints:
            return
        shelf = moment.shelf(file)
        checkpoint = Checkpoint(file, 0, shelf.file.identity, shelf.digest(), 0)
        pending.set_checkpoint(transaction.connection, checkpoint)

    # edits by others

    def _notice(self, moment: Moment) -> None:
        """Remember files that another program has changed, should a second look say so too."""
        new = {(f, i) for f, i in moment.foreign.items()} - self._noticed
        if not new or self.ledger.current is not None:
            return
        self._noticed |= new
        if self.is_read_only:
            self._warn(moment.foreign)
            return
        try:
            self.ledger.submit(partial(self._look_again, moment.foreign))
        except FluxstoreError as error:
            log.warning("%s", error)

    def _look_again(self, files: Iterable[str], transaction: Transaction) -> None:
        moment = Moment(transaction.connection, self.shelves, accept=True)
        for file in files:
            moment.shelf(file)
        self._write_notices(transaction, moment)

    def _write_notices(self, transaction: Transaction, moment: Moment) -> None:
        """Say in the ledger which files others changed; no checkpoint will touch them."""
        new = [file for file in moment.foreign if moment.checkpoints[file].noticed is None]
        self._warn(new)
        for file in new:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            checkpoint = attrs.evolve(moment.checkpoints[file], noticed=now)
            pending.set_checkpoint(transaction.connection, checkpoint)
            for place in self.places.of_file(file):
                facts.begin(transaction.connection, place.name)

    def _warn(self, files: Iterable[str]) -> None:
        for file in files:
            log.warning(
                "%s was changed by another program; it is read as it is now, and not written to"
                " (see `fluxstore doctor`)",
                self.folder.shown(file),
            )

    # the end

    def _refuse_closed(self) -> None:
        if self.is_closed:
            raise BackendUnavailableError("is closed", backend=self.name)

    def close(self) -> None:
        """Let go of everything."""
        self.is_closed = True
        self._trials.close()
        self.ledger.close()
        self.shelves.close()


def _begin_afresh() -> None:
    for backend in _backends:
        for call in backend.forked:
            call()


os.register_at_fork(after_in_child=_begin_afresh)
