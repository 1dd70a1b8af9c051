"""A hello-world of each stream framework, in a group, against our broker.

Each reads a topic in a group, writes every text in capitals to another, commits and stops
(frameworks/). Then a second run of it finds nothing left to do but what has come since.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.matrix.environments import EnvironmentMissing, Runnable, python_packages
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.clients import WRITERS
from tests.support.records.stored import create_topic, read_records

PROGRAMS = "tests.interop.frameworks"
TIMEOUT_S = 90
FIRST, SECOND = 200, 50
FRAMEWORKS = {
    "faststream": ["faststream[kafka]==0.7.8", "aiokafka==0.14.0"],
    "quix": ["quixstreams==3.28.1"],
    "faust": ["faust-streaming==0.15.3", "aiokafka==0.14.0"],
}

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(data_dir=tmp_path_factory.mktemp("broker") / "data") as running:
        yield running


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_hello_world_runs_and_goes_on_where_it_stopped(
    broker: BrokerProcess, framework: str, tmp_path: Path
) -> None:
    try:
        program = python_packages(
            framework, f"{framework}_hello", FRAMEWORKS[framework], (3, 11), PROGRAMS
        )
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    source, target = f"{framework}-in", f"{framework}-out"
    for topic in (source, target):
        create_topic(broker.port, topic)
    texts: list[str] = []
    for count in (FIRST, SECOND):
        more = [f"text {number}" for number in range(len(texts), len(texts) + count)]
        WRITERS["confluent-kafka"](broker.bootstrap_servers, source, [t.encode() for t in more])
        texts += more
        names = (broker.bootstrap_servers, source, target, f"{framework}-group", str(count))
        _run(program, names, tmp_path)
        stored = [record.value for record in read_records(broker.port, target)]
        assert stored == [text.upper().encode() for text in texts]


def _run(program: Runnable, arguments: tuple[str, ...], folder: Path) -> None:
    done = subprocess.run(
        [*program.command, *arguments],
        env={**os.environ, **program.environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
