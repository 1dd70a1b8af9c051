"""EDGE: the names we take from the JMX exporter are what it calls them at a running Apache Kafka.

The agent comes by Maven and runs in Kafka's process. That we tell the same names and labels is held
by tests/system/metrics/test_metrics.py; here the list itself (well_known.py) is held to Kafka.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest
from minibroker.client.blocking import Admin, Consumer, Producer
from prometheus_client.parser import text_string_to_metric_families

from tests.support.metrics import well_known
from tests.support.processes.kafka import FETCH_TIMEOUT_S, RealKafka, missing_tools

pytestmark = pytest.mark.interop
AGENT = "io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1"
RULES = Path(well_known.__file__).with_name("jmx_rules.yml")
WAIT_S = 60.0
# By topic only where one failed in a way that Kafka did not expect: it does not count refusals.
ONLY_IN_ALL = {
    "kafka_server_brokertopicmetrics_failedproducerequests_total",
    "kafka_server_brokertopicmetrics_failedfetchrequests_total",
}


def agent(directory: Path) -> Path:
    """The agent's jar; skips without Maven."""
    if why := missing_tools():
        pytest.skip(why)
    if shutil.which("mvn") is None:
        pytest.skip("needs mvn to fetch the JMX exporter, which is not on the PATH")
    goal = ("dependency:copy", f"-Dartifact={AGENT}", f"-DoutputDirectory={directory}")
    done = subprocess.run(
        ["mvn", "-q", "-B", *goal],
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (jar,) = directory.glob("*.jar")
    return jar


def used(servers: str) -> None:
    """A record sent, read and its position committed."""
    with Admin(servers) as admin:
        admin.create_topic("orders")
    with Producer(servers) as producer:
        producer.send_and_wait("orders", b"x")
    consumer = Consumer(
        "orders", bootstrap_servers=servers, group_id="g", auto_offset_reset="earliest"
    )
    with consumer:
        while not consumer.getmany(timeout_ms=1000):
            pass
        consumer.commit()


def test_each_name_and_its_labels_are_those_of_a_running_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = agent(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        at = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-javaagent:{jar}={at}:{RULES}")
    with RealKafka(is_quick=True) as kafka:
        used(kafka.bootstrap_servers)
        with urlopen(f"http://{at}/metrics", timeout=WAIT_S) as answer:
            text = answer.read().decode()
    told: dict[str, set[frozenset[str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            told.setdefault(sample.name, set()).add(frozenset(sample.labels))
    for name, labels in well_known.JMX_EXPORTER.items():
        asked = frozenset[str]() if name in ONLY_IN_ALL else frozenset(labels)
        assert asked in told.get(name, ()), name
