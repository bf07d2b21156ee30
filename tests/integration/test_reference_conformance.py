"""The reference adapter passes the conformance kit, in memory and in a file."""

from __future__ import annotations

import pytest

from fluxstore.testing.conformance import *  # noqa: F403 - as every plugin's test does
from fluxstore.testing.conformance import Backend
from fluxstore.testing.reference import ReferenceAdapter, Settings


@pytest.fixture(params=[None, "store"], ids=["memory", "file"])
def backend(request, tmp_path):
    return Backend(ReferenceAdapter, Settings(path=request.param), tmp_path)
