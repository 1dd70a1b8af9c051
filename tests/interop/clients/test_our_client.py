"""Our client and its commands against a real Apache Kafka."""

from __future__ import annotations

import subprocess
import sys

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.client import Producer
from minibroker.testing.proxy import Proxy

from tests.support.processes.broker import RUN
from tests.support.processes.kafka import RealKafka, missing_tools
from tests.system.client.test_client import CODECS, read_all

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
RECORDS = 10_000


def test_lines_through_the_commands() -> None:
    with RealKafka() as kafka:
        here = ["--bootstrap-server", kafka.bootstrap_servers]
        for command, data, expected in (
            (["produce", "t"], b"a\nb\n", b""),
            (["consume", "t", "--from-beginning"], b"", b"a\nb\n"),
        ):
            done = subprocess.run(
                [sys.executable, "-c", RUN, *command, *here],
                input=data, capture_output=True, timeout=60, check=True,
            )  # fmt: skip
            assert done.stdout == expected


async def test_lost_answers_store_every_record_once_with_every_codec() -> None:
    sent = [b"%d" % number for number in range(RECORDS)]
    with RealKafka() as kafka:
        for codec in CODECS:
            rule = Rule(action=LoseReply(), api="Produce", every=5)
            async with (
                Proxy(kafka.bootstrap_servers, [rule]) as proxy,
                Producer(
                    proxy.bootstrap_servers, compression_type=codec, batch_size=4_000
                ) as producer,
            ):
                for value in sent:
                    await producer.send(codec, value, partition=0)
            assert proxy.rules[0].fired > 2
            assert await read_all(kafka.bootstrap_servers, codec) == sent
