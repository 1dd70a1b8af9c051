"""EDGE: data directories that earlier versions have left are opened, and nothing in them is lost.

They are in tests/golden/directories, with what a broker on them must know. What nobody can see any
more by reading counts most: the producers of segments that have gone stand in snapshots only.
"""

from __future__ import annotations

import asyncio
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.golden.write_directory import FOLDER
from tests.support.directories.directory_contents import contents, send
from tests.support.processes.broker import ForkedBroker

DIRECTORIES = sorted(FOLDER.glob("*/*.tar.xz"))


@pytest.fixture(params=DIRECTORIES, ids=lambda path: f"{path.parent.name}-{path.name[:-7]}")
def archive(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def expected_of(archive: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((archive.parent / "expected.json").read_text())
    return expected[archive.name.removesuffix(".tar.xz")]  # type: ignore[no-any-return]


async def wrong_answers(port: int, retries: list[dict[str, Any]]) -> list[str]:
    connection = await Connection.open("127.0.0.1", port)
    try:
        found = []
        for each in retries:
            batch = bytes.fromhex(each["batch"])
            answer = await send(connection, each["topic"], each["partition"], batch)
            if answer != (0, each["offset"]):
                found.append(f"{each['topic']}-{each['partition']}: {each['offset']}, not {answer}")
        return found
    finally:
        await connection.close()


async def new_producer_id(port: int) -> int:
    connection = await Connection.open("127.0.0.1", port)
    try:
        ask = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        answer = await connection.request(ask)
        producer_id: int = answer.producer_id
        return producer_id
    finally:
        await connection.close()


def test_everything_in_a_directory_of_an_earlier_version_is_there(
    archive: Path, tmp_path: Path
) -> None:
    expected = expected_of(archive)
    retries = expected.pop("retries")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    used = {int.from_bytes(bytes.fromhex(each["batch"])[43:51]) for each in retries}
    with ForkedBroker(data_dir=tmp_path) as broker:
        assert asyncio.run(contents(broker.port)) == expected
        assert asyncio.run(wrong_answers(broker.port, retries)) == []
        assert asyncio.run(new_producer_id(broker.port)) not in used
        broker.kill()
        broker.start()  # what it has written in its own format by now is read, too
        assert asyncio.run(wrong_answers(broker.port, retries)) == []
        broker.restart()
        assert asyncio.run(wrong_answers(broker.port, retries)) == []
        assert asyncio.run(contents(broker.port)) == expected


def test_every_version_has_left_both_kinds() -> None:
    assert [f"{each.parent.name}/{each.name}" for each in DIRECTORIES][:2] == [
        "0.1.0/killed.tar.xz",
        "0.1.0/stopped.tar.xz",
    ]
