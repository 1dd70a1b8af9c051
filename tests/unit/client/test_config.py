"""Options stand in the faces' signatures and in client/config.py: the two say the same of each."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

import pytest
from minibroker.client.blocking import Consumer as BlockingConsumer
from minibroker.client.blocking import Producer as BlockingProducer
from minibroker.client.config import ConnectionConfig, ConsumerConfig, ProducerConfig
from minibroker.client.consumer import Consumer
from minibroker.client.producer import Producer

# What a face takes in a wider form than is kept; and what of it is no option but a part.
WIDER = {"bootstrap_servers", "partition_assignment_strategy"}
PARTS = {
    *("self", "topics", "key_serializer", "value_serializer", "partitioner"),
    *("key_deserializer", "value_deserializer"),
}
FACES = [
    (Producer, ProducerConfig),
    (BlockingProducer, ProducerConfig),
    (Consumer, ConsumerConfig),
    (BlockingConsumer, ConsumerConfig),
]


@pytest.mark.parametrize(("face", "config"), FACES)
def test_a_face_and_its_options_agree(face: type[Any], config: type[ConnectionConfig]) -> None:
    signature = inspect.signature(face.__init__).parameters
    shown = {name: each for name, each in signature.items() if name not in PARTS}
    kept = {each.name: each for each in fields(config)}
    assert shown.keys() == kept.keys()
    for name, each in kept.items():
        if each.default is not MISSING:
            assert shown[name].default == each.default, name
        if name not in WIDER:
            assert shown[name].annotation == each.type, name
