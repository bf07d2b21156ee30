"""The reference adapter: what every verb of the contract means, as plainly as it can be said.

It keeps everything in memory, or with ``path`` in one file that processes share. Use it in tests
instead of a mock, and read it where the contract leaves a question open. A store that is small
enough to be read whole can be made a backend by another ``Memory`` alone.
"""

from fluxstore.testing.reference.adapter import (
    EntitySettings,
    ReferenceAdapter,
    Settings,
    file_of,
)
from fluxstore.testing.reference.memory import FileMemory, Memory, State

__all__ = [
    "EntitySettings",
    "FileMemory",
    "Memory",
    "ReferenceAdapter",
    "Settings",
    "State",
    "file_of",
]
