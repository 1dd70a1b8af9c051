"""The starter itself: a node that was killed or stopped comes back with its data."""

from __future__ import annotations

import pytest

from tests.support.processes.kafka import RealKafka, RealKafkaError, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
TOPICS = "org.apache.kafka.tools.TopicCommand"


def test_a_node_keeps_its_data_and_address_over_kill_and_stop() -> None:
    with RealKafka() as kafka:
        here = ("--bootstrap-server", kafka.bootstrap_servers)
        kafka.tool(TOPICS, *here, "--create", "--topic", "kept").check_returncode()
        kafka.kill()
        kafka.start()
        kafka.stop()
        kafka.start()
        assert kafka.tool(TOPICS, *here, "--list").stdout.split() == ["kept"]
        assert (kafka.data_dir() / "kept-0").is_dir()
        home = kafka.data_dir()
    assert not home.exists()


def test_a_node_that_cannot_start_is_an_error_in_kafkas_words() -> None:
    with pytest.raises(RealKafkaError, match=r"num\.network\.threads"):
        RealKafka(settings={"num.network.threads": "0"}).__enter__()
