"""Where one partition is read, and the record that an application gets. Changed by fetcher.py only.

Each partition has two places in its log: `position`, the next record the application gets, and
`fetch_offset`, the next to ask for; between them lie batches that came and were not taken yet.
Source: SubscriptionState.java.
Tests: tests/unit/client/fetch/test_fetcher.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias

from ...protocol.batch.header import BatchHeader, Buffer
from ...protocol.batch.runs import RecordHeader
from ..errors import ClientError
from ..partitions import NO_EPOCH

if TYPE_CHECKING:  # type checkers know defaults of type variables before Python 3.13 does
    from typing_extensions import TypeVar

    K = TypeVar("K", default=bytes | None)
    V = TypeVar("V", default=bytes | None)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

NO_POSITION: Final = -1
PASSED: Final = b""
"""In place of the bytes of a batch that the application does not see."""
COMMITTED: Final = "committed"
NEVER_DOUBTED: Final = float("-inf")


class ConsumerRecord(NamedTuple, Generic[K, V]):
    """A record as it was stored; key and value are bytes unless a deserializer was given.

    Attributes:
        timestamp: ms since 1970; timestamp_type 0 says that the producer set it, 1 the broker.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: K
    value: V
    headers: tuple[RecordHeader, ...]
    leader_epoch: int


StoredRecord: TypeAlias = ConsumerRecord[bytes | None, bytes | None]
Deserializer: TypeAlias = Callable[[bytes | None], V]


@dataclass(slots=True, eq=False)
class Reading:
    """Where one partition is read.

    Attributes:
        position: the next record to hand out; NO_POSITION until it has been looked up.
        epoch: leader epoch of the last record handed out, or committed; NO_EPOCH if not known.
        committed: the offset committed by the group at which reading began, or went back to;
            NO_POSITION if it began elsewhere.
        settled: the position up to which the application is done with what it got: it has come
            back for more since.
        fetch_offset: the next to ask for.
        batches: what lies between; of what the application does not see only where it ends.
        records: of the batch that is being handed out, newest last.
        look_up: COMMITTED, "earliest" or "latest" when a position is to be looked up.
        error: raised when the partition's records are next asked for.
        is_held_back: about to be given to another member; nothing more is handed out.
        is_checking: a new leader is asked whether it has what was read.
        checked_epoch: of the newest leader that is known to have it.
        doubted_at_ms: when a broker last spoke as if the topic were gone, or another.
    """

    position: int = NO_POSITION
    epoch: int = NO_EPOCH
    committed: int = NO_POSITION
    settled: int = NO_POSITION
    fetch_offset: int = NO_POSITION
    batches: deque[tuple[BatchHeader, Buffer]] = field(default_factory=deque)
    held_bytes: int = 0
    records: list[StoredRecord] = field(default_factory=list)
    look_up: str | None = None
    is_open: bool = False
    is_paused: bool = False
    is_held_back: bool = False
    is_checking: bool = False
    checked_epoch: int = NO_EPOCH
    high_watermark: int = NO_POSITION
    last_stable_offset: int = NO_POSITION
    doubted_at_ms: float = NEVER_DOUBTED
    retry_at_ms: float = 0.0
    attempts: int = 0
    error: ClientError | None = None

    def move_to(self, offset: int, epoch: int = NO_EPOCH) -> None:
        """Go on at an offset; what was fetched is forgotten."""
        self.position = self.settled = offset
        self.committed = NO_POSITION
        self.epoch = epoch
        self.look_up = None
        self.error = None
        self.is_checking = False
        self.checked_epoch = NO_EPOCH
        self.drop_fetched()

    def pass_over(self, header: BatchHeader) -> None:
        """Move the position over a batch, when it is its turn.

        What is passed over in a row is kept as one: an application that takes nothing would else
        let thousands of headers gather, none of which counts as held bytes.
        """
        if self.batches and self.batches[-1][1] is PASSED:
            self.batches.pop()
        self.batches.append((header, PASSED))

    def drop_fetched(self) -> None:
        """Fetch again from the position on."""
        self.fetch_offset = self.position
        self.batches.clear()
        self.held_bytes = 0
        self.records = []
