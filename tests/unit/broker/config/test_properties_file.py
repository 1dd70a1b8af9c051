"""A properties file is read as java.util.Properties reads it."""

import pytest
from minibroker.broker.config.properties import ConfigError
from minibroker.broker.config.properties_file import parse_properties
from minibroker.broker.config.sources import Layer, load


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1", {"a": "1"}),
        ("a : 1", {"a": "1"}),
        ("a 1", {"a": "1"}),
        ("a\t=\f1", {"a": "1"}),
        ("  a==1", {"a": "=1"}),
        ("a:=1", {"a": "=1"}),
        ("a=b=c:d", {"a": "b=c:d"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("=1", {"": "1"}),
        ("a=1 ", {"a": "1 "}),
        ("# a=1\n! b=2\n\n \t\n c=3", {"c": "3"}),
        ("a=1#2", {"a": "1#2"}),
        ("a=1\r\nb=2\rc=3\n", {"a": "1", "b": "2", "c": "3"}),
        ("a=1,\\\n   2,\\\r\n\t3\nb=4", {"a": "1,2,3", "b": "4"}),
        ("a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        ("a=1\\\\\\\n2", {"a": "1\\2"}),
        ("a=1\\\n# no comment", {"a": "1# no comment"}),
        ("# ends in a backslash \\\na=1", {"a": "1"}),
        ("a=1\\", {"a": "1"}),
        ("a\\ b\\=c\\:d=1", {"a b=c:d": "1"}),
        ("a=\\t\\n\\r\\f\\q\\\\", {"a": "\t\n\r\fq\\"}),
        ("a=\\u0041\\u00e4", {"a": "A\u00e4"}),
        ("a=C:\\\\data", {"a": "C:\\data"}),
        ("\ufeffa=1", {"a": "1"}),
        ("a=1\na=2", {"a": "2"}),
        ("", {}),
    ],
)
def test_what_a_file_says(text: str, found: dict[str, str]) -> None:
    assert parse_properties(text) == found


@pytest.mark.parametrize("escape", ["\\u12", "\\uxyzt", "\\u"])
def test_an_escape_that_is_none_is_named_with_its_line(escape: str) -> None:
    with pytest.raises(ConfigError, match=r"line 3: .*four hexadecimal digits"):
        parse_properties(f"a=1\n\nb={escape}\n")


SHIPPED = """
############################# Server Basics #############################
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093

############################# Socket Server Settings #############################
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600

############################# Log Basics #############################
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1

############################# Internal Topic Settings  #############################
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1

############################# Log Retention Policy #############################
log.retention.hours=168
#log.retention.bytes=1073741824
#log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


def test_the_file_that_kafka_ships_is_taken_as_it_is() -> None:
    loaded = load([Layer("server.properties", parse_properties(SHIPPED))])
    (listener,) = loaded.listeners
    assert (listener.name, listener.host, listener.port) == ("PLAINTEXT", "", 9092)
    assert (listener.advertised_host, listener.advertised_port) == ("localhost", 9092)
    assert loaded.config.log_dirs == ("/tmp/kraft-combined-logs",)
    assert loaded.config.durability == "fsync"
    assert all("no effect" in warning for warning in loaded.warnings)
