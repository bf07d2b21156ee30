"""Judges a history: was there an order of its operations that explains all that was seen?

Per key, since records do not depend on each other. Every record's list begins with the operation
that created it, so that its lives can be told apart, and every append returns the whole list, so
that nearly everything is seen. Named rules come first, for what they tell; then a search for an
order (Wing and Gong's, as in "Testing for linearizability", Lowe 2017), which finds what they do
not. Pure: lists of calls in, violations out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

from harness.history import Call, Entries, by_key
from harness.order import unexplained


@attrs.frozen
class Violation:
    """A promise that was not kept: which one, for which key, and what shows it."""

    rule: str
    key: str
    told: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.rule}: {self.key}: {self.told}"


@attrs.frozen
class Sight:
    """A record as some call saw it; no entries: no record."""

    entries: Entries
    call: Call

    @property
    def life(self) -> str:
        """The operation that created what was seen, or an empty text."""
        return self.entries[0] if self.entries else ""


Rule = Callable[[str, Sequence[Call]], Iterator[Violation]]


def judge(calls: Sequence[Call]) -> list[Violation]:
    """Return every violation; the order is looked for only where the named rules are kept."""
    found: list[Violation] = []
    for key, own in sorted(by_key(calls).items()):
        broken = [violation for rule in RULES for violation in rule(key, own)]
        if not broken and (told := unexplained(own)):
            broken = [Violation("no order", key, told)]
        found += broken
    return found


def sights(calls: Sequence[Call]) -> list[Sight]:
    """Return what the calls saw, in the order in which they ended."""
    seen = [Sight(call.entries or (), call) for call in calls if call.saw]
    return sorted(seen, key=lambda sight: sight.call.ended)


def each_entry_once(key: str, calls: Sequence[Call]) -> Iterator[Violation]:
    """I7: an operation has one effect, however often it was sent."""
    for sight in sights(calls):
        for entry in sorted({one for one in sight.entries if sight.entries.count(one) > 1}):
            yield Violation("twice", key, f"{entry} twice in what {sight.call.op} saw")


def only_what_was_asked(key: str, calls: Sequence[Call]) -> Iterator[Violation]:
    """I7: what failed had no effect, and nothing appears that nobody wrote to this key."""
    by_op = {call.op: call for call in calls if call.verb in {"create", "append"}}
    told = {op for op, call in by_op.items() if call.outcome != "fail"}
    for sight in sights(calls):
        for entry in sorted(set(sight.entries) - told):
            told.add(entry)
            why = f"it failed: {by_op[entry].error}" if entry in by_op else "nobody wrote it here"
            yield Violation("effect", key, f"{sight.call.op} saw {entry}, yet {why}")


def one_history_a_life(key: str, calls: Sequence[Call]) -> Iterator[Violation]:
    """I1: of two looks at one life of a record, one is the beginning of the other."""
    longest: dict[str, Sight] = {}
    for sight in sights(calls):
        other = longest.setdefault(sight.life, sight)
        shorter, longer = sorted((sight, other), key=lambda one: len(one.entries))
        if longer.entries[: len(shorter.entries)] != shorter.entries:
            lost = sorted(set(shorter.entries) - set(longer.entries))
            what = f"{lost} of it lost" if lost else "in another order"
            yield Violation("lost", key, f"{longer.call.op} saw what {shorter.call.op} saw, {what}")
        longest[sight.life] = longer


def never_backwards(key: str, calls: Sequence[Call]) -> Iterator[Violation]:
    """I1, I4: a look that began after another one ended sees no less of the same life."""
    in_order = sights(calls)
    ended, longest = 0, dict[str, Sight]()
    for sight in sorted(in_order, key=lambda one: one.call.began):
        while in_order[ended].call.ended < sight.call.began:
            _keep_longer(longest, in_order[ended])
            ended += 1
        known = longest.get(sight.life)
        if known and len(sight.entries) < len(known.entries):
            gone = list(known.entries[len(sight.entries) :])
            yield Violation(
                "backwards", key, f"{sight.call.op} did not see {gone}, {known.call.op} had"
            )


def deleted_stays_deleted(key: str, calls: Sequence[Call]) -> Iterator[Violation]:
    """I2: a life that was known before an acknowledged delete began is not seen after it."""
    first_known: dict[str, int] = {}
    last_seen: dict[str, Sight] = {}
    for sight in (one for one in sights(calls) if one.life):
        first_known.setdefault(sight.life, sight.call.ended)
        if last_seen.setdefault(sight.life, sight).call.began < sight.call.began:
            last_seen[sight.life] = sight
    for delete in (call for call in calls if call.verb == "delete" and call.outcome == "ok"):
        for life, sight in last_seen.items():
            if first_known[life] < delete.began and delete.ended < sight.call.began:
                yield Violation(
                    "resurrected", key, f"{sight.call.op} saw {life}, which {delete.op} had deleted"
                )


def in_order_of_time(key: str, calls: Sequence[Call]) -> Iterator[Violation]:
    """I1: of two appends, the one that ended before the other began comes first."""
    by_op = {call.op: call for call in calls}
    longest: dict[str, Sight] = {}
    for sight in sights(calls):
        _keep_longer(longest, sight)
    for sight in longest.values():
        latest: Call | None = None
        for call in (by_op[entry] for entry in sight.entries if entry in by_op):
            if latest and call.ended < latest.began:
                told = f"{call.op} ended before {latest.op} began, and comes after it"
                yield Violation("order", key, told)
            latest = call if latest is None or call.began > latest.began else latest


def _keep_longer(longest: dict[str, Sight], sight: Sight) -> None:
    known = longest.setdefault(sight.life, sight)
    if len(known.entries) < len(sight.entries):
        longest[sight.life] = sight


RULES: tuple[Rule, ...] = (
    each_entry_once,
    only_what_was_asked,
    one_history_a_life,
    never_backwards,
    deleted_stays_deleted,
    in_order_of_time,
)
