"""EDGE: every attack at a small size, requests drawn from the schemas, and the judge itself.

`make hostile` has the real sizes and the real bounds. Here others may use the machine at the same
time, so that only what no busy machine explains is a failure: somebody who is not answered, a
broker that reports a fault of its own, a good client that is disturbed or waits for seconds.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from minibroker.broker.apis.served import SERVED
from minibroker.protocol.apis import request_type
from minibroker.protocol.codec.compiler import decoder
from minibroker.protocol.errors import DecodeError
from minibroker.protocol.header import decode_request_header

from tests.fuzz.bystander import TOPIC
from tests.hostile.attacker import ATTACKS
from tests.hostile.drawn import drawn
from tests.hostile.judge import Bounds, judge
from tests.support.processes.broker import ForkedBroker
from tests.support.records.stored import create_topic

SIZE = 0.01
DRAWN, DRAWN_S, DRAWN_BYTES_MAX, SEED = 150, 10.0, 10_000, 13
TEXTS = sum(last - first + 1 for first, last in (each.versions for each in SERVED.values()))
BUSY = Bounds(worst_ms=5_000, p99_ms=2_000, quiet_s=0.1, looked_s=0.1)
FROZEN_S = 0.6
OFFERED = {key: api.versions for key, api in SERVED.items()}


@pytest.fixture
def broker() -> Iterator[ForkedBroker]:
    """In memory: no attack of these sizes needs a disk."""
    with ForkedBroker() as running:
        create_topic(running.port, TOPIC)
        yield running
        running.kill()  # how it stops after all that is no question here


def test_no_attack_of_a_small_size_harms_anybody(broker: ForkedBroker) -> None:
    judged = judge(broker, "small", ["named", "{port}", str(SIZE), *ATTACKS], BUSY)
    assert not judged.faults


def test_requests_drawn_from_the_schemas_harm_nobody(broker: ForkedBroker) -> None:
    told = map(str, (SEED, 0, DRAWN, DRAWN_S, DRAWN_BYTES_MAX))
    judged = judge(broker, "drawn", ["drawn", "{port}", *told], BUSY)
    assert not judged.faults
    assert sum("number" in each for each in judged.told) > DRAWN / 10


def test_a_text_too_long_to_be_quoted_is_answered_by_every_api(broker: ForkedBroker) -> None:
    """An answer that quotes it whole cannot be written: that would be an error in the log."""
    judged = judge(broker, "texts", ["texts", "{port}", str(SEED), str(TEXTS)], BUSY)
    assert not judged.faults
    assert sum("number" in each for each in judged.told) == TEXTS


def test_every_api_is_drawn_and_most_requests_can_be_read() -> None:
    seen, unread = set(), 0
    for number in range(600):
        frame = memoryview(drawn(SEED, number, OFFERED, DRAWN_BYTES_MAX).frame)[4:]
        header, position = decode_request_header(frame)
        seen.add(header.api_key)
        try:
            decoder(request_type(header.api_key), header.api_version)(frame, position)
        except DecodeError:
            unread += 1
    assert seen == set(SERVED)
    assert unread < 30


def test_a_drawn_request_follows_from_its_seed_and_number_alone() -> None:
    again = [drawn(SEED, number, OFFERED).frame for number in (7, 3)]
    assert again[::-1] == [drawn(SEED, number, OFFERED).frame for number in (3, 7)]
    assert drawn(SEED + 1, 7, OFFERED).frame != again[0]


def test_the_judge_sees_a_broker_that_stands_still(broker: ForkedBroker) -> None:
    def freeze() -> None:
        os.kill(broker.pid, signal.SIGSTOP)
        threading.Timer(FROZEN_S, os.kill, (broker.pid, signal.SIGCONT)).start()

    bounds = Bounds(quiet_s=0.1, meanwhile=freeze)
    judged = judge(broker, "frozen", ["named", "{port}", "0"], bounds)
    assert any("the good client waited" in each for each in judged.faults)


def test_the_judge_sees_a_broker_that_dies(broker: ForkedBroker) -> None:
    bounds = Bounds(quiet_s=0.1, meanwhile=lambda: os.kill(broker.pid, signal.SIGKILL))
    judged = judge(broker, "killed", ["named", "{port}", "0"], bounds)
    assert "the broker died" in judged.faults
