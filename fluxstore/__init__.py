"""Move a running Python application's storage from any backend to any other.

``fluxstore.open("fluxstore.toml")`` gives a store; ``store[Task]`` has the verbs; the command
``fluxstore`` moves the data. See the tutorial in the documentation.
"""

from fluxstore.aio import AsyncRecords, AsyncStore, aopen
from fluxstore.config import Config
from fluxstore.entity import Entities, Entity, entity, entity_of, field
from fluxstore.errors import FluxstoreError, OutcomeUnknown
from fluxstore.hookspecs import hookimpl
from fluxstore.plugins import Plugins
from fluxstore.query import contains, eq, ge, gt, is_null, le, lt, ne, one_of, starts_with
from fluxstore.records import Problem
from fluxstore.stale import stale_answers
from fluxstore.store import Store, open  # noqa: A004 - fluxstore.open is the name of the API
from fluxstore.verbs import Answer, Records, Results, evolve

__all__ = [
    "Answer",
    "AsyncRecords",
    "AsyncStore",
    "Config",
    "Entities",
    "Entity",
    "FluxstoreError",
    "OutcomeUnknown",
    "Plugins",
    "Problem",
    "Records",
    "Results",
    "Store",
    "aopen",
    "contains",
    "entity",
    "entity_of",
    "eq",
    "evolve",
    "field",
    "ge",
    "gt",
    "hookimpl",
    "is_null",
    "le",
    "lt",
    "ne",
    "one_of",
    "open",
    "stale_answers",
    "starts_with",
]
