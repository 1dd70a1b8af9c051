"""EDGE: the part of `minibroker consume` that reads as a member of a group (--group).

Offsets are committed after the lines of their records were written out: a reader that goes away,
or a kill, means that somebody prints them again, never that they are lost.
Tests: tests/system/commands/test_command_transcript.py
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Callable

from ...client.consumer import (
    Consumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    OffsetAndMetadata,
    TopicPartition,
)
from ...client.errors import Fenced, Retriable
from ..terminal.running import complain

POLL_MS = 200


class Assigned(ConsumerRebalanceListener):
    """Notes that the group has decided, and where each partition ended then."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.ends: dict[TopicPartition, int] = {}
        self.decided = asyncio.Event()

    async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        """Remember where the new ones end; those that come back keep their end."""
        new = [place for place in assigned if place not in self.ends]
        self.ends.update(await self._consumer.end_offsets(new))
        self.decided.set()


async def print_group(
    consumer: Consumer, args: Namespace, show: Callable[[ConsumerRecord], bytes], batch_records: int
) -> None:
    """Print the share of the group that falls to this member, committing as it goes."""
    listener = Assigned(consumer)
    consumer.subscribe([args.topic], listener=listener)
    left = args.max_messages
    output = sys.stdout.buffer
    while left is None or left > 0:
        if not args.follow and listener.decided.is_set() and await _is_done(consumer, listener):
            return
        count_max = batch_records if left is None else min(left, batch_records)
        taken = await consumer.getmany(timeout_ms=POLL_MS, max_records=count_max)
        printed: dict[TopicPartition, OffsetAndMetadata] = {}
        for place, records in taken.items():
            end = None if args.follow else listener.ends[place]
            shown = [each for each in records if end is None or each.offset < end]
            output.write(b"".join(map(show, shown)))
            if shown:
                last = shown[-1]
                printed[place] = OffsetAndMetadata(last.offset + 1, "", last.leader_epoch)
            if left is not None:
                left -= len(shown)
        output.flush()
        try:
            await consumer.commit(printed)
        except (Fenced, Retriable) as error:
            complain("consume", str(error))  # somebody prints them again


async def _is_done(consumer: Consumer, listener: Assigned) -> bool:
    for place in consumer.assignment():
        if place not in listener.ends or await consumer.position(place) < listener.ends[place]:
            return False
    return True
