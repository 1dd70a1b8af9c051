"""What the application got: what it is busy with, and what a transaction of its own is about.

It is busy from one call for records to the next; a transaction may reach over several of them.
Read next: fetcher.py.
Tests: tests/unit/client/fetch/test_fetcher.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..partitions import TopicPartition
from .position import Reading


class HandedOut:
    """Whose records were handed out, since the newest call and since take()."""

    def __init__(self) -> None:
        self._by_newest_call: list[Reading] = []
        self._since_taken: dict[TopicPartition, Reading] = {}
        self._taken: dict[TopicPartition, Reading] = {}

    @property
    def is_application_busy(self) -> bool:
        """Whether the application got records and has not come back since."""
        return bool(self._by_newest_call)

    def note(
        self, places: Iterable[TopicPartition], readings: Mapping[TopicPartition, Reading]
    ) -> None:
        """Records of these partitions are handed out."""
        for place in places:
            self._by_newest_call.append(readings[place])
            self._since_taken.setdefault(place, readings[place])

    def settle(self) -> None:
        """The application has come back: it is done with all that it got."""
        for reading in self._by_newest_call:
            reading.settled = reading.position
        self._by_newest_call.clear()

    def take(self, readings: Mapping[TopicPartition, Reading]) -> set[TopicPartition]:
        """Partitions of which records were handed out since the last call, and that went since.

        One that went and came back has gone: another member may have read on meanwhile.
        """
        self._taken, self._since_taken = self._since_taken, {}
        return self.gone_of_taken(readings)

    def gone_of_taken(self, readings: Mapping[TopicPartition, Reading]) -> set[TopicPartition]:
        """As of now, what take() said the last time."""
        return {
            place
            for place, each in self._taken.items()
            if readings.get(place) is not each or each.position < 0
        }
