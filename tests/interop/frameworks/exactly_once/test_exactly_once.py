"""Streams, Connect, Flink and Quix, each exactly once, on our broker: killed, results exact.

The framework is killed twice, the broker once between, each time with transactions open (stage.py);
then every word's counts are read committed: 1, 2, 3, ... `N=2000` says how many words, KAFKA=1 asks
a real Apache Kafka instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.frameworks.exactly_once.stage import KILLS, WORDS, Stage, faults_in
from tests.interop.matrix.environments import (
    EnvironmentMissing,
    Runnable,
    maven_program,
    python_packages,
)
from tests.interop.transactional_clients.session import Broker
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import VERSION, RealKafka, missing_tools

COUNT = int(os.environ.get("N", "2000"))
PROGRAMS = Path(__file__).with_name("programs")
PACKAGE = "tests.interop.frameworks.exactly_once.programs"
FLINK = "2.2.1"


def _streams() -> Runnable:
    return maven_program(
        "streams-exactly-once",
        PROGRAMS / "WordCount.java",
        [f"org.apache.kafka:kafka-streams:{VERSION}"],
    )


def _connect() -> Runnable:
    return maven_program(
        "connect-exactly-once",
        PROGRAMS / "CountingSource.java",
        [f"org.apache.kafka:connect-runtime:{VERSION}"],
    )


def _flink() -> Runnable:
    parts = ("flink-streaming-java", "flink-clients", "flink-connector-base")
    return maven_program(
        "flink-exactly-once",
        PROGRAMS / "CountingJob.java",
        [
            *(f"org.apache.flink:{part}:{FLINK}" for part in parts),
            "org.apache.flink:flink-connector-kafka:5.0.0-2.2",
        ],
    )


def _quix() -> Runnable:
    return python_packages("quix", "quix_count", ["quixstreams==3.28.1"], (3, 11), PACKAGE)


FRAMEWORKS: dict[str, Callable[[], Runnable]] = {
    "streams": _streams,
    "connect": _connect,
    "flink": _flink,
    "quix": _quix,
}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if os.environ.get("KAFKA"):
        if (reason := missing_tools()) is not None:
            pytest.skip(reason)
        with RealKafka() as kafka:
            yield kafka
    else:
        with BrokerProcess(data_dir=tmp_path / "data", durability="fsync") as ours:
            yield ours


@pytest.mark.interop
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_every_word_is_counted_once(framework: str, broker: Broker, tmp_path: Path) -> None:
    try:
        runnable = FRAMEWORKS[framework]()
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "program"
    folder.mkdir()
    draws_itself = framework == "connect"
    stage = Stage(framework, runnable, broker, folder, draws_itself=draws_itself, count=COUNT)
    print(f"\n{await stage.run()}")
    for read in (stage.read, await stage.read_anew()):
        assert not faults_in(read, COUNT), stage.said()
    assert len(stage.open_at_kills) == len(KILLS)


def test_what_is_lost_or_counted_twice_is_told() -> None:
    exact = {word: [1, 2] for word in WORDS}
    count = 2 * len(WORDS)
    assert not faults_in(exact, count)
    twice, missing, swapped = WORDS[:3]
    spoilt = exact | {twice: [1, 2, 2], missing: [2], swapped: [2, 1]}
    assert faults_in(spoilt, count) == [
        f"{twice}: 3 of 2; twice [2], missing []",
        f"{missing}: 1 of 2; twice [], missing [1]",
        f"{swapped}: 2 of 2; twice [], missing []",
    ]
