"""The answer that is written without a message is the one that the encoder writes."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.broker.apis.stored_alone import SINCE, StoredAlone
from minibroker.protocol.apis import APIS
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceResponse,
    TopicProduceData,
)

FIRST, NEWEST = APIS[0].versions
EXTREMES = (0, 1, -1, -2, -3, -5, 2**31 - 1, -(2**31))
LONG = (*EXTREMES, -7, -11, 2**63 - 1, -(2**63))


@pytest.mark.parametrize("version", range(SINCE, NEWEST + 1))
def test_its_bytes_are_those_of_its_message(version: int) -> None:
    rng = Random(version)
    for name in ("t", "a" * 126, "b" * 127, "orders.dead-letters_1", "c" * 249):
        for topic_id in (bytes(16), b"\xff" * 16, rng.randbytes(16)):
            for _ in range(20):
                topic = TopicProduceData(
                    name=name,
                    topic_id=topic_id,
                    partition_data=[PartitionProduceData(index=0, records=b"")],
                )
                index, code = rng.choice(EXTREMES), rng.randrange(-1, 130)
                base_offset, time_ms, start_offset = rng.choices(LONG, k=3)
                numbers = (index, code, base_offset, time_ms, start_offset)
                stored = StoredAlone(version, topic, numbers)
                assert stored.body == encoder(ProduceResponse, version)(stored.message)
                (answered,) = decoder(ProduceResponse, version)(stored.body[0])[0].responses
                (part,) = answered.partition_responses
                assert numbers == (
                    part.index,
                    part.error_code,
                    part.base_offset,
                    part.log_append_time_ms,
                    part.log_start_offset,
                )
                assert (answered.topic_id if version >= 13 else answered.name) == (
                    topic_id if version >= 13 else name
                )
                assert stored.message.responses[0].name == name
