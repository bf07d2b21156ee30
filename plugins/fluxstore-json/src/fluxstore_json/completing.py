"""The end of a migration into JSON files: everything folded, in the order that was saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fluxstore.entity import Entity
from fluxstore_json.backend import Backend
from fluxstore_json.checkpoints import Checkpointer
from fluxstore_json.folding import Piece
from fluxstore_json.framing import framed
from fluxstore_json.moment import Moment
from fluxstore_json.parts import Wishes


def complete(backend: Backend, checkpointer: Checkpointer, entities: Iterable[Entity]) -> None:
    """Fold everything that waits into the files of *entities*, each in one step.

    Order, wrapper and layout are those of the parts saved in the ledger; a file that is so already
    is not touched.
    """
    ledger = backend.ledger
    if not ledger.exists():
        return

    def pieces(moment: Moment, file: str) -> Iterator[Piece] | None:
        wishes = Wishes()
        places = backend.places.of_file(file)
        wishes.load(moment, file, ((each, ledger.saved_parts(each.name)) for each in places))
        if wishes.are_met(moment, file):
            return None
        return framed(
            moment,
            file,
            wishes.beside,
            planned=wishes.planned,
            style=wishes.style,
            frame=wishes.frame,
        )

    with checkpointer.alone():
        checkpointer.settle_all()
        for file in dict.fromkeys(backend.places[entity.name].file for entity in entities):
            checkpointer.write(file, pieces)
    ledger.shrink()
