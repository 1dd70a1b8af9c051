"""Every foreign client in every version we promise, against one broker (`make interop`).

One client alone: `make interop ARGS='-k kcat'`. Clients in catalogue.py, checks in stage.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.matrix.catalogue import CLIENTS, Client
from tests.interop.matrix.environments import EnvironmentMissing
from tests.interop.matrix.report import Report, allowed
from tests.interop.matrix.stage import ProgramFailed, Stage
from tests.support.processes.broker import BrokerProcess

CHECKS = [
    pytest.param(client, check, id=f"{client.name}-{check}")
    for client in CLIENTS
    for check in client.checks()
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    data_dir: Path = tmp_path_factory.mktemp("broker") / "data"
    with BrokerProcess(data_dir=data_dir, durability="page-cache") as broker:
        yield Stage(broker)


@pytest.mark.interop
@pytest.mark.parametrize(("client", "check"), CHECKS)
def test_client(client: Client, check: str, stage: Stage, report: Report) -> None:
    try:
        report.versions[client.name] = stage.prepare(client)
    except EnvironmentMissing as missing:
        report.missing[client.name] = str(missing)
        pytest.skip(str(missing))
    try:
        stage.perform(client, check)
    except (AssertionError, ProgramFailed) as error:
        report.failed[client.name, check] = str(error)
        if (client.name, check) in allowed():
            raise
        pytest.xfail(str(error))
    report.passed.add((client.name, check))
