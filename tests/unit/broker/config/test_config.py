"""Configuration: precedence, Kafka's spellings, and errors that say what to do."""

import sys

import pytest
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.properties import LONG_MAX, ConfigError
from minibroker.broker.config.properties_file import parse_properties
from minibroker.broker.config.sources import (
    Layer,
    Loaded,
    environment_layer,
    load,
)
from minibroker.broker.config.topic import topic_config, validate_overrides


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
        ("listeners", "SSL://127.0.0.1:9092", "no certificate"),
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


def from_environment(**variables: str) -> Loaded:
    file = Layer("file", {"listeners": "A://h:1", "advertised.listeners": "A://told:2"})
    return load([file, environment_layer(variables)])


def places(result: Loaded) -> list[tuple[str, str, int, str | None, int]]:
    return [
        (each.name, each.host, each.port, each.advertised_host, each.advertised_port)
        for each in result.listeners
    ]


def test_what_is_advertised_in_the_environment_says_where_to_listen() -> None:
    result = from_environment(KAFKA_ADVERTISED_LISTENERS="A://one:9092,B://[::1]:9093")
    assert places(result) == [("A", "", 9092, "one", 9092), ("B", "", 9093, "::1", 9093)]


def test_listeners_of_the_environment_do_without_what_a_file_advertises() -> None:
    result = from_environment(KAFKA_LISTENERS="B://127.0.0.1:9")
    assert places(result) == [("B", "127.0.0.1", 9, "127.0.0.1", 0)]
    assert places(from_environment()) == [("A", "h", 1, "told", 2)]


def test_a_misspelt_variable_is_told_the_nearest() -> None:
    (warning,) = from_environment(KAFKA_NUM_PARTITION="3").warnings
    expected = "KAFKA_NUM_PARTITION names no property; did you mean KAFKA_NUM_PARTITIONS?"
    assert warning == f"environment: {expected}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.flush.interval.messages", "10000"),
        ("log.flush.interval.messages", "0"),
        ("log.flush.interval.ms", "1000"),
        ("remote.log.storage.system.enable", "true"),
        ("log.retention.hours", "0"),
        ("log.retention.hours", "2147483648"),
        ("num.partitions", "1_000"),
        ("num.partitions", "9" * 5000),
        ("compression.gzip.level", "0"),
        ("compression.zstd.level", "23"),
        ("log.cleanup.policy", ","),
    ],
)
def test_what_is_not_done_or_no_value_is_refused_and_its_file_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^layer 0: {name}="):
        loaded({"log.dirs": "/data", name: text})


def test_an_error_between_settings_names_the_file_too() -> None:
    with pytest.raises(ConfigError, match=r"^layer 1: listeners=nonsense"):
        loaded({"node.id": "1"}, {"listeners": "nonsense"})


def test_a_policy_that_compacts_is_taken_with_a_warning() -> None:
    (warning,) = loaded({"log.cleanup.policy": "compact"}).warnings
    assert "nothing is compacted" in warning


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flush.messages", "0"),
        ("flush.ms", "-1"),
        ("file.delete.delay.ms", "-1"),
        ("max.compaction.lag.ms", "0"),
        ("min.cleanable.dirty.ratio", "1.01"),
        ("remote.storage.enable", "true"),
        ("compression.lz4.level", "18"),
        ("leader.replication.throttled.replicas", "1"),
        ("retention.ms", "1_000"),
        ("cleanup.policy", "delete,,compact"),
    ],
)
def test_a_value_that_a_topic_cannot_have_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}"):
        validate_overrides({name: text}, BrokerConfig())


def test_a_topic_is_flushed_only_where_the_broker_flushes() -> None:
    page_cache = BrokerConfig(durability="page-cache")
    for name in ("flush.messages", "flush.ms"):
        assert validate_overrides({name: "1"}, BrokerConfig(durability="fsync"))
        assert validate_overrides({name: str(LONG_MAX)}, page_cache)
        with pytest.raises(ConfigError, match="durability=fsync"):
            validate_overrides({name: "1"}, page_cache)


def test_a_codec_that_is_not_installed_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for refused in (
        lambda: validate_overrides({"compression.type": "zstd"}, BrokerConfig()),
        lambda: loaded({"compression.type": "zstd"}),
    ):
        with pytest.raises(ConfigError, match=r"pip install 'minibroker\[compression\]'"):
            refused()
    assert validate_overrides({"compression.type": "gzip"}, BrokerConfig())


def test_a_stored_value_that_became_invalid_does_not_stop_the_broker() -> None:
    config = topic_config({"retention.ms": "1_000", "segment.ms": "5"}, BrokerConfig())
    assert (config.retention_ms, config.segment_ms) == (BrokerConfig().log_retention_ms, 5)


def test_more_insync_replicas_than_there_are_get_one_warning() -> None:
    """As in Kafka, where no more are asked for than a partition has."""
    (warning,) = loaded({"min.insync.replicas": "2"}).warnings
    assert "one replica" in warning
