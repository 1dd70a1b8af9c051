"""What a test asserts of the log, in either broker, and what is said when it does not hold.

Judged by what is stored, not by what anybody was told: a retry that is stored twice, or a
transaction of which a part is committed, shows here.
Tests: tests/unit/testing/test_assertions.py, tests/system/testing/test_stored_transactions.py
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ..client.config import IsolationLevel
    from .stored import Stored

SHOWN_MAX = 10

Group: TypeAlias = Mapping[str, Iterable[bytes | None]]
"""By topic, the values that one transaction was to write."""
Counts: TypeAlias = Mapping[str, "Counter[bytes | None]"]


class Assertions(ABC):
    """What a broker's records are held against."""

    @abstractmethod
    def _stored(self, topic: str) -> list[Stored]:
        """Every record of a topic that readers may see. Raises LookupError."""

    def records(
        self, topic: str, *, isolation_level: IsolationLevel = "read_uncommitted"
    ) -> list[Stored]:
        """Every record of a topic that readers may see, by partition and offset; no markers.

        Args:
            isolation_level: "read_committed" leaves out what was aborted, and all behind what is
                open. A transaction has ended here once its end is written, durable or not.

        Raises:
            LookupError: there is no such topic.
            ValueError: there is no such isolation level.
        """
        from .stored import as_read

        return as_read(self._stored(topic), isolation_level)

    def assert_stored_once(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        isolation_level: IsolationLevel = "read_uncommitted",
    ) -> None:
        """Raises AssertionError unless the topic holds exactly these values, each so often."""
        __tracebackhide__ = True
        stored_once(topic, values, self.records(topic, isolation_level=isolation_level))

    def assert_atomic(self, *groups: Group) -> None:
        """See that each group, written in one transaction, is seen by read_committed once, or not.

        Args:
            groups: by topic, the values: {"orders": [b"a"], "payments": [b"b", b"c"]}.

        Raises:
            AssertionError: tells each group of which only a part is seen, and where the rest is.
            LookupError: there is no such topic.
            ValueError: a value of a topic is in two groups.
        """
        __tracebackhide__ = True
        taken = counted(groups)
        seen_whole(taken, {topic: self._stored(topic) for group in taken for topic in group})


def stored_once(topic: str, values: Iterable[bytes | None], records: Iterable[Stored]) -> None:
    """Compare exact multisets: every value as often as it is listed.

    Raises:
        AssertionError: names what is missing, doubled or unexpected, and where it lies.
    """
    stored = list(records)
    expected, found = Counter(values), Counter(record.value for record in stored)
    if expected == found:
        return
    complaints = []
    for value, count in (expected - found).items():
        complaints.append(f"missing {count}: {value!r}")
    for value, count in (found - expected).items():
        places = ", ".join(
            f"{record.partition}@{record.offset}" for record in stored if record.value == value
        )
        word = "stored too often" if value in expected else "not expected"
        complaints.append(f"{word}, by {count}: {value!r} at {places}")
    if len(complaints) > SHOWN_MAX:
        complaints[SHOWN_MAX:] = [f"and {len(complaints) - SHOWN_MAX} more"]
    text = "\n  ".join(complaints)
    raise AssertionError(f"{topic}: {expected.total()} expected, {found.total()} stored\n  {text}")


def counted(groups: Iterable[Group]) -> Sequence[Counts]:
    """Groups as they are compared: by topic, how often each value.

    Raises:
        ValueError: a value of a topic is in two groups.
    """
    taken = [{topic: Counter(values) for topic, values in group.items()} for group in groups]
    owners: dict[tuple[str, bytes | None], int] = {}
    for number, group in enumerate(taken, 1):
        for place in [(topic, value) for topic, values in group.items() for value in values]:
            owner = owners.setdefault(place, number)
            if owner != number:
                raise ValueError(
                    f"{place[0]} {place[1]!r} is in groups {owner} and {number}: nobody could tell "
                    "whose it is; give each transaction values of its own"
                )
    return taken


def seen_whole(groups: Sequence[Counts], stored: Mapping[str, Sequence[Stored]]) -> None:
    """See that readers with read_committed are given all of a group, once, or nothing of it.

    Args:
        stored: by topic, all that it holds, whatever became of it.

    Raises:
        AssertionError: names each group of which a part is seen, or more; and for each of its
            values where it lies, and what became of it there.
    """
    from .stored import committed

    seen = {topic: Counter(e.value for e in committed(all_)) for topic, all_ in stored.items()}
    complaints = []
    for number, group in enumerate(groups, 1):
        said = _said(group, seen)
        if said:
            places = [
                f"{topic} {value!r}: {_became(stored[topic], seen[topic], value)}"
                for topic, values in group.items()
                for value in values
            ]
            if len(places) > SHOWN_MAX:
                places[SHOWN_MAX:] = [f"and {len(places) - SHOWN_MAX} more"]
            complaints.append("\n  ".join([f"group {number} is seen {said}", *places]))
    if complaints:
        raise AssertionError("read_committed: " + "\n".join(complaints))


def _said(group: Counts, seen: Counts) -> str:
    """How a group is seen that should not be; nothing if all is well."""
    wanted = Counter({(t, v): count for t, values in group.items() for v, count in values.items()})
    found = Counter({(topic, value): seen[topic][value] for topic, value in wanted})
    if not +found or found == wanted:
        return ""
    missing, beyond = wanted - found, found - wanted
    if not missing:
        return f"more than once: {beyond.total()} of {wanted.total()} records too often"
    return f"in part: {missing.total()} of {wanted.total()} records are missing"


def _became(stored: Iterable[Stored], seen: Counter[bytes | None], value: bytes | None) -> str:
    """Where a value lies, and what became of it there."""
    places = [
        f"{each.transaction or 'in no transaction'} at {each.partition}@{each.offset}"
        for each in stored
        if each.value == value
    ]
    if not places:
        return "not stored"
    behind = "" if seen[value] or "committed" not in places[0] else ", behind an open transaction"
    return ", ".join(places) + behind
