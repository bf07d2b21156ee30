"""What ``doctor`` should know about a folder of JSON files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

from fluxstore.adapter import Finding
from fluxstore.errors import FluxstoreError
from fluxstore.ledger import pending
from fluxstore.ledger.sidecar import is_migrating
from fluxstore_json.backend import Backend
from fluxstore_json.moment import Moment
from fluxstore_json.opened import OpenFile

_STRAY = re.compile(r"(~|\.tmp|\.swp|\.bak|\.orig| \(\d+\)\.json|\.json\.\d+)\Z")
_SPACE_FACTOR = 2
_COMPARE = (
    'compare them; set foreign_edits = "import" to keep the file as it is now with the waiting'
    " changes on top, or put the earlier file back"
)
_PUT_BACK = (
    "put the earlier file back; or go back to phase off, where the file may be kept as it is now"
    ' (foreign_edits = "import" keeps the waiting changes on top), and begin again'
)


def findings(backend: Backend) -> Iterator[Finding]:
    """Yield what is worth knowing; what blocks is said so."""
    folder = backend.folder
    if kind := folder.network():
        yield Finding(
            str(folder.path), f"is on {kind}, where locks and renames cannot be relied on",
            "move it to a local disk",
        )  # fmt: skip
    if folder.path.is_dir():
        yield from _rights(backend)
        yield from _strays(backend)
        yield from _space(backend)
    for file in backend.places.files:
        yield from _of_file(backend, file)


def _rights(backend: Backend) -> Iterator[Finding]:
    path = backend.folder.path
    if not backend.is_read_only and not os.access(path, os.W_OK | os.X_OK):
        yield Finding(
            str(path),
            "this user may not write there, and files are replaced by new ones beside them",
            "give this user the right to write in the folder",
            blocks=True,
        )


def _strays(backend: Backend) -> Iterator[Finding]:
    known = set(backend.places.files)
    for path in sorted(backend.folder.path.iterdir()):
        if path.name not in known and _STRAY.search(path.name):
            yield Finding(
                backend.folder.shown(path.name),
                "looks like another program's copy or leftover; it is ignored",
                "remove it if nobody needs it",
            )


def _space(backend: Backend) -> Iterator[Finding]:
    if backend.is_read_only:
        return
    sizes = [path.stat().st_size for path in map(backend.folder.path.joinpath, backend.places.files)
             if path.is_file()]  # fmt: skip
    free = shutil.disk_usage(backend.folder.path).free
    if free < _SPACE_FACTOR * max(sizes, default=0):
        yield Finding(
            str(backend.folder.path),
            f"{free:,} bytes are free, and replacing the largest file takes twice its size",
            "free some space",
            blocks=True,
        )


def _of_file(backend: Backend, file: str) -> Iterator[Finding]:
    shown = backend.folder.shown(file)
    try:
        found = backend.look(lambda moment: list(_facts(backend, moment, file)))
    except FluxstoreError as error:
        yield Finding(shown, error.problem, error.next_step)
        return
    for problem, next_step, blocks in found:
        yield Finding(shown, problem, next_step, blocks=blocks)


def _facts(backend: Backend, moment: Moment, file: str) -> Iterator[tuple[str, str, bool]]:
    opened = moment.shelf(file).file
    if isinstance(opened, OpenFile) and opened.read(0, min(3, opened.size)) == b"\xef\xbb\xbf":
        yield "begins with a byte order mark, which is skipped", "", False
    checkpoint, is_writing = moment.checkpoints.get(file), not backend.is_read_only
    if file in moment.foreign or (checkpoint is not None and checkpoint.noticed):
        problem = f"was changed by another program while {_waiting(moment, file)} changes of ours"
        places = moment.places.of_file(file)
        is_followed = any(is_migrating(moment.control(place)) for place in places)
        next_step = _PUT_BACK if is_followed else _COMPARE
        yield f"{problem} wait in the ledger, so it is not written to", next_step, is_writing


def _waiting(moment: Moment, file: str) -> int:
    if moment.connection is None:
        return 0
    places = moment.places.of_file(file)
    return sum(pending.count(moment.connection, place.name)[0] for place in places)
