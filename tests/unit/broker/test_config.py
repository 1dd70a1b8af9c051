"""Configuration: precedence, Kafka's spellings, and errors that say what to do."""

import pytest
from minibroker.broker.config import BrokerConfig
from minibroker.broker.config_sources import (
    Layer,
    Loaded,
    environment_layer,
    load,
)
from minibroker.broker.properties import LONG_MAX, ConfigError
from minibroker.broker.properties_file import parse_properties
from minibroker.broker.topic_config import topic_config, validate_overrides


def loaded(*layers: dict[str, str]) -> Loaded:
    return load([Layer(f"layer {n}", texts) for n, texts in enumerate(layers)])


def test_a_later_layer_wins() -> None:
    config = loaded({"num.partitions": "3", "node.id": "7"}, {"num.partitions": "5"}).config
    assert (config.num_partitions, config.node_id) == (5, 7)


def test_defaults_are_kept_in_memory_on_loopback() -> None:
    result = loaded({})
    assert result.config.durability == "memory"
    assert [(each.host, each.port) for each in result.listeners] == [("127.0.0.1", 9092)]
    assert result.warnings == ()


def test_a_data_directory_means_fsync() -> None:
    assert loaded({"log.dirs": "/data"}).config.durability == "fsync"


@pytest.mark.parametrize("durability", ["fsync", "page-cache"])
def test_durability_on_disk_needs_a_directory(durability: str) -> None:
    with pytest.raises(ConfigError, match="--log-dirs"):
        loaded({"durability": durability})


def test_two_data_directories_are_refused() -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        loaded({"log.dirs": "/a,/b"})


@pytest.mark.parametrize(
    ("messages", "durability"), [("1", "fsync"), (str(LONG_MAX), "page-cache")]
)
def test_kafkas_flush_interval_maps_onto_durability(messages: str, durability: str) -> None:
    texts = {"log.dirs": "/data", "log.flush.interval.messages": messages}
    assert loaded(texts).config.durability == durability


def test_a_flush_interval_that_contradicts_durability_is_refused() -> None:
    texts = {"log.dirs": "/data", "log.flush.interval.messages": "1", "durability": "page-cache"}
    with pytest.raises(ConfigError, match="contradicts"):
        loaded(texts)


def test_a_misspelt_name_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(
        ConfigError,
        match=r"layer 0: unknown property num\.partition; did you mean num\.partitions\?",
    ):
        loaded({"num.partition": "3"})


def test_a_kafka_name_without_meaning_here_warns() -> None:
    result = loaded({"num.io.threads": "8"})
    assert result.warnings == ("layer 0: num.io.threads is Kafka's and has no effect here",)


def test_an_unknown_environment_variable_warns_and_never_refuses() -> None:
    environ = {"KAFKA_SERVICE_HOST": "10.0.0.1", "KAFKA_LAB": "x", "PATH": "/bin"}
    result = load([environment_layer(environ)])
    assert len(result.warnings) == 2


def test_environment_names_follow_the_container_convention() -> None:
    texts = environment_layer({"KAFKA_A_B__C___D": "1"}).texts
    assert texts == {"a.b_c-d": "1"}


@pytest.mark.parametrize(
    ("texts", "retention_ms"),
    [
        ({"log.retention.hours": "2"}, 7_200_000),
        ({"log.retention.hours": "2", "log.retention.minutes": "3"}, 180_000),
        ({"log.retention.hours": "2", "log.retention.ms": "5"}, 5),
        ({"log.retention.hours": "-1"}, -1),
    ],
)
def test_the_finest_spelling_of_a_time_wins(texts: dict[str, str], retention_ms: int) -> None:
    assert loaded(texts).config.log_retention_ms == retention_ms


def test_a_later_layer_overrides_whatever_the_spelling() -> None:
    config = loaded({"log.retention.ms": "5"}, {"log.retention.hours": "1"}).config
    assert config.log_retention_ms == 3_600_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("num.partitions", "0", "from 1 to"),
        ("num.partitions", "many", "whole number"),
        ("auto.create.topics.enable", "yes", "true or false"),
        ("durability", "disk", "fsync, page-cache, memory"),
        ("listeners", "127.0.0.1:9092", "NAME://HOST:PORT"),
        ("listeners", "SSL://127.0.0.1:9092", "only PLAINTEXT"),
        ("advertised.listeners", "OTHER://h:1", "not among the listeners"),
        ("advertised.listeners", "PLAINTEXT://0.0.0.0:1", "clients can reach"),
    ],
)
def test_a_bad_value_says_what_is_expected(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded({name: text})


def test_several_listeners_each_have_their_own_advertised_name() -> None:
    listeners = loaded(
        {
            "listeners": "INSIDE://0.0.0.0:9092,OUTSIDE://0.0.0.0:9094",
            "advertised.listeners": "INSIDE://broker:9092,OUTSIDE://127.0.0.1:19094",
        }
    ).listeners
    assert [(each.name, each.advertised_host, each.advertised_port) for each in listeners] == [
        ("INSIDE", "broker", 9092),
        ("OUTSIDE", "127.0.0.1", 19094),
    ]


def test_a_kraft_file_works_without_its_controller() -> None:
    text = """
# a server.properties as Kafka ships it
process.roles=broker,controller
node.id=4
listeners=PLAINTEXT://127.0.0.1:9192,CONTROLLER://:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
"""
    result = load([Layer("file", parse_properties(text))])
    assert [each.name for each in result.listeners] == ["PLAINTEXT"]
    assert result.config.node_id == 4
    assert result.warnings == ()


def test_a_topic_takes_what_it_does_not_say_from_the_broker() -> None:
    broker = BrokerConfig(message_max_bytes=777, log_message_timestamp_type="LogAppendTime")
    config = topic_config({"segment.ms": "5"}, broker)
    assert (config.max_message_bytes, config.segment_ms) == (777, 5)
    assert config.log_append_time
    assert not topic_config({"message.timestamp.type": "CreateTime"}, broker).log_append_time


def test_a_small_segment_is_accepted_only_under_its_internal_name() -> None:
    with pytest.raises(ConfigError, match=r"segment\.bytes"):
        validate_overrides({"segment.bytes": "1000"}, BrokerConfig())
    overrides = validate_overrides({"internal.segment.bytes": "1000"}, BrokerConfig())
    assert topic_config(overrides, BrokerConfig()).segment_bytes == 1000


def test_an_unknown_topic_property_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean retention\.ms\?"):
        validate_overrides({"retention.msec": "1"}, BrokerConfig())


def test_a_null_override_is_refused() -> None:
    with pytest.raises(ConfigError, match="null"):
        validate_overrides({"retention.ms": None}, BrokerConfig())
