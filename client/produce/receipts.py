"""EDGE: what `send` and `send_many` hand out: the record on its way, and receipts.

Read next: producer.py.
Tests: tests/system/client/test_client_defects.py
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple, overload

from ..door.door import call
from ..errors import ClientError
from ..partitions import RecordMetadata
from .batch import OFFSET_UNKNOWN, ProducerBatch, Split, StoredAt


class Delivery:
    """A record on its way: await it for its receipt, as often and from as many tasks as you like.

    Raises when awaited: DeliveryTimeout, Fatal, Fenced or Retriable; RuntimeError in another loop,
    thread or process than the producer's.
    """

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: ProducerBatch, index: int) -> None:
        self._batch = batch
        self._index = index

    @property
    def done(self) -> bool:
        """Whether awaiting would return or raise at once."""
        return _piece_of(self._batch, self._index)[0].outcome is not None

    def result(self) -> RecordMetadata:
        """The receipt of a record that is done. Raises as awaiting it does.

        Raises:
            asyncio.InvalidStateError: it is not done.
        """
        outcome = self._outcome()
        if isinstance(outcome, ClientError):
            raise outcome.with_traceback(None)
        return outcome

    def exception(self) -> ClientError | None:
        """Why a record that is done has failed; None if it is stored. Raises as result()."""
        outcome = self._outcome()
        return outcome if isinstance(outcome, ClientError) else None

    def add_done_callback(self, callback: Callable[[Delivery], object]) -> None:
        """Call `callback` with this delivery, soon after it is done; asked for often, called often.

        A callback that raises is told to the loop's exception handler and harms nothing else.

        Raises:
            TypeError: it is not callable.
            RuntimeError: this is another loop, thread or process than the producer's.
        """
        call("callback", callback)
        loop = asyncio.get_running_loop()
        _when_done(self._batch, self._index, lambda: loop.call_soon(callback, self))

    def _outcome(self) -> RecordMetadata | ClientError:
        if not self.done:
            raise asyncio.InvalidStateError("the record is on its way: await its delivery first")
        return outcome_at(self._batch, self._index)

    def __await__(self) -> Generator[object, None, RecordMetadata]:
        batch, index = self._batch, self._index
        while True:
            outcome = batch.outcome
            if outcome.__class__ is StoredAt:
                offset, append_time_ms, _ = outcome
                if offset < 0 or append_time_ms >= 0:
                    return _receipt(batch, outcome, index)
                whole = (batch.topic, batch.partition, offset + index, batch.timestamps[index])
                return tuple.__new__(RecordMetadata, whole)  # as _receipt, in half the time
            if outcome is None:
                batch.is_heard = True
                yield from until_done(batch).__await__()
            elif isinstance(outcome, ClientError):
                raise outcome.with_traceback(None)
            else:
                batch, index = _piece_of(batch, index)


class Run(NamedTuple):
    """Records of `send_many` that stand behind each other in a batch."""

    batch: ProducerBatch
    first: int  # of their indices in the batch
    length: int


class Receipts(Sequence[RecordMetadata]):
    """The receipts of `send_many`, in the order of the values; each made when it is asked for."""

    __slots__ = ("_firsts", "_runs")

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._firsts = [0]
        for run in runs:
            self._firsts.append(self._firsts[-1] + run.length)

    def __len__(self) -> int:
        return self._firsts[-1]

    @overload
    def __getitem__(self, index: int) -> RecordMetadata: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordMetadata]: ...
    def __getitem__(self, index: int | slice) -> RecordMetadata | list[RecordMetadata]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        at = bisect_right(self._firsts, place) - 1
        run = self._runs[at]
        outcome = outcome_at(run.batch, run.first + place - self._firsts[at])
        assert isinstance(outcome, RecordMetadata), "receipts are made of what was stored"
        return outcome

    def __iter__(self) -> Iterator[RecordMetadata]:
        for run in self._runs:
            for index in range(run.first, run.first + run.length):
                outcome = outcome_at(run.batch, index)
                assert isinstance(outcome, RecordMetadata), "receipts are made of what was stored"
                yield outcome

    def __repr__(self) -> str:
        return f"<{len(self)} receipts>"


def outcome_at(batch: ProducerBatch, index: int) -> RecordMetadata | ClientError:
    """What became of a record of a batch that is done."""
    batch, index = _piece_of(batch, index)
    outcome = batch.outcome
    if isinstance(outcome, ClientError):
        return outcome
    assert isinstance(outcome, StoredAt), "asked only when it is done"
    return _receipt(batch, outcome, index)


async def until_done(batch: ProducerBatch) -> None:
    """Wait for a batch's outcome, which may be that it was split; it need not linger any more."""
    if batch.outcome is not None:
        return
    if batch.home is not None:
        batch.home.on_awaited(batch)
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not waiting.done():
            waiting.set_result(None)

    batch.on_done.append(wake)
    try:
        await waiting
    finally:
        if batch.outcome is None:
            batch.on_done.remove(wake)


async def until_all_done(batches: Sequence[ProducerBatch]) -> None:
    """Wait for batches and for the pieces of those that are split."""
    for batch in batches:
        await until_done(batch)
        if isinstance(batch.outcome, Split):
            await until_all_done(batch.outcome.pieces)


def _when_done(batch: ProducerBatch, index: int, tell: Callable[[], object]) -> None:
    """Call `tell` when the record's outcome is known, at once if it is."""
    batch, index = _piece_of(batch, index)
    if batch.outcome is not None:
        tell()
        return
    if batch.home is not None:
        batch.home.on_awaited(batch)
    batch.is_heard = True
    batch.on_done.append(lambda: _when_done(batch, index, tell))


def _piece_of(batch: ProducerBatch, index: int) -> tuple[ProducerBatch, int]:
    """Where a record of a batch is now."""
    while isinstance(batch.outcome, Split):
        for piece in batch.outcome.pieces:
            if index < piece.count:
                batch = piece
                break
            index -= piece.count
    return batch, index


def _receipt(batch: ProducerBatch, stored: StoredAt, index: int) -> RecordMetadata:
    offset, append_time_ms, _ = stored
    return RecordMetadata(
        batch.topic,
        batch.partition,
        offset + index if offset >= 0 else OFFSET_UNKNOWN,
        int(batch.timestamps[index]) if append_time_ms < 0 else append_time_ms,
    )
