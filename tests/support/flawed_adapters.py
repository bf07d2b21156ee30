"""Adapters with one flaw each: the reference adapter, with one promise of the contract broken.

``FLAWS`` maps a flaw's name to the verbs that have it. A verb here is given the honest one first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from flawed_fences import LIVE_FLAWS

from fluxstore.adapter import Backlog, Merged, Opening
from fluxstore.errors import ConflictError, ConstraintError, RecordNotFoundError
from fluxstore.query import Found
from fluxstore.records import NO_RESIDUE, Delete, Put
from fluxstore.testing.backend import Backend
from fluxstore.testing.reference import ReferenceAdapter, Settings

Verb = Callable[..., Any]


class Flawed:
    """A collection (or ledger, or adapter) some of whose verbs are not what they should be."""

    def __init__(self, honest: Any, verbs: Mapping[str, Verb]) -> None:
        self.honest, self.verbs = honest, verbs

    @property
    def governed(self) -> Any:
        governed = self.verbs.get("governed", lambda honest, _: honest)
        return governed(self.honest.governed, self.honest)

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self.honest, name)
        verb = self.verbs.get(name)
        return honest if verb is None else lambda *given, **named: verb(honest, *given, **named)


def flawed_adapter(flaw: str) -> type[Any]:
    """Return an adapter class with one flaw."""
    verbs = FLAWS[flaw]

    class FlawedAdapter(ReferenceAdapter):
        def __init__(self, opening: Opening) -> None:
            super().__init__(opening)
            self._flawed = {n: Flawed(one, verbs) for n, one in self._collections.items()}
            self.ledger = Flawed(self.ledger, verbs)

        def collection(self, entity: Any) -> Any:
            return self._flawed[entity.name]

        def transaction(self, governed: Any = ()) -> Any:
            honest = super().transaction
            return verbs.get("transaction", lambda honest, asked: honest(asked))(honest, governed)

    return FlawedAdapter


def flawed_backend(flaw: str, folder: Path) -> Backend:
    """Return a backend with one flaw, kept in a file."""
    return Backend(flawed_adapter(flaw), Settings(path="store"), folder)


def forgets_what_was_expected(commit: Verb, changes: Any, *, expect: Any = None, op_id: Any = None):
    return commit(changes, op_id=op_id)


def does_an_operation_again(commit: Verb, changes: Any, *, expect: Any = None, op_id: Any = None):
    return commit(changes, expect=expect)


def leaves_half_of_a_refused_commit(commit: Verb, changes: Any, **named: Any):
    return {key: one for each in changes for key, one in commit([each], **named).items()}


def lets_another_error_out(commit: Verb, changes: Any, **named: Any):
    try:
        return commit(changes, **named)
    except ConstraintError as error:
        raise KeyError(error.key) from None


def takes_a_missing_delete(commit: Verb, changes: Any, **named: Any):
    try:
        return commit(changes, **named)
    except RecordNotFoundError:
        return {}


def ignores_conflicts(commit: Verb, changes: Any, **named: Any):
    try:
        return commit(changes, **named)
    except ConflictError:
        return commit(changes)


def drops_residue(commit: Verb, changes: Any, **named: Any):
    bare = [attrs.evolve(c, residue=NO_RESIDUE) if isinstance(c, Put) else c for c in changes]
    return commit(bare, **named)


def drops_what_is_inside(commit: Verb, changes: Any, **named: Any):
    """Write values as they are given, with the record's residue."""
    found = commit.__self__.read([change.key for change in changes])  # type: ignore[attr-defined]
    given = [
        attrs.evolve(c, residue=found[c.key].residue)
        if isinstance(c, Put) and c.residue is None and c.key in found
        else c
        for c in changes
    ]
    return commit(given, **named)


def composes_text(commit: Verb, changes: Any, **named: Any):
    def composed(change: Any) -> Any:
        if isinstance(change, Delete):
            return change
        return attrs.evolve(change, values={n: _composed(v) for n, v in change.values.items()})

    return commit([composed(change) for change in changes], **named)


def _composed(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def turns_missing_into_null(read: Verb, keys: Any):
    def full(record: Any) -> Any:
        names = record.values.keys() | {"text", "released", "name"}
        return attrs.evolve(record, values={name: record.values.get(name) for name in names})

    return {key: full(record) for key, record in read(keys).items()}


def drops_the_scale(read: Verb, keys: Any):
    def normal(record: Any) -> Any:
        values = {
            n: v.normalize() if hasattr(v, "normalize") else v for n, v in record.values.items()
        }
        return attrs.evolve(record, values=values)

    return {key: normal(record) for key, record in read(keys).items()}


def puts_nulls_first(find: Verb, query: Any):
    found = find(query)
    name = query.order[0].field if query.order else "id"
    return Found(
        tuple(sorted(found.records, key=lambda r: r.values.get(name) is not None)), found.cursor
    )


def folds_case(find: Verb, query: Any):
    found = find(query)
    if not query.order or query.order[0].field != "title":
        return found
    titles = sorted(found.records, key=lambda r: (r.values.get("title") or "~").casefold())
    return Found(tuple(titles), found.cursor)


def forgets_to_page(find: Verb, query: Any):
    return Found(find(attrs.evolve(query, after=None)).records, None)


def takes_any_cursor(find: Verb, query: Any):
    return find(query if query.limit else attrs.evolve(query, after=None))


def skips_a_record(scan: Verb, cursor: Any, limit: Any):
    page = scan(cursor, limit)
    return attrs.evolve(page, records=page.records[1:]) if cursor else page


def writes_what_is_equal(merge: Verb, batch: Any):
    merged = merge(batch)
    return Merged(merged.written + merged.unchanged, 0, merged.deleted, merged.refused)


def fails_a_whole_batch(merge: Verb, batch: Any):
    merged = merge(batch)
    if merged.refused:
        raise ConstraintError("a batch cannot be merged", rule="unique")
    return merged


def forgets_the_cursor(merge: Verb, batch: Any):
    return merge(attrs.evolve(batch, cursor=None))


def foresees_nothing(foresee: Verb, records: Any):
    return ()


def applies_what_is_equal(apply: Verb, changes: Any, **named: Any):
    return [True for _ in apply(changes, **named)]


def brings_the_deleted_back(apply: Verb, changes: Any, **named: Any):
    newer = [
        attrs.evolve(c, version=attrs.evolve(c.version, seq=c.version.seq + 5)) for c in changes
    ]
    return apply(newer if changes[0].record is not None else changes, **named)


def sets_control_always(set_control: Verb, entity: Any, expected: Any, control: Any, **named: Any):
    return set_control(entity, set_control.__self__.control(entity), control, **named)


def clears_any_mark(clear: Verb, marks: Any):
    current = {mark.key: mark for mark in clear.__self__.marks("albums", 99)}
    return clear([current.get(mark.key, mark) for mark in marks])


@contextmanager
def lends_to_everybody(lease: Verb, name: Any):
    yield


@contextmanager
def never_undoes(transaction: Verb, governed: Any):
    yield


def counts_no_backlog(backlog: Verb, entity: Any):
    return Backlog(0)


def forgets_facts(set_fact: Verb, name: Any, value: Any):
    return None


FLAWS: Mapping[str, Mapping[str, Verb]] = {
    "none": {},
    "forgets what was expected": {"commit": forgets_what_was_expected},
    "does an operation again": {"commit": does_an_operation_again},
    "leaves half of a refused commit": {"commit": leaves_half_of_a_refused_commit},
    "lets another error out": {"commit": lets_another_error_out},
    "takes a missing delete": {"commit": takes_a_missing_delete},
    "ignores conflicts": {"commit": ignores_conflicts},
    "drops residue": {"commit": drops_residue},
    "drops what is inside": {"commit": drops_what_is_inside},
    "composes text": {"commit": composes_text},
    "turns missing into null": {"read": turns_missing_into_null},
    "drops the scale": {"read": drops_the_scale},
    "puts nulls first": {"find": puts_nulls_first},
    "folds case": {"find": folds_case},
    "forgets to page": {"find": forgets_to_page},
    "takes any cursor": {"find": takes_any_cursor},
    "skips a record": {"scan": skips_a_record},
    "writes what is equal": {"merge": writes_what_is_equal},
    "fails a whole batch": {"merge": fails_a_whole_batch},
    "forgets the cursor": {"merge": forgets_the_cursor},
    "foresees nothing": {"foresee": foresees_nothing},
    "applies what is equal": {"apply_if_newer": applies_what_is_equal},
    "brings the deleted back": {"apply_if_newer": brings_the_deleted_back},
    "sets control always": {"set_control": sets_control_always},
    "clears any mark": {"clear": clears_any_mark},
    "lends to everybody": {"lease": lends_to_everybody},
    "never undoes": {"transaction": never_undoes},
    "counts no backlog": {"backlog": counts_no_backlog},
    "forgets facts": {"set_fact": forgets_facts},
    **LIVE_FLAWS,
}
