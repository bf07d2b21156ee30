"""JSON files with a sidecar: commit, checkpoint, power cut, and other programs' edits.

One record, whose value is the number of the write that made it, which is also its version. A commit
is one sidecar transaction, durable before anybody sees it. A checkpoint folds pending changes into
the user's file: temporary file, intent, exchange of the two names, a look at what was displaced,
fsync of the folder, and a transaction that names the new file. Files are told apart by identity
(inode, size, digest), here by number. A reader takes version and pending value from one sidecar
transaction, else the file which that transaction names. A power cut undoes what was not synced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import attrs

from protocol_model.explorer import Event

FIRST, FOREIGN = 0, 100
"""Files: the one there was, and the one that another program puts in its place."""
TORN = -1
"""The value of a file of which a power cut left only a part; its identity is no file's."""
FOLDED, INTENDED, EXCHANGED, LOOKED, SYNCED = range(5)


class Sidecar(NamedTuple):
    """The ledger; ``intent`` is a file and the version that it was folded at."""

    version: int
    pending: int | None
    checkpoint: int
    intent: tuple[int, int] | None
    reported: bool


class Folder(NamedTuple):
    """The user's file and the temporary one beside it."""

    place: int
    temporary: int | None


class Checkpointer(NamedTuple):
    """A checkpoint under way: how far it is, its file, the version it was folded at."""

    stage: int
    file: int
    folded: int


class Look(NamedTuple):
    """A read under way: what one sidecar transaction, or a file, has said so far."""

    version: int | None
    value: int | None
    checkpoint: int
    oldest: int


class Disk(NamedTuple):
    """Sidecar and folder as they are and as a power cut would leave them, and who is at work."""

    sidecar: Sidecar
    durable: Sidecar
    folder: Folder
    synced: Folder
    contents: tuple[tuple[int, bool], ...]
    checkpointer: Checkpointer | None
    look: Look | None
    acknowledged: int
    copied: int
    edited: bool
    cuts: int
    broken: str | None


Step = tuple[Event, Disk]
Steps = Iterator[Step]


@attrs.frozen
class Sidecars:
    """So many writes, checkpoints, power cuts and edits of others, with reads in between."""

    writes: int = 2
    checkpoints: int = 2
    cuts: int = 1
    edits: bool = False
    durable_before_visible: bool = True
    """Others see a commit once it is durable (``synchronous=FULL`` in WAL mode)."""
    durable_before_acknowledged: bool = True
    """So does the caller."""
    syncs_temporary: bool = True
    """The temporary file is synced before its name is exchanged."""
    intends: bool = True
    """The identity of the temporary file is committed before the exchange."""
    looks_at_displaced: bool = True
    """What the exchange displaced is looked at, and put back where it is somebody else's."""
    syncs_folder: bool = True
    """The folder is synced before the transaction that names the new file."""
    keeps_newer_pending: bool = True
    """That transaction removes only what was folded; the intent says up to which version."""
    one_transaction: bool = True
    """A reader takes version, pending value and file's identity from one transaction."""
    checks_identity: bool = True
    """A reader compares the file it opened with the identity it was told."""

    def initial(self) -> Disk:
        """Return a file that holds the untouched record, and a sidecar that names it."""
        sidecar = Sidecar(0, None, FIRST, None, reported=False)
        folder = Folder(FIRST, None)
        contents = ((0, True),)
        return Disk(
            sidecar, sidecar, folder, folder, contents, None, None, 0, 0, False, self.cuts, None
        )

    def steps(self, disk: Disk) -> Steps:
        """Yield every step of writers, checkpointer, reader, other programs and the power."""
        yield from self._write(disk)
        yield from self._checkpoint(disk)
        yield from self._read(disk)
        if self.edits and not disk.edited:
            folder = disk.folder._replace(place=FOREIGN)
            edited = disk._replace(folder=folder, synced=folder, edited=True)
            yield Event("other program", "replaces the file"), edited
        if disk.cuts:
            yield from self._power_cut(disk)

    def violation(self, disk: Disk) -> str | None:
        """Return the promise that *disk* breaks, or None."""
        foreign_is_kept = FOREIGN in disk.folder or disk.sidecar.reported
        if disk.broken:
            return disk.broken
        if disk.edited:
            return None if foreign_is_kept else "I8"
        if disk.sidecar.reported:
            return "I8"
        if disk.sidecar.version < disk.copied:
            return "I6"
        lost = disk.sidecar.version < disk.acknowledged
        return "I1" if lost or _value(disk) != disk.sidecar.version else None

    def is_end(self, disk: Disk) -> bool:
        """Return whether all is written, and folded where it can be."""
        done = disk.sidecar.version == self.writes == disk.acknowledged
        at_rest = disk.checkpointer is None and disk.look is None and disk.sidecar.intent is None
        tired = len(disk.contents) > self.checkpoints or disk.sidecar.reported
        return done and at_rest and (disk.sidecar.pending is None or tired)

    def _write(self, disk: Disk) -> Steps:
        sidecar = disk.sidecar
        if sidecar.version < self.writes:
            number = sidecar.version + 1
            after = sidecar._replace(version=number, pending=number)
            durable = after if self._is_durable_at_once else disk.durable
            told = number if self._tells_at_once else disk.acknowledged
            written = disk._replace(sidecar=after, durable=durable, acknowledged=told)
            yield Event("writer", "commits", detail=number), written
        if disk.durable != sidecar:
            told = max(disk.acknowledged, sidecar.version)
            flushed = disk._replace(durable=sidecar, acknowledged=told)
            yield Event("sidecar", "becomes durable"), flushed

    @property
    def _is_durable_at_once(self) -> bool:
        return self.durable_before_visible and self.durable_before_acknowledged

    @property
    def _tells_at_once(self) -> bool:
        return self._is_durable_at_once or not self.durable_before_acknowledged

    def _checkpoint(self, disk: Disk) -> Steps:
        checkpointer = disk.checkpointer
        if checkpointer is not None:
            dead = disk._replace(checkpointer=None)
            yield Event("checkpointer", "dies"), dead
            yield STAGES[checkpointer.stage](self, disk, checkpointer)
        elif disk.sidecar.reported:
            return
        elif not _is_ours(disk):
            yield Event("anybody", "reports a foreign edit"), _reported(disk)
        elif disk.sidecar.intent is not None:
            yield self._recover(disk, *disk.sidecar.intent)
        elif len(disk.contents) <= self.checkpoints:
            yield self._fold(disk)

    def _fold(self, disk: Disk) -> Step:
        file, version = len(disk.contents), disk.sidecar.version
        contents = (*disk.contents, (version, self.syncs_temporary))
        after = disk._replace(
            contents=contents,
            folder=disk.folder._replace(temporary=file),
            checkpointer=Checkpointer(FOLDED, file, version),
        )
        return Event("checkpointer", "folds", detail=version), after

    def _intend(self, disk: Disk, checkpointer: Checkpointer) -> Step:
        intent = (checkpointer.file, checkpointer.folded) if self.intends else None
        after = _committed(disk, disk.sidecar._replace(intent=intent))
        return Event("checkpointer", "intends"), _at(after, checkpointer, INTENDED)

    def _exchange(self, disk: Disk, checkpointer: Checkpointer) -> Step:
        folder = Folder(checkpointer.file, disk.folder.place)
        return Event("checkpointer", "exchanges"), _at(
            disk._replace(folder=folder), checkpointer, EXCHANGED
        )

    def _look_at_displaced(self, disk: Disk, checkpointer: Checkpointer) -> Step:
        displaced = disk.folder.temporary
        if displaced == FOREIGN and self.looks_at_displaced:
            put_back = disk._replace(folder=Folder(FOREIGN, None), checkpointer=None)
            return Event("checkpointer", "puts back"), _reported(put_back)
        return Event("checkpointer", "looks"), _at(disk, checkpointer, LOOKED)

    def _sync(self, disk: Disk, checkpointer: Checkpointer) -> Step:
        synced = disk.folder if self.syncs_folder else disk.synced
        return Event("checkpointer", "syncs"), _at(
            disk._replace(synced=synced), checkpointer, SYNCED
        )

    def _name(self, disk: Disk, checkpointer: Checkpointer) -> Step:
        """Name the new file, remove what was folded, forget the intent; drop the old file."""
        sidecar = disk.sidecar
        newer = sidecar.pending is not None and sidecar.pending > checkpointer.folded
        kept = sidecar.pending if newer and self.keeps_newer_pending else None
        named = sidecar._replace(checkpoint=checkpointer.file, pending=kept, intent=None)
        folder = disk.folder._replace(temporary=None)
        after = _committed(disk._replace(folder=folder, checkpointer=None), named)
        return Event("checkpointer", "names its file"), after

    def _recover(self, disk: Disk, file: int, folded: int) -> Step:
        """Finish or forget a checkpoint whose process died."""
        if disk.folder.place == file:
            found = Checkpointer(EXCHANGED, file, folded)
            return Event("checkpointer", "goes on"), disk._replace(checkpointer=found)
        forgotten = _committed(disk, disk.sidecar._replace(intent=None))
        return Event("checkpointer", "forgets"), forgotten._replace(
            folder=disk.folder._replace(temporary=None)
        )

    def _read(self, disk: Disk) -> Steps:
        look, sidecar = disk.look, disk.sidecar
        if look is None:
            version = sidecar.version if self.one_transaction else None
            begun = Look(version, sidecar.pending, sidecar.checkpoint, disk.acknowledged)
            yield Event("reader", "looks"), disk._replace(look=begun)
        elif look.value is None:
            yield self._open(disk, look)
        elif look.version is None:
            told = look._replace(version=sidecar.version)
            yield Event("reader", "reads the version"), disk._replace(look=told)
        else:
            yield self._answer(disk, look)

    def _open(self, disk: Disk, look: Look) -> Step:
        """Open the user's file; another than the one that was named means to begin again."""
        value = _contents(disk, disk.folder.place)
        named = disk.folder.place == look.checkpoint and value != TORN
        if named or not self.checks_identity:
            return Event("reader", "opens the file"), disk._replace(look=look._replace(value=value))
        return Event("reader", "begins again"), disk._replace(look=None)

    def _answer(self, disk: Disk, look: Look) -> Step:
        """Answer, or copy what was read: an old value must not travel under a new version."""
        version, value = look.version or 0, look.value or 0
        stale = "I4" if value < look.oldest else None
        broken = "I3" if value != version else stale
        copied = max(disk.copied, version)
        after = disk._replace(look=None, copied=copied, broken=broken)
        return Event("reader", "answers", detail=(value, version)), after

    def _power_cut(self, disk: Disk) -> Steps:
        """Everybody dies; a name that was not synced is there or not, a file whole or torn."""
        contents = tuple((value if synced else TORN, True) for value, synced in disk.contents)
        dark = disk._replace(
            sidecar=disk.durable,
            contents=contents,
            checkpointer=None,
            look=None,
            cuts=disk.cuts - 1,
        )
        for folder in sorted({disk.folder, disk.synced}, key=repr):
            yield (
                Event("power", "fails", detail=folder),
                dark._replace(folder=folder, synced=folder),
            )


STAGES = {
    FOLDED: Sidecars._intend,
    INTENDED: Sidecars._exchange,
    EXCHANGED: Sidecars._look_at_displaced,
    LOOKED: Sidecars._sync,
    SYNCED: Sidecars._name,
}


def _contents(disk: Disk, file: int) -> int:
    return FOREIGN if file == FOREIGN else disk.contents[file][0]


def _is_ours(disk: Disk) -> bool:
    """Return whether the user's file is the one named, or the one intended."""
    intended = disk.sidecar.intent and disk.sidecar.intent[0]
    whole = _contents(disk, disk.folder.place) != TORN
    return whole and disk.folder.place in (disk.sidecar.checkpoint, intended)


def _value(disk: Disk) -> int | None:
    """Return the record's value as anybody would find it who came now."""
    if disk.sidecar.pending is not None:
        return disk.sidecar.pending
    return _contents(disk, disk.folder.place) if _is_ours(disk) else None


def _committed(disk: Disk, sidecar: Sidecar) -> Disk:
    """Return *disk* after a transaction of the ledger's own, which is durable at once."""
    return disk._replace(sidecar=sidecar, durable=sidecar)


def _reported(disk: Disk) -> Disk:
    return _committed(disk, disk.sidecar._replace(reported=True, intent=None))


def _at(disk: Disk, checkpointer: Checkpointer, stage: int) -> Disk:
    return disk._replace(checkpointer=checkpointer._replace(stage=stage))
