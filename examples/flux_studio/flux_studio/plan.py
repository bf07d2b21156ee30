"""What a folder will hold, known before its first byte: counts, ids, names, children."""

from collections.abc import Iterator
from hashlib import blake2b

from attrs import field, frozen

from flux_studio import words
from flux_studio.shares import CHILDREN, EMPTY_FILES_SEED, PER_THOUSAND, SHARES

_GOLDEN = 0.6180339887498949
_OLDEST_MILLISECOND = 1_500_000_000_000  # the oldest users' ids: 13 digits, as strings


def falls_in(index: int, share: float) -> bool:
    """True for *share* of all indexes, evenly spread; for index 0 whenever share is not 0."""
    return index * _GOLDEN % 1 < share


def portion(total: int, index: int, of: int, pattern: tuple[int, ...]) -> int:
    """How many of *total* the holder *index* of *of* gets; the portions of all sum to total."""
    rounds, rest = divmod(of, len(pattern))
    whole = rounds * sum(pattern) + sum(pattern[:rest])
    if not whole:
        return total if index == of - 1 else 0
    turn, place = divmod(index, len(pattern))
    before = turn * sum(pattern) + sum(pattern[:place])
    return total * (before + pattern[place]) // whole - total * before // whole


def _allotted(records: int, seed: int) -> dict[str, int]:
    counts, left = {}, records
    for kind, parts in PER_THOUSAND.items():
        least = 1 if kind in {"users", "projects"} else 0
        counts[kind] = min(left, max(least, records * parts // 1000))
        left -= counts[kind]
    if seed % EMPTY_FILES_SEED[0] == EMPTY_FILES_SEED[1]:
        counts["files"] = 0
    if not counts["projects"]:
        counts.update(members=0, milestones=0, tasks=0)
    if not counts["channels"]:
        counts["messages"] = 0
    return counts


@frozen
class Plan:
    """A folder of *records* records, all entities together, the same for the same seed and size."""

    records: int
    seed: int
    _allotted: dict[str, int] = field(init=False)
    counts: dict[str, int] = field(init=False)
    """How many records of each kind there are; they sum to *records*."""

    @_allotted.default
    def _allot(self) -> dict[str, int]:
        return _allotted(self.records, self.seed)

    @counts.default
    def _count(self) -> dict[str, int]:
        counts = {**self._allotted, "members": sum(self.children("members"))}
        return {**counts, "activities": self.records - sum(counts.values())}

    def children(self, kind: str) -> Iterator[int]:
        """How many children of *kind* each project holds, project by project."""
        projects, total = self._allotted["projects"], self._allotted[kind]
        most = self._allotted["users"] if kind == "members" else total
        return (min(most, portion(total, at, projects, CHILDREN[kind])) for at in range(projects))

    @property
    def organizations(self) -> int:
        """How many organizations projects name; they have no file of their own."""
        return max(1, self.counts["projects"] // 25)

    def identifier(self, kind: str, index: int) -> str:
        """The id of record *index* of *kind*: a UUID made from the seed, kind and index."""
        made = blake2b(b"%d/%s/%d" % (self.seed, kind.encode(), index), digest_size=16).hexdigest()
        return f"{made[:8]}-{made[8:12]}-4{made[13:16]}-a{made[17:20]}-{made[20:]}"

    def user_id(self, index: int) -> str:
        """The id of user *index*: a UUID, or 13 digits for the oldest accounts."""
        if falls_in(index, SHARES.numeric_user_id):
            return str(_OLDEST_MILLISECOND + index * 86_413 + self.seed % 86_413)
        return self.identifier("user", index)

    def user_name(self, index: int) -> str:
        """The name of user *index*."""
        return _named(index + self.seed, words.FIRST, words.LAST, words.FIRST_UNICODE)

    def project_name(self, index: int) -> str:
        """The name of project *index*."""
        return _named(index + self.seed, words.VERBS, words.THINGS, words.THINGS_UNICODE)


def _named(
    number: int, first: tuple[str, ...], last: tuple[str, ...], beyond_ascii: tuple[str, ...]
) -> str:
    place = number * _GOLDEN % 1
    if place < SHARES.escaped_name:
        return words.ESCAPED[number % len(words.ESCAPED)]
    if place < SHARES.escaped_name + SHARES.unicode_name:
        ending = words.LAST_UNICODE[number // 3 % len(words.LAST_UNICODE)]
        return f"{beyond_ascii[number % len(beyond_ascii)]} {ending}"
    return f"{first[number % len(first)]} {last[number // len(first) % len(last)]}"
