"""EDGE: a real Prometheus scrapes the broker, and promtool finds nothing to say about what it gets.

Both come with Debian's package `prometheus`; they are looked for on the PATH.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from minibroker.broker.metrics.family import Kind
from minibroker.broker.metrics.scrape import FAMILIES
from minibroker.client import Fatal
from minibroker.client.blocking import Admin, Consumer, Producer

from tests.support.metrics.well_known import DASHBOARDS
from tests.support.pages import dashboard, monitoring_page
from tests.support.processes.broker import BrokerProcess

pytestmark = pytest.mark.interop
WAIT_S = 60.0
WATCH = monitoring_page.ALERTS.parent
NO_SUM = 'non-histogram and non-summary metrics should not have "_sum" suffix'
# What promtool says of names that are not ours: kafka_exporter's and the JMX exporter's.
SAID_OF_OTHERS = {
    f"{name} {what}"
    for name, what in (
        ("kafka_consumergroup_current_offset_sum", NO_SUM),
        ("kafka_consumergroup_lag_sum", NO_SUM),
        (
            "kafka_server_delayedoperationpurgatory_purgatorysize",
            "label names should be written in 'snake_case' not 'camelCase'",
        ),
    )
}


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on the PATH; it comes with the package `prometheus`")
    return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrokerProcess, str]]:
    """A broker that has had some of everything, and the URL of its metrics."""
    tool("promtool")  # without it nobody needs the broker
    options = ("--metrics", "127.0.0.1:0")
    with BrokerProcess(data_dir=tmp_path_factory.mktemp("data"), options=options) as broker:
        servers = broker.bootstrap_servers
        with Admin(servers) as admin:
            admin.create_topic("orders", num_partitions=2, configs={"max.message.bytes": "200"})
        with Producer(servers) as producer:
            for number in range(5):
                producer.send_and_wait("orders", b"%d" % number, partition=number % 2)
            with pytest.raises(Fatal):
                producer.send_and_wait("orders", b"x" * 1000)
        consumer = Consumer(
            "orders", bootstrap_servers=servers, group_id="g", auto_offset_reset="earliest"
        )
        with consumer:
            left = 5
            while left:
                left -= sum(map(len, consumer.getmany(timeout_ms=1000).values()))
            consumer.commit()
        url = re.search(r" metrics=(\S+)", broker.ready_line)
        assert url is not None
        yield broker, url.group(1)


def test_promtool_has_nothing_to_say_but_of_names_of_others(
    watched: tuple[BrokerProcess, str],
) -> None:
    promtool = tool("promtool")
    with urlopen(watched[1], timeout=WAIT_S) as answer:
        text = answer.read()
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, timeout=WAIT_S, check=False
    )
    said = {*(done.stdout + done.stderr).decode().splitlines()}
    assert said == SAID_OF_OTHERS


def test_promtool_takes_the_alerts() -> None:
    promtool = tool("promtool")
    done = subprocess.run(
        [promtool, "check", "rules", monitoring_page.ALERTS],
        capture_output=True,
        timeout=WAIT_S,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def prometheus(url: str, directory: Path) -> Iterator[str]:
    """A Prometheus that scrapes an URL as the compose profile does; gives its own URL."""
    program = tool("prometheus")
    config = yaml.safe_load((WATCH / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(monitoring_page.ALERTS)]
    host, _, _ = url.removeprefix("http://").partition("/")
    config["scrape_configs"][0]["static_configs"] = [{"targets": [host]}]
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        program,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "ready to receive web requests" in line:
                    break
            else:
                pytest.fail("Prometheus ended by itself")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def asked(at: str, expression: str) -> list[Any]:
    query = urlencode({"query": expression})
    with urlopen(f"{at}/api/v1/query?{query}", timeout=WAIT_S) as answer:
        told = json.loads(answer.read())
    assert told["status"] == "success", told
    found: list[Any] = told["data"]["result"]
    return found


def expressions_shown() -> list[str]:
    board = json.loads(dashboard.BOARD.read_text())
    shown = [each["expr"] for panel in board["panels"] for each in panel.get("targets", ())]
    return [each.replace("$__rate_interval", "1m") for each in shown]


def test_a_real_prometheus_scrapes_it_and_dashboards_fill(
    watched: tuple[BrokerProcess, str], tmp_path: Path
) -> None:
    broker, url = watched
    with prometheus(url, tmp_path) as at:
        deadline = time.monotonic() + WAIT_S
        scrapes = 'count_over_time(up{job="minibroker"}[1m])'
        while not (found := asked(at, scrapes)) or int(found[0]["value"][1]) < 4:
            assert time.monotonic() < deadline, broker.said
        assert asked(at, "up")[0]["value"][1] == "1"
        offsets = {
            each["metric"]["partition"]: each["value"][1]
            for each in asked(at, 'kafka_topic_partition_current_offset{topic="orders"}')
        }
        assert offsets == {"0": "3", "1": "2"}
        for each in (*DASHBOARDS, *expressions_shown()):
            asked(at, each)  # and where a topic is written to, there is something to see
        empty = [each for each in DASHBOARDS if not asked(at, each)]
        assert not empty
        names = asked(at, 'count by (__name__) ({job="minibroker"})')
        told = {each["metric"]["__name__"] for each in names}
        plain = (Kind.COUNTER, Kind.GAUGE)
        assert {x.name for x in FAMILIES if x.kind in plain and not x.labels} <= told
        with urlopen(f"{at}/api/v1/rules", timeout=WAIT_S) as answer:
            rules = json.loads(answer.read())["data"]["groups"][0]["rules"]
        assert {each["health"] for each in rules} <= {"ok", "unknown"}
        assert len(rules) == sum(1 for each in FAMILIES if each.alert) + 1
