"""Seven foreign clients and ours: transactions through lost answers and kill -9, read by three.

What is committed is read once and whole, with its offset; what is aborted is never read; a producer
with a successor is fenced. `make txn-clients` does 1,000 transactions of each; N=60 and SEED=1 say
how many and which answers are lost, `ARGS='-k java'` who, KAFKA=1 asks a real Apache Kafka.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.matrix.environments import EnvironmentMissing
from tests.interop.transactional_clients.catalogue import CLIENTS, readers_of
from tests.interop.transactional_clients.session import Broker, Session
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = pytest.mark.interop
COUNT = int(os.environ.get("N", "60"))
SEED = int(os.environ.get("SEED", "1"))
SHOWN = 20


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


@pytest.mark.parametrize("client", CLIENTS)
async def test_all_or_nothing(client: str, broker: Broker, tmp_path: Path) -> None:
    try:
        runnable = CLIENTS[client]()
        readers = {name: CLIENTS[name]() for name in readers_of(client)}
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "said"
    folder.mkdir()
    session = Session(client, runnable, readers, broker, folder, count=COUNT, seed=SEED)
    print(f"\n{await session.run()}")
    findings = session.account.findings
    told = (folder / "told.txt").read_text()
    assert not findings, "\n".join([*findings[:SHOWN], told])
    assert session.account.outcomes["fenced"] >= 2, told
    assert session.lost_answers > 0
