"""What is held against a session: all that left for the broker, and all that is stored in the end.

It knows the lines of a source, the durable bytes of the producer's disk, and the requests on the
wire; nothing of how a session works. A line is its number and its partition in its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from minibroker.client.session.journal_recovery import JOURNAL, recover
from minibroker.client.session.open_batch import OpenBatch
from minibroker.protocol import sequence
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.messages.produce import ProduceRequest
from minibroker.testing.simulated_disk import Node, SimulatedDisk

SOURCE = "lines"
FOUND_MAX = 5


def line(number: int, partition: int) -> bytes:
    """What line `number` is stored as."""
    return f"{number}:{partition}:".encode() + b"." * (number % 7) * 9


def number_of(value: bytes) -> int:
    """Which line a value is."""
    return int(value.partition(b":")[0])


Logs: TypeAlias = Mapping[int, Sequence[tuple[int, bytes]]]


class DiskView:
    """A session's directory as a successor would find it. Implements journal_port.JournalDisk.

    Args:
        is_durable: after power loss; else after a kill.
    """

    path = "view"

    def __init__(self, disk: SimulatedDisk, *, is_durable: bool) -> None:
        names = disk.root.durable if is_durable else disk.root.names
        # What a rewrite has renamed and flushed may wait behind an older change of a name that has
        # not been flushed: then it is durable, and not in `durable` yet.
        self._files = {
            name: bytes(node.durable if is_durable else node.data)
            for name, node in names.items()
            if isinstance(node, Node)
        }

    def names(self) -> list[str]:
        return [*self._files]

    def read(self, name: str) -> bytes:
        return self._files[name]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody may {name} a view")


@dataclass
class SessionJudge:
    """Everything that was seen, and what is wrong with it.

    Args:
        disk: the producer's.
        is_flushed: whether what leaves must be durable, or only written.

    Attributes:
        told: the offsets that the program was told, by line.
        confirmed: the lines that the broker has confirmed, told or not.
        on_request: called when records leave.
    """

    disk: SimulatedDisk
    topic: str
    is_flushed: bool
    found: list[str] = field(default_factory=list)
    requests: int = 0
    told: dict[int, int] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    on_request: Callable[[], None] = lambda: None
    _mark: int = 0  # of the source, when it was last looked at
    _meant: dict[tuple[int, int, int, int], bytes] = field(default_factory=dict)

    def sees(self, message: Any) -> None:
        """A request is about to leave."""
        if isinstance(message, ProduceRequest):
            self.requests += 1
            try:
                self._sees_produce(message)
            except Exception as error:
                self._wrong(f"what leaves cannot be judged: {error!r}")
            self.on_request()

    def _sees_produce(self, message: ProduceRequest) -> None:
        view = DiskView(self.disk, is_durable=self.is_flushed)
        journal = view.read(JOURNAL) if JOURNAL in view.names() else b""
        position = -1
        for topic in message.topic_data:
            for data in topic.partition_data:
                wire = bytes(data.records or b"")
                self._sees_batch(data.index, wire)
                if wire not in journal:
                    self._wrong(f"{_told(data.index, wire)} leaves, and is not in the journal")
                position = max(position, *(number_of(each) for each in _values(wire)))
        if journal and position >= self._mark:
            marks = recover(view).state.marks
            self._mark = int(marks.get(SOURCE, 0))
            if self._mark <= position:
                self._wrong(f"line {position} leaves, and all before {self._mark} is journaled")

    def _sees_batch(self, partition: int, wire: bytes) -> None:
        header = read_header(wire)
        for index, value in enumerate(_values(wire)):
            at = sequence.add(header.base_sequence, index)
            key = (partition, header.producer_id, header.producer_epoch, at)
            meant = self._meant.setdefault(key, value)
            if meant != value:
                self._wrong(f"{key} is {meant!r}, and leaves as {value!r}")

    def is_told(self, message: Any, answer: Any) -> None:
        """The broker has answered a request: what it says it has, it may not have for ever."""
        if isinstance(message, ProduceRequest):
            good = {
                (topic.name, each.index)
                for topic in answer.responses
                for each in topic.partition_responses
                if not each.error_code
            }
            for topic in message.topic_data:
                for data in topic.partition_data:
                    if (topic.name or self.topic, data.index) in good or ("", data.index) in good:
                        self._confirm(data.index, bytes(data.records or b""))

    def _confirm(self, partition: int, wire: bytes) -> None:
        """And all that was sent before, under the same identity."""
        header = read_header(wire)
        until = sequence.last_of(header.base_sequence, header.records_count)
        for (place, *ids, at), value in self._meant.items():
            is_of_it = (place, *ids) == (partition, header.producer_id, header.producer_epoch)
            if is_of_it and at <= until:
                self.confirmed.add(number_of(value))

    def judge(self, logs: Logs, count: int, excused: set[int], late: set[int]) -> None:
        """Hold what is stored against the lines of the source.

        Args:
            logs: by partition, (offset, value) in order.
            count: of the lines.
            excused: those that the broker has lost after it had confirmed them.
            late: those that people have sent again, behind what had overtaken them.
        """
        seen: dict[int, int] = {}
        for partition, stored in logs.items():
            before = -1
            for offset, value in stored:
                number = number_of(value)
                if value != line(number, partition):
                    self._wrong(f"invented: {value!r} in partition {partition}")
                if number in seen:
                    self._wrong(f"duplicated: line {number}")
                elif number < before and number not in late:
                    self._wrong(f"out of order: line {number} behind {before}")
                seen[number] = partition
                told = self.told.get(number, offset)
                if told != offset and number not in excused:
                    self._wrong(f"line {number} is told to be at {told}, and stands at {offset}")
                before = max(before, number) if number not in late else before
        missing = sorted({*range(count)} - {*seen} - excused)
        if missing:
            self._wrong(f"lost: {len(missing)} lines, the first is {missing[0]}")

    def _wrong(self, text: str) -> None:
        if len(self.found) < FOUND_MAX:
            self.found.append(text)


def lines_of(batches: Iterable[OpenBatch]) -> set[int]:
    """The numbers of all lines in batches."""
    return {number_of(value) for batch in batches for value in _values(batch.wire)}


def _values(wire: bytes) -> list[bytes]:
    return [record.value or b"" for record in records_in(wire)]


def _told(partition: int, wire: bytes) -> str:
    header = read_header(wire)
    ids = f"producer id {header.producer_id}, epoch {header.producer_epoch}"
    return f"a batch for {partition} ({ids}, sequence {header.base_sequence})"
