"""The log shipper, killed on purpose (SIGKILL) while the log grows and is rotated."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
import shipper

WAIT_S = 30


@pytest.fixture
def log(tmp_path):
    return tmp_path / "app.log"


@pytest.fixture
def command(log, kafka_broker, kafka_topic, tmp_path):
    words = [str(log), kafka_broker.bootstrap_servers, kafka_topic, str(tmp_path / "session")]
    return [sys.executable, shipper.__file__, *words]


def write(log, *numbers):
    with log.open("ab") as file:
        for number in numbers:
            file.write(line(number) + b"\n")


def line(number):
    return b"line %03d" % number


def rotate(log):
    for number in (2, 1):
        if log.with_name(f"app.log.{number}").exists():
            log.with_name(f"app.log.{number}").rename(log.with_name(f"app.log.{number + 1}"))
    log.rename(log.with_name("app.log.1"))


@contextmanager
def running(command):
    with subprocess.Popen(command) as process:
        yield process
        process.terminate()
        assert process.wait(WAIT_S) == 0


def test_a_log_is_followed_over_its_rotations(log, command, kafka_broker, kafka_topic):
    write(log, *range(10))
    with running(command):
        kafka_broker.wait_stored(kafka_topic, 10)
        write(log, 10)
        rotate(log)
        write(log, 11, 12)
        kafka_broker.wait_stored(kafka_topic, 13)
    values = [each.value for each in kafka_broker.records(kafka_topic)]
    assert values == [line(number) for number in range(13)]


def test_a_shipper_that_is_killed_goes_on(log, command, kafka_broker, kafka_topic, kafka_faults):
    write(log, *range(10))
    held = kafka_faults.hold("Produce", at="appended", topic=kafka_topic)
    with subprocess.Popen(command) as first:
        held.wait_reached()  # stored, and the shipper does not know
        first.kill()
    held.release()
    write(log, 10)
    rotate(log)
    write(log, 11)
    rotate(log)
    write(log, 12)
    with running(command):
        kafka_broker.wait_stored(kafka_topic, 13)
    values = [each.value for each in kafka_broker.records(kafka_topic)]
    assert values == [line(number) for number in range(13)]
