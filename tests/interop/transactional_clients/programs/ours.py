"""Our own client, by its blocking faces, as a transactional program: conversation.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from minibroker.client import (
    Abortable,
    ClientError,
    Fenced,
    GroupOffsets,
    OffsetAndMetadata,
    TopicPartition,
)
from minibroker.client.blocking import Consumer
from minibroker.client.blocking import Producer as BlockingProducer

from tests.interop.transactional_clients.programs.conversation import (
    PARTITIONS,
    TIMEOUT_MS,
    Place,
    Record,
    run,
)

NO_MEMBER = -1, "", None


class Ours:
    """Implements Producer."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer: BlockingProducer[bytes, bytes] = BlockingProducer(
            place.bootstrap,
            transactional_id=place.transactional_id,
            transaction_timeout_ms=TIMEOUT_MS,
        )
        self._is_aborted = False
        self._transaction: Any = None

    def start(self) -> None:
        """Raises while there is no broker."""
        self._producer.start()

    def write(self, values: list[bytes], offset: int) -> None:
        """Sends, waits, and sends the offset as nobody's."""
        self._is_aborted = False
        self._transaction = self._producer.transaction()
        self._transaction.begin()
        sent = [
            self._transaction.send(self._place.topic, value, partition=partition)
            for partition, value in enumerate(values)
        ]
        for each in sent:
            each.result()
        place = TopicPartition(self._place.source, 0)
        offsets = {place: OffsetAndMetadata(offset)}
        self._transaction.commit_offsets(GroupOffsets(self._place.group, *NO_MEMBER, offsets))

    def commit(self) -> None:
        """What it raises says what has come of it."""
        try:
            self._transaction.commit()
        except Abortable:
            self._is_aborted = True
            raise

    def abort(self) -> None:
        """A commit that was refused as Abortable has done so."""
        if not self._is_aborted:
            self._transaction.abort()

    def close(self) -> None:
        """What is open stays so: its successor ends it."""
        with contextlib.suppress(ClientError):
            self._producer.stop(timeout_ms=0)

    def is_fenced(self, error: Exception) -> bool:
        """It has a class of its own for that."""
        return isinstance(error, Fenced)

    def may_abort(self, error: Exception) -> bool:
        """A transaction that has ended raises RuntimeError."""
        return True


def read(bootstrap: str, topic: str) -> Iterator[Record]:
    """Consumer with assign()."""
    with Consumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign([TopicPartition(topic, each) for each in range(PARTITIONS)])
        for each in consumer:
            yield each.partition, each.offset, each.value or b""


if __name__ == "__main__":
    run(Ours, read)
