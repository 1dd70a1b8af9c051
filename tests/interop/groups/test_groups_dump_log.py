"""Kafka's own kafka-dump-log reads the log in which our broker keeps groups and offsets."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from minibroker.broker.groups.offsets import GroupsState
from minibroker.broker.groups.records import OffsetCommitValue, OffsetRecord, PendingRecord
from minibroker.broker.log.state_log import StateLog
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.names import GROUPS_LOG
from minibroker.protocol.batch.control import Marker

from tests.support.groups.group_scenarios import play
from tests.support.groups.group_stage import SETTINGS, prepare
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import fetch, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
TIMEOUT_S = 60


def dumped(data_dir: Path) -> str:
    """What kafka-dump-log says of the groups' log."""
    (file,) = (data_dir / GROUPS_LOG).glob("*.log")
    options = ["--offsets-decoder", "--files", str(file)]
    said = subprocess.run(
        ["java", "-cp", f"{fetch()}/*", "org.apache.kafka.tools.DumpLogSegments", *options],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stdout
    assert "isvalid: false" not in said
    return said


def test_kafka_decodes_our_groups_and_offsets(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, settings=SETTINGS) as broker:

        async def scenarios() -> None:
            await prepare("127.0.0.1", broker.port)
            for name in ("alone", "static_members", "every_request"):
                await play(name, "127.0.0.1", broker.port)

        asyncio.run(scenarios())
    said = dumped(tmp_path)
    assert re.search(r'"topic":"t","partition":0.*"offset":7,.*"metadata":"seven"', said)
    assert re.search(r'"generation":2,"protocol":"range".*"groupInstanceId":"two"', said)
    assert "payload: <DELETE>" in said or "payload: null" in said or '"payload":null' in said, said


def test_kafka_decodes_our_offsets_in_transactions(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path))
    log = StateLog(storage, GROUPS_LOG, GroupsState(), 0)

    def offset(partition: int, number: int) -> OffsetRecord:
        value = OffsetCommitValue(offset=number, metadata="m", commit_timestamp=1)
        return OffsetRecord("g", "t", partition, value)

    log.commit([offset(0, 3)], 0)
    log.commit([PendingRecord(77, 5, 1, offset(0, 10)), PendingRecord(77, 5, 2, offset(1, 11))], 0)
    log.commit([PendingRecord(78, 0, 3, offset(2, 20))], 0)
    log.commit([Marker(77, 6, is_commit=True, coordinator_epoch=0)], 0)
    log.commit([PendingRecord(79, 0, 5, offset(0, 30))], 0)
    log.begin_rewrite(0)  # copies of 78's and 79's, and of what is committed
    while log.append_portion(0):
        pass
    log.commit([Marker(78, 0, is_commit=False, coordinator_epoch=0)], 0)
    log.flush()
    log.log.close()
    said = dumped(tmp_path)
    assert re.search(r"producerId: 78 .*isTransactional: true isControl: false", said)
    assert re.search(r"headerKeys: \[copy\].*\"partition\":2.*\"offset\":20", said)
    assert re.search(r"headerKeys: \[copy\].*\"partition\":0.*\"offset\":10", said)
    assert re.search(r"headerKeys: \[\].*\"partition\":1.*\"offset\":11", said)
    assert re.search(r"endTxnMarker: ABORT coordinatorEpoch: 0", said)
