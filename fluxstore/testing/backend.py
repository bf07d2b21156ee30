"""A backend to be tested: how to open it, as often and from as many processes as a test likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from fluxstore.adapter import Adapter, Opening, Use
from fluxstore.entity import Entities
from fluxstore.testing.entities import ENTITIES


@attrs.frozen
class Backend:
    """An adapter's class with settings that lead to an empty store of the test's own.

    Everything here is pickled for tests with several processes. ``entity_settings`` are for the
    kit's entities (``fluxstore.testing.entities``), where the adapter must be told something.
    ``foreign(backend, statement)`` runs one statement as a client that knows nothing of fluxstore;
    an adapter that declares ``CAPTURE`` is tested with it.
    """

    adapter: type[Adapter]
    settings: Any
    folder: Path
    entity_settings: Mapping[str, Any] = attrs.field(factory=dict)
    name: str = "tested"
    foreign: Callable[[Backend, str], None] | None = None

    def open(self, entities: Entities = ENTITIES, *, use: Use = Use.SERVE) -> Adapter:
        """Return an adapter opened on the store; the caller closes it."""
        own = {name: one for name, one in self.entity_settings.items() if name in entities}
        opening = Opening(
            backend=self.name,
            settings=self.settings,
            entities=entities,
            entity_settings=own,
            folder=self.folder,
            use=use,
        )
        return self.adapter(opening)

    @contextmanager
    def opened(self, entities: Entities = ENTITIES, *, use: Use = Use.SERVE) -> Iterator[Adapter]:
        """Open the store while the context lasts."""
        adapter = self.open(entities, use=use)
        try:
            yield adapter
        finally:
            adapter.close()
