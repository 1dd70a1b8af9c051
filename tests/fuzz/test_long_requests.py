"""One long request costs time in proportion to its length, whatever it lists, and however often.

While the broker works on it nobody else is served, so that a square of its length would be minutes.
Compared are lengths, not seconds: eight times as long may take at most twice as long per element.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from minibroker.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.fuzz.seeds import TOPIC
from tests.fuzz.socketless import Stage
from tests.support.in_loop.runtime import request_frame

SHORT, LONG = 1_000, 8_000


def _fetch(count: int) -> FetchRequest:
    part = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1)
    topics = [FetchTopic(topic=TOPIC, partitions=[part] * count)]
    return FetchRequest(max_wait_ms=1000, min_bytes=1, topics=topics)


def _list_offsets(count: int) -> ListOffsetsRequest:
    part = ListOffsetsPartition(partition_index=0, timestamp=-1)
    return ListOffsetsRequest(topics=[ListOffsetsTopic(name=TOPIC, partitions=[part] * count)])


def _metadata(count: int) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=f"n{n}!") for n in range(count)])


def _create_topics(count: int) -> CreateTopicsRequest:
    names = (f"t{n // 2}" for n in range(count))  # each twice, so each is refused
    new = [CreatableTopic(name=each, num_partitions=1, replication_factor=1) for each in names]
    return CreateTopicsRequest(topics=new)


def _create_partitions(count: int) -> CreatePartitionsRequest:
    more = [CreatePartitionsTopic(name=f"t{n}", count=5) for n in range(count)]
    return CreatePartitionsRequest(topics=more, timeout_ms=1000)


@pytest.mark.parametrize(
    ("make", "version"),
    [
        (_fetch, 5),
        (_list_offsets, 5),
        (_metadata, 5),
        (_create_topics, 4),
        (_create_partitions, 3),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_long_request_costs_in_proportion_to_its_length(
    make: Callable[[int], Any], version: int
) -> None:
    short = min(seconds_for(make(SHORT), version) for _ in range(3))
    long = min(seconds_for(make(LONG), version) for _ in range(3))
    assert long / LONG < 2 * short / SHORT


def seconds_for(message: Any, version: int) -> float:
    """Processor time of a broker that is asked this once, with all that is judged."""
    sent = request_frame(message, version, 1)

    async def play() -> float:
        stage = Stage()
        began = time.process_time()
        await stage.play(sent, Random(1))
        return time.process_time() - began

    return asyncio.run(play())
