"""The log file passes the suite that every backend passes, and survives a line cut off."""

from __future__ import annotations

import pytest
from fluxstore_logfile.adapter import LogAdapter, Settings

from fluxstore.errors import UnreadableRecordError
from fluxstore.testing.conformance import *  # noqa: F403 - a kit is taken whole
from fluxstore.testing.conformance import Backend
from fluxstore.testing.conformance.support import everything_in, save
from fluxstore.testing.entities import Album


@pytest.fixture
def backend(tmp_path):
    return Backend(LogAdapter, Settings(path="records.log"), tmp_path)


def test_a_line_cut_off_is_as_if_it_had_never_been(backend, tmp_path):
    log = tmp_path / "records.log"
    with backend.opened() as adapter:
        save(adapter, Album(id="a"), Album(id="b"))
    log.write_bytes(log.read_bytes()[:-10])

    with backend.opened() as adapter:
        assert {"a"} == set(everything_in(adapter, Album))
        save(adapter, Album(id="c"))
    with backend.opened() as adapter:
        assert {"a", "c"} == set(everything_in(adapter, Album))


def test_a_line_that_is_spoilt_is_named(backend, tmp_path):
    (tmp_path / "records.log").write_bytes(b'{"records": 5}\n')

    with backend.opened() as adapter, pytest.raises(UnreadableRecordError, match="at byte 0"):
        everything_in(adapter, Album)
