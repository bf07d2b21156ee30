"""A file that is open at one version of it."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from fluxstore_json.opened import OpenFile


def test_it_is_closed_as_soon_as_nobody_has_it(tmp_path: Path) -> None:
    file = tmp_path / "albums.json"
    file.write_bytes(b"[]")
    descriptor = os.open(file, os.O_RDONLY)
    gc.disable()  # a disk cannot be unmounted until then
    try:
        opened = OpenFile(descriptor, "albums.json")
        assert opened.is_unchanged()
        del opened
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    finally:
        gc.enable()
