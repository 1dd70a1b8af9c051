"""Options stand in the faces' signatures and in client/config.py: the two say the same of each."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

import pytest
from minibroker.client.admin import Admin
from minibroker.client.blocking import Admin as BlockingAdmin
from minibroker.client.blocking import Consumer as BlockingConsumer
from minibroker.client.blocking import Producer as BlockingProducer
from minibroker.client.config import AdminConfig, ConnectionConfig, ConsumerConfig, ProducerConfig
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
    (Admin, AdminConfig),
    (BlockingAdmin, AdminConfig),
]


@pytest.mark.parametrize(("face", "config"), FACES)
def test_a_face_and_its_options_agree(face: type[Any], config: type[ConnectionConfig]) -> None:
    signature = inspect.signature(face.__init__).parameters
    shown = {name: each for name, each in signature.items() if name not in PARTS}
    kept = {each.name: each for each in fields(config) if each.init}
    assert shown.keys() == kept.keys()
    for name, each in kept.items():
        if each.default is not MISSING:
            assert shown[name].default == each.default, name
        if name not in WIDER:
            assert shown[name].annotation == each.type, name


@pytest.mark.parametrize(("face", "config"), FACES)
def test_what_is_told_of_options_is_told_of_options_there_are(
    face: type[Any], config: type[ConnectionConfig]
) -> None:
    text = inspect.cleandoc(face.__doc__ or "")  # Python 3.13 takes the indentation out itself
    told = text.split("Args:\n")[1].split("\n\n")[0]
    names = [
        name
        for line in told.splitlines()
        if line.startswith(" " * 4) and not line.startswith(" " * 5)
        for name in line.strip().partition(":")[0].split(", ")
    ]
    assert "bootstrap_servers" in names
    assert {*names} <= inspect.signature(face).parameters.keys()
