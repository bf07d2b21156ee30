"""Flaws of what a live migration stands on: the fence, versions, live batches, what travels.

A verb is given the honest one first; ``flawed_adapters`` makes adapters of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from fluxstore.records import UNTOUCHED
from fluxstore.testing.reference.fence import let_write
from fluxstore.testing.reference.memory import Memory
from fluxstore.testing.reference.rules import Deletion

Verb = Callable[..., Any]
MOST_SECONDS = 0.3
"""For how long a flawed verb waits between two steps that should have been one."""


def wait_until_it_differs(look: Callable[[], Any], seen: Any) -> Any:
    """Return what *look* sees at the worst moment: as soon as it is not what was seen before."""
    deadline = time.monotonic() + MOST_SECONDS
    while (found := look()) == seen and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


def memory_of(verb: Any) -> Memory:
    found: Memory = verb.__self__._memory
    return found


@contextmanager
def controls(memory: Memory, pretended: Mapping[str, Any]) -> Iterator[None]:
    """Let control be something else while the context lasts, in a transaction."""
    with memory.transaction():
        real = dict(memory.current().controls)
        memory.current().controls = dict(pretended)
        yield
        memory.current().controls = real


def answers_whatever_control_says(governed: Any, collection: Any):
    return collection


def looks_at_control_before_it_reads(governed: Any, collection: Any):
    class Reads:
        def __getattr__(self, name: str) -> Any:
            def read(*given: Any) -> Any:
                seen = getattr(governed, name)(*given)
                return wait_until_it_differs(lambda: getattr(collection, name)(*given), seen)

            return read

    return Reads()


def looks_at_control_before_it_writes(commit: Verb, changes: Any, **named: Any):
    memory = memory_of(commit)
    seen = dict(memory.current().controls)
    let_write(memory.current(), commit.__self__.entity)
    wait_until_it_differs(lambda: memory.load().controls, seen)
    with controls(memory, seen):
        return commit(changes, **named)


def keeps_its_versions_to_itself(commit: Verb, changes: Any, **named: Any):
    made = commit(changes, **named)
    return {key: attrs.evolve(one, version=UNTOUCHED) for key, one in made.items()}


def forgets_what_a_cascade_did(commit: Verb, changes: Any, **named: Any):
    memory = memory_of(commit)
    with memory.transaction():
        made = commit(changes, **named)
        marks = memory.current().marks
        memory.current().marks = {
            n: m for n, m in marks.items() if n == commit.__self__.entity.name
        }
    return made


def lets_transactions_in_unasked(transaction: Verb, governed: Any):
    return transaction(())


def seals_over_open_transactions(
    set_control: Verb, entity: Any, expected: Any, control: Any, **_: Any
):
    memory = memory_of(set_control)
    state = memory.load().copy()
    if state.controls.get(entity) != expected:
        return False
    state.controls[entity] = control
    memory.save(state)
    return True


def compares_control_before_it_sets_it(
    set_control: Verb, entity: Any, expected: Any, control: Any, **named: Any
):
    ledger = set_control.__self__
    if ledger.controls().get(entity) != expected:
        return False
    found = wait_until_it_differs(lambda: ledger.controls().get(entity), expected)
    return set_control(entity, found, control, **named)


def compares_epochs_only(set_control: Verb, entity: Any, expected: Any, control: Any, **named: Any):
    found = set_control.__self__.controls().get(entity)
    same = found and expected and found.epoch == expected.epoch
    return set_control(entity, found if same else expected, control, **named)


def purges_nothing(set_control: Verb, *given: Any, purge: bool = False, **named: Any):
    return set_control(*given, **named)


def purges_everything(set_control: Verb, *given: Any, purge: bool = False, **named: Any):
    memory = memory_of(set_control)
    with memory.transaction():
        done = set_control(*given, **named)
        if done and purge:
            memory.current().versions, memory.current().marks = {}, {}
    return done


def keeps_marks_in_phase_off(
    set_control: Verb, entity: Any, expected: Any, control: Any, **named: Any
):
    is_off = control is not None and control.phase == "off"
    other = attrs.evolve(control, phase="dual_write") if is_off else control
    return set_control(entity, expected, other, **named)


def applies_in_any_epoch(apply: Verb, changes: Any, *, epoch: Any = None):
    return apply(changes)


def applies_in_any_role(apply: Verb, changes: Any, *, epoch: Any = None):
    with controls(memory_of(apply.__self__._merging.apply_if_newer), {}):
        return apply(changes)


def applies_one_by_one(apply: Verb, changes: Any, **named: Any):
    return [done for each in changes for done in apply([each], **named)]


def judges_before_the_end(apply: Verb, changes: Any, **named: Any):
    memory = memory_of(apply)
    memory.at_end = lambda judge: judge(memory.current())  # type: ignore[method-assign]
    return apply(changes, **named)


def cascades_on_a_follower(apply: Verb, changes: Any, **named: Any):
    collection = apply.__self__
    memory = memory_of(apply)
    with memory.transaction() as state:
        for each in changes:
            if each.record is None and each.key in state.table(collection.entity.name):
                Deletion(state, collection._entities, {}).delete(collection.entity, each.key)
        return apply(changes, **named)


def leaves_operations_behind(apply: Verb, changes: Any, **named: Any):
    return apply([attrs.evolve(each, op_ids=()) for each in changes], **named)


def leaves_operations_of_the_late_behind(apply: Verb, changes: Any, **named: Any):
    bare = apply([attrs.evolve(each, op_ids=()) for each in changes], **named)
    kept = [each for each, done in zip(changes, bare, strict=True) if done]
    memory = memory_of(apply)
    with memory.transaction():
        known = memory.current().ops.setdefault(apply.__self__.entity.name, {})
        for each in kept:
            known[each.key] = (*known.get(each.key, ()), *each.op_ids)
    return bare


def forgets_what_has_crossed(clear: Verb, marks: Any, crossed: Any = ()):
    return clear(marks)


def believes_any_epoch(clear: Verb, marks: Any, crossed: Any = ()):
    controls = clear.__self__.controls()
    now = {one: (controls.get(one.entity) or controls["*"]).epoch for one in crossed}
    return clear(marks, [attrs.evolve(one, epoch=now[one]) for one in crossed])


def owes_what_came_from_there(apply: Verb, changes: Any, **named: Any):
    made = apply(changes, **named)
    memory = memory_of(apply.__self__._merging.apply_if_newer)
    with memory.transaction():
        memory.current().crossed = {}
    return made


def owes_to_nobody_new(owed: Verb, entity: str, keys: Any):
    known = memory_of(owed).current().crossed.get(entity, {})
    found = owed(entity, keys)
    return {key: [one for one in ids if (key, one) not in known] for key, ids in found.items()}


def overwrites_what_the_leg_brought(merge: Verb, batch: Any):
    return merge(attrs.evolve(batch, epoch=None))


def looks_for_versions_before_it_merges(merge: Verb, batch: Any):
    if batch.epoch is None:
        return merge(batch)
    memory, name = memory_of(merge), merge.__self__.entity.name
    known = dict(memory.current().versions.get(name, {}))
    wait_until_it_differs(lambda: memory.load().versions.get(name, {}), known)
    records = [one for one in batch.records if one.key not in known]
    return merge(attrs.evolve(batch, records=records, epoch=None))


def merges_in_any_role(merge: Verb, batch: Any):
    with controls(memory_of(merge), {}):
        return merge(attrs.evolve(batch, epoch=None))


LIVE_FLAWS: Mapping[str, Mapping[str, Verb]] = {
    "answers whatever control says": {"governed": answers_whatever_control_says},
    "looks at control before it reads": {"governed": looks_at_control_before_it_reads},
    "looks at control before it writes": {"commit": looks_at_control_before_it_writes},
    "keeps its versions to itself": {"commit": keeps_its_versions_to_itself},
    "forgets what a cascade did": {"commit": forgets_what_a_cascade_did},
    "lets transactions in unasked": {"transaction": lets_transactions_in_unasked},
    "seals over open transactions": {"set_control": seals_over_open_transactions},
    "compares control before it sets it": {"set_control": compares_control_before_it_sets_it},
    "compares epochs only": {"set_control": compares_epochs_only},
    "purges nothing": {"set_control": purges_nothing},
    "purges everything": {"set_control": purges_everything},
    "keeps marks in phase off": {"set_control": keeps_marks_in_phase_off},
    "applies in any epoch": {"apply_if_newer": applies_in_any_epoch},
    "applies in any role": {"apply_if_newer": applies_in_any_role},
    "applies one by one": {"apply_if_newer": applies_one_by_one},
    "judges before the end": {"apply_if_newer": judges_before_the_end},
    "cascades on a follower": {"apply_if_newer": cascades_on_a_follower},
    "leaves operations behind": {"apply_if_newer": leaves_operations_behind},
    "forgets what has crossed": {"clear": forgets_what_has_crossed},
    "believes any epoch": {"clear": believes_any_epoch},
    "owes what came from there": {"apply_if_newer": owes_what_came_from_there},
    "owes to nobody new": {"owed": owes_to_nobody_new},
    "leaves operations of the late behind": {
        "apply_if_newer": leaves_operations_of_the_late_behind
    },
    "overwrites what the leg brought": {"merge": overwrites_what_the_leg_brought},
    "looks for versions before it merges": {"merge": looks_for_versions_before_it_merges},
    "merges in any role": {"merge": merges_in_any_role},
}
