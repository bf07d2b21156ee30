"""C4: what was written since both sides were found equal, compared; nearly all before the seal.

Keys are told by the authority's ledger in the order in which they were written last, so a pass
needs no memory of the one before. While writers are at work a record that differs may be on its
way: it is kept, and looked at again under the seal, with what was written since the last pass.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

import attrs

from fluxstore.adapter import Adapter
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import GateError
from fluxstore.migration.current import readable
from fluxstore.records import Key

FEW_KEYS = 1000
"""So many are compared well within the time that writes may wait."""
BLOCK_KEYS = 500
_PASSES = 20
Check = Callable[[], None]
"""Raises where it is time to stop."""


@attrs.define
class Checking:
    """How far the keys of one entity have been compared, and which of them differed."""

    entity: Entity
    here: Adapter
    there: Adapter
    place: int
    """Up to which place (``Ledger.touched``) both sides were found equal."""
    accepted: Container[str] = ()
    """Key texts of records that may stay behind."""
    compared: int = 0
    _doubtful: dict[Key, None] = attrs.field(factory=dict)

    def before(self, check: Check) -> None:
        """Compare while others write, until little is left; ``GateError`` where much differs."""
        for _ in range(_PASSES):
            begun, last = self.compared, self.here.ledger.last_touch(self.entity.name)
            self._pass(check, last=last)
            if self.compared - begun < FEW_KEYS:
                return

    def under_seal(self, check: Check) -> int:
        """Compare the rest, once nobody writes and nothing is on its way; return how many."""
        begun = self.compared
        self._look_again(check)
        self._pass(check)
        self._refuse()
        return self.compared - begun

    def _pass(self, check: Check, *, last: int | None = None) -> None:
        """Compare what was written after ``place``, up to *last*, block by block."""
        for keys in self._blocks(last):
            check()
            self._doubtful |= dict.fromkeys(self._compare(keys))
            if len(self._doubtful) > FEW_KEYS:
                self._look_again(check)
                self._refuse(more_than=FEW_KEYS)

    def _blocks(self, last: int | None) -> Iterator[Sequence[Key]]:
        text_of = Codec.of(self.entity).key_text
        while last is None or self.place < last:
            found = self.here.ledger.touched(self.entity.name, self.place, BLOCK_KEYS)
            some = [one for one in found if last is None or one.number <= last]
            if not some:
                return
            yield [one.key for one in some if text_of(one.key) not in self.accepted]
            self.place = some[-1].number

    def _look_again(self, check: Check) -> None:
        """Look again at what differed: what was on its way has arrived."""
        keys = list(self._doubtful)
        self._doubtful.clear()
        for at in range(0, len(keys), BLOCK_KEYS):
            check()
            block = keys[at : at + BLOCK_KEYS]
            self._doubtful |= dict.fromkeys(self._compare(block))

    def _compare(self, keys: Sequence[Key]) -> list[Key]:
        self.compared += len(keys)
        return differing(self.entity, keys, self.here, self.there)

    def _refuse(self, *, more_than: int = 0) -> None:
        found, text_of = list(self._doubtful), Codec.of(self.entity).key_text
        if len(found) > more_than:
            raise GateError(
                f"{self.entity.name}: {len(found):,} records written since the validation differ, "
                f"{text_of(found[0])} for one",
                gate="check",
                missing=tuple(text_of(key) for key in found[:10]),
                next_step="run `fluxstore validate`; the phase is as it was",
            )


def differing(entity: Entity, keys: Sequence[Key], here: Adapter, there: Adapter) -> list[Key]:
    """Return which of *keys* are not the same record at both sides, or absent at both."""
    encode = Codec.of(entity).record_bytes
    theirs, _ = readable(there, entity, keys)
    ours, _ = readable(here, entity, keys)
    return [
        key
        for key in keys
        if (key in ours) is not (key in theirs)
        or (key in ours and encode(ours[key]) != encode(theirs[key]))
    ]


def places(checks: Mapping[str, Checking]) -> dict[str, int]:
    """Return up to which place the side that takes over has keys: both sides are equal now."""
    return {name: one.there.ledger.last_touch(name) for name, one in checks.items()}
