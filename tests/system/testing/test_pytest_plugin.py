"""The pytest plugin, seen from a project that uses it with clients of its own."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest_plugins = "pytester"

# The plugin by its module, whatever the installed entry points say, which take time to load.
OPTIONS = ("-p", "minibroker.testing.pytest_plugin", "-q")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
BOUND_S = 300  # a bound for busy machines

CLIENTS = """
import asyncio
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError
from minibroker.client import Producer


def send(address, topic, *values, **options):
    producer = KafkaProducer(bootstrap_servers=address, acks="all", **options)
    for value in values:
        producer.send(topic, value).get(10)
    producer.close()


def test_blocking(kafka_broker, kafka_topic):
    send(kafka_broker.bootstrap_servers, kafka_topic, b"a", b"b")
    kafka_broker.assert_stored_once(kafka_topic, [b"a", b"b"])


def test_a_topic_of_its_own(kafka_broker, kafka_topic):
    assert kafka_broker.records(kafka_topic) == []


def test_a_fresh_broker(kafka_broker, fresh_kafka_broker):
    assert fresh_kafka_broker.bootstrap_servers != kafka_broker.bootstrap_servers
    send(fresh_kafka_broker.bootstrap_servers, "t", b"a")
    assert [record.value for record in fresh_kafka_broker.records("t")] == [b"a"]


@pytest.mark.parametrize("name", ["a b", "ä/ö", ".."])
def test_any_name(kafka_broker, kafka_topic, name):
    assert kafka_broker.records(kafka_topic) == []


def test_a_lost_answer(kafka_broker, kafka_topic, kafka_faults):
    lost = kafka_faults.lose_reply(api="Produce", topic=kafka_topic, nth=1)
    send(kafka_broker.bootstrap_servers, kafka_topic, b"a", enable_idempotence=True)
    kafka_broker.assert_stored_once(kafka_topic, [b"a"])
    assert lost.fired == 1
    kafka_faults.assert_all_fired()


def test_faults_of_the_test_before_are_gone(kafka_broker, kafka_topic, kafka_faults):
    assert kafka_faults.armed == ()
    kafka_faults.crash(at="appended", topic=kafka_topic)
    with pytest.raises(KafkaError):
        send(kafka_broker.bootstrap_servers, kafka_topic, b"a", delivery_timeout_ms=300,
             request_timeout_ms=200)
    kafka_broker.wait_ended()


def test_a_broker_that_a_test_has_ended_is_there_again(kafka_broker, kafka_topic, kafka_faults):
    send(kafka_broker.bootstrap_servers, kafka_topic, b"a")


def test_async(kafka_broker, kafka_topic, kafka_faults):
    async def main():
        held = kafka_faults.hold(at="appended", topic=kafka_topic)
        async with Producer(bootstrap_servers=kafka_broker.bootstrap_servers) as producer:
            delivery = await producer.send(kafka_topic, value=b"a")
            await held.reached()
            held.release()
            await delivery

    asyncio.run(main())
"""

FAILING = """
from kafka import KafkaProducer

def test_that_fails(kafka_broker, kafka_topic, kafka_faults):
    kafka_faults.lose_reply(api="Produce", topic=kafka_topic, nth=9)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers, client_id="shop")
    producer.send(kafka_topic, b"a").get(10)
    producer.close()
    assert False, "on purpose"

def test_that_fails_without_a_broker():
    assert False

def test_whose_broker_dies(fresh_kafka_broker):
    fresh_kafka_broker.kill()
    assert False
"""


WORKERS = """
import os
import pytest

@pytest.mark.parametrize("number", range(4))
def test_on_a_worker(kafka_broker, kafka_topic, number):
    assert kafka_broker.records(kafka_topic) == []
    with open("seen", "a") as seen:
        print(os.environ["PYTEST_XDIST_WORKER"], kafka_broker.bootstrap_servers, file=seen)
"""

SET_UP = """
import pytest

def test_the_ini_file_holds_for_all(kafka_broker, fresh_kafka_broker):
    for broker in kafka_broker, fresh_kafka_broker:
        broker.produce("many", b"a", partition=4)
    assert "fsync" in repr(kafka_broker)

@pytest.mark.kafka(settings={"num.partitions": 2}, durability="memory")
def test_a_marker_holds_for_one(fresh_kafka_broker):
    from minibroker.client import ClientError
    fresh_kafka_broker.produce("few", b"a", partition=1)
    with pytest.raises(ClientError):
        fresh_kafka_broker.produce("few", b"a", partition=2)
    assert "memory" in repr(fresh_kafka_broker)

class TestTogether:
    def test_first(self, kafka_broker, kafka_class_topic, kafka_module_topic):
        kafka_broker.produce(kafka_class_topic, b"a")
        kafka_broker.produce(kafka_module_topic, b"a")

    def test_second(self, kafka_broker, kafka_class_topic, kafka_module_topic):
        kafka_broker.assert_stored_once(kafka_class_topic, [b"a"])
        kafka_broker.assert_stored_once(kafka_module_topic, [b"a"])

def test_elsewhere(kafka_broker, kafka_module_topic):
    kafka_broker.assert_stored_once(kafka_module_topic, [b"a"])
"""

MISUSED = """
import pytest

@pytest.mark.kafka(settings={"num.partitions": 2})
def test_that_uses_another(kafka_broker):
    pass

@pytest.mark.kafka(setings={"num.partitions": 2})
def test_that_is_mistyped(fresh_kafka_broker):
    pass
"""

ENDLESS = """
import threading

def test_that_never_ends(kafka_broker, fresh_kafka_broker):
    kafka_broker.produce("t", b"a")
    print("here", flush=True)
    threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)


def test_blocking_and_async_clients_are_served_and_failures_explained(
    pytester: pytest.Pytester,
) -> None:
    """Both in one run: starting it, and importing the client, takes longer than the tests."""
    pytester.makepyfile(test_clients=CLIENTS, test_failing=FAILING)
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    result.assert_outcomes(passed=10, failed=3)
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    assert all(line.startswith("FAILED test_failing.py") for line in failed), failed
    result.stdout.fnmatch_lines(
        [
            "*kafka_broker: faults*",
            "lose_reply(*nth=9*) fired 0 of 1 matches",
            "*kafka_broker: requests*",
            "*shop: Produce v* test_that_fails-*-0 *(1 record) -> answered",
            "*fresh_kafka_broker: requests*",
            "the broker has ended*",
        ]
    )
    assert result.stdout.str().count(": requests") == 2


def test_each_worker_of_xdist_has_a_broker_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WORKERS)
    workers = ("-p", "xdist.plugin", "-n", "2")
    result = pytester.runpytest_subprocess(*OPTIONS, *workers, timeout=BOUND_S)
    result.assert_outcomes(passed=4)
    seen = {tuple(line.split()) for line in (pytester.path / "seen").read_text().splitlines()}
    assert sorted(worker for worker, _ in seen) == ["gw0", "gw1"]
    assert len({address for _, address in seen}) == 2


def test_the_plugin_imports_nothing_before_a_fixture_is_used() -> None:
    code = """if True:
        import sys, pytest, minibroker.testing.pytest_plugin
        ours = {name for name in sys.modules if name.startswith("minibroker.")}
        assert ours == {"minibroker.testing", "minibroker.testing.pytest_plugin"}, ours
        assert "asyncio" not in sys.modules and "construct" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=BOUND_S)


def test_brokers_are_set_up_by_ini_file_and_marker(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkafka_settings =\n    num.partitions=5\nkafka_durability = fsync\n")
    pytester.makepyfile(SET_UP)
    result = pytester.runpytest_subprocess(*OPTIONS, "--strict-markers", timeout=BOUND_S)
    result.assert_outcomes(passed=5)


def test_a_marker_that_would_do_nothing_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MISUSED)
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    assert result.ret != 0
    said = "\n".join(result.outlines + result.errlines)
    assert "sets up fresh_kafka_broker, which this test does not use" in said
    assert "the marker is kafka(" in said


def test_a_test_run_that_is_ended_by_sigterm_leaves_nothing_behind(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pytester.makepyfile(ENDLESS)
    command = [sys.executable, "-m", "pytest", *OPTIONS, "-s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any("here" in line for line in iter(running.stdout.readline, ""))
        brokers = [each for each in tmp_path.iterdir() if each.name.startswith("minibroker-")]
        assert len(brokers) == 3  # two brokers, and what forks them
        running.terminate()
        running.wait(BOUND_S)
    until = time.monotonic() + BOUND_S
    while any(each.exists() for each in brokers):
        assert time.monotonic() < until, [*tmp_path.iterdir()]
        select.select((), (), (), 0.02)
