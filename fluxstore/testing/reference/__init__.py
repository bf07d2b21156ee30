"""The reference adapter: what every verb of the contract means, as plainly as it can be said.

It keeps everything in memory, or with ``path`` in one file that processes share. Use it in tests
instead of a mock, and read it where the contract leaves a question open.
"""

from fluxstore.testing.reference.adapter import EntitySettings, ReferenceAdapter, Settings

__all__ = ["EntitySettings", "ReferenceAdapter", "Settings"]
