"""Kafka's own kafka-dump-log reads the log in which our broker keeps groups and offsets."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.groups.group_scenarios import play
from tests.support.groups.group_stage import SETTINGS, prepare
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import fetch, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
TIMEOUT_S = 60


def test_kafka_decodes_our_groups_and_offsets(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path, settings=SETTINGS) as broker:

        async def scenarios() -> None:
            await prepare("127.0.0.1", broker.port)
            for name in ("alone", "static_members", "every_request"):
                await play(name, "127.0.0.1", broker.port)

        asyncio.run(scenarios())
    (file,) = (tmp_path / "__consumer_offsets-0").glob("*.log")
    options = ["--offsets-decoder", "--files", str(file)]
    said = subprocess.run(
        ["java", "-cp", f"{fetch()}/*", "org.apache.kafka.tools.DumpLogSegments", *options],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stdout
    assert "isvalid: false" not in said
    assert re.search(r'"topic":"t","partition":0.*"offset":7,.*"metadata":"seven"', said)
    assert re.search(r'"generation":2,"protocol":"range".*"groupInstanceId":"two"', said)
    assert "payload: <DELETE>" in said or "payload: null" in said or '"payload":null' in said, said
