"""Two reference backends, as a store would hand them to the policy."""

from __future__ import annotations

import pytest

from fluxstore import Entities, entity, entity_of
from fluxstore.adapter import Control, Opening, Use
from fluxstore.backends import OpenBackends
from fluxstore.testing.reference import ReferenceAdapter


@entity("notes")
class Note:
    id: str
    text: str = ""


@pytest.fixture
def open_backends(tmp_path):
    def opener(name):
        return ReferenceAdapter(
            Opening(
                backend=name,
                settings=ReferenceAdapter.Settings(),
                entities=Entities([entity_of(Note)]),
                entity_settings={},
                folder=tmp_path,
                use=Use.SERVE,
            )
        )

    made = OpenBackends(opener)
    yield made
    made.close()


@pytest.fixture
def backends(open_backends):
    return open_backends.of(entity_of(Note))


@pytest.fixture
def set_phase(open_backends):
    def change(phase):
        ledger = open_backends.adapter("one").ledger
        assert ledger.set_control("*", None, Control(1, "authority", phase, "m"))

    return change
