"""Writes files that belong together: all of them or none, and never over somebody's work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fluxstore.errors import UsageError


def write_together(texts: Mapping[Path, str], *, force: bool = False) -> list[str]:
    """Write each text to its path; return a line for each file, also for one that was so already.

    ``UsageError`` where a file is there and says something else, unless *force*; it is then kept
    under another name.
    """
    same = {path for path, text in texts.items() if _text(path) == text}
    in_the_way = [path for path in texts if path not in same and os.path.lexists(path)]
    if in_the_way and not force:
        names = " and ".join(str(path) for path in in_the_way)
        raise UsageError(f"{names}: already there", next_step="say --force to replace it")
    lines = [f"{path}: unchanged" for path in texts if path in same]
    for path, text in texts.items():
        if path not in same:
            lines.append(_replace(path, text))
    return lines


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _replace(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = _kept(path) if os.path.lexists(path) else None
    write_whole(path, text)
    return f"{path}: written" + (f"; the old one is {kept}" if kept else "")


def _kept(path: Path) -> Path:
    kept = free_name(path)
    os.link(path, kept, follow_symlinks=False)
    return kept


def free_name(path: Path) -> Path:
    """Return a name beside *path* that is free: ``name.old1``, ``name.old2`` and so on."""
    number = 1
    while os.path.lexists(free := path.with_name(f"{path.name}.old{number}")):
        number += 1
    return free


def write_whole(path: Path, text: str) -> None:
    """Write *text* to *path* so that a reader sees the old file or the new one, never a part."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found
