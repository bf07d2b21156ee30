"""``JsonAdapter``: JSON files as a backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from fluxstore.adapter import Capability, Finding, Opening, Part, Use
from fluxstore.entity import Entity
from fluxstore.errors import FluxstoreError
from fluxstore.ledger import HeldError
from fluxstore_json.applying import transaction
from fluxstore_json.backend import Backend, log
from fluxstore_json.backups import back_up, restore
from fluxstore_json.checkpoints import Checkpointer
from fluxstore_json.collection import JsonCollection
from fluxstore_json.completing import complete
from fluxstore_json.examining import findings
from fluxstore_json.foreign import adopt
from fluxstore_json.parts import parts_of
from fluxstore_json.schedule import Schedule
from fluxstore_json.settings import EntitySettings, Settings

CLOSING_SECONDS = 2.0
"""How long closing waits for others to let it fold: what waits is safe, whoever folds it."""


class JsonAdapter:
    """The user's own files, in their own shape, with a ledger beside them."""

    name: ClassVar[str] = "json"
    Settings: ClassVar[type] = Settings
    EntitySettings: ClassVar[type] = EntitySettings
    capabilities = frozenset(
        {
            Capability.DURABLE,
            Capability.TRANSACTIONS,
            Capability.ATOMIC_LEDGER,
            Capability.FENCING,
            Capability.PLACES,
            Capability.BACKUP,
        }
    )

    def __init__(self, opening: Opening) -> None:
        """Open the folder; ``ConfigError`` for settings that cannot be."""
        self._backend = Backend(opening)
        self._collections = {
            name: JsonCollection(entity, self._backend) for name, entity in opening.entities.items()
        }
        self.ledger = self._backend.ledger
        self.ledger.from_files = self._parts
        self._checkpointer = Checkpointer(self._backend)
        self._schedule = Schedule(self._backend.checkpoint_seconds, self._checkpoint)
        try:
            self._begin()
        except BaseException:
            self._backend.close()
            raise
        if self._backend.use is Use.SERVE:
            self._backend.committed = self._committed

    def _begin(self) -> None:
        """Put right what others left: a process that died, a program that edited files."""
        if not self._backend.is_read_only:
            self.ledger.refuse_import(self.ledger.controls().values())
            self._checkpointer.recover()
            adopt(self._backend, at_opening=True)

    def _parts(self, entity: str) -> Iterator[Part]:
        """Yield what a file has beside its records; the file stays open meanwhile."""
        place = self._backend.places[entity]
        return self._backend.stream(lambda moment: parts_of(moment, place))

    def _committed(self) -> None:
        """After a durable change: fold it now, or see to it that it will be."""
        if self._backend.checkpoint_seconds:
            self._schedule.due()
        else:
            self._checkpoint()

    def _checkpoint(self) -> bool:
        """Fold what waits; tell whether that is done. What waits is safe meanwhile."""
        try:
            self._checkpointer.run()
        except FluxstoreError as error:
            log.warning("changes stay in the ledger: %s", error)
            return False
        return True

    def collection(self, entity: Entity) -> JsonCollection:
        """Return the collection of *entity*."""
        return self._collections[entity.name]

    def transaction(self, governed: Sequence[Entity] = ()) -> AbstractContextManager[None]:
        """Make this thread's commits one transaction; an error in the context undoes it.

        ``StalePhaseError`` or ``SealedError`` where this backend takes no writes of *governed*.
        """
        return transaction(self._backend, governed)

    def prepare(self, entities: Sequence[Entity]) -> None:  # noqa: ARG002 - files come at the end
        """Make the folder; files are made by ``complete``."""
        self._backend.make_folder()

    def complete(self, entities: Sequence[Entity]) -> None:
        """Fold everything into the files of *entities*, in the order that was saved."""
        complete(self._backend, self._checkpointer, entities)

    def examine(self) -> Sequence[Finding]:
        """Return what ``doctor`` should say."""
        return list(findings(self._backend))

    def describe(self) -> str:
        """Return the folder."""
        return str(self._backend.folder.path)

    def backup(self, folder: Path) -> Path:
        """Copy all files, verified, to a new folder below *folder*; return it."""
        return back_up(self._backend, self._checkpointer, folder)

    def restore(self, backup: Path) -> None:
        """Replace all files by those of a backup."""
        restore(self._backend, self._checkpointer, backup)

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self._backend.is_closed

    def close(self) -> None:
        """Fold what waits into the files and let go; ``FluxstoreError`` where that failed.

        Where others hold it up, what waits stays in the ledger, and whoever comes next folds it.
        """
        if self._backend.is_closed:
            return
        self._schedule.stop()
        try:
            if self._backend.use is Use.SERVE:
                self.ledger.hurry(CLOSING_SECONDS)
                self._checkpointer.run(ahead=False, patience_seconds=CLOSING_SECONDS)
        except HeldError as error:
            log.warning("changes stay in the ledger: %s", error)
        finally:
            self._backend.close()
