"""The files that MirrorMaker is started with."""

from __future__ import annotations

import re

import pytest
from minibroker.broker.config.properties_file import parse_properties
from minibroker.cli.graduating.mirror_properties import MirrorFiles, commands, mirror_properties

PLAINTEXT: dict[str, str] = {}
SECURE = {
    "security.protocol": "SASL_SSL",
    "ssl.truststore.location": "/etc/ca.pem",
    "ssl.key.password": "a\\b \u00fc",
    "sasl.jaas.config": 'ScramLoginModule required username="carol" password="hush";',
}


def written(
    *topics: str, groups: tuple[str, ...] = (), new: dict[str, str] = PLAINTEXT
) -> MirrorFiles:
    return mirror_properties(
        *(("a:1,b:2", "c:3"), (PLAINTEXT, new), topics, groups),
        replication_factor=3,
        secrets_path="/graduate/secrets.properties",
        longest_bytes=40_000_000,
    )


def test_all_that_a_mirror_must_be_stands_there() -> None:
    files = written("orders", "a.b")
    assert files.secrets == ""
    found = parse_properties(files.mirror)
    assert found["old.bootstrap.servers"] == "a:1,b:2"
    assert found["old->new.topics"] == r"orders, a\.b"
    assert found["new->old.enabled"] == "false"
    assert found["new.exactly.once.source.support"] == "enabled"
    assert found["old.consumer.isolation.level"] == "read_committed"
    assert found["offset-syncs.topic.location"] == "target"
    assert found["replication.policy.class"].endswith(".IdentityReplicationPolicy")
    assert {found[name] for name in found if name.endswith("replication.factor")} == {"3"}
    assert found["new.producer.max.request.size"] == "40000000"
    assert "config.providers" not in found


def test_secrets_stand_in_a_file_of_their_own() -> None:
    files = written("t", new=SECURE)
    found, secrets = parse_properties(files.mirror), parse_properties(files.secrets)
    assert "hush" not in files.mirror
    assert found["new.security.protocol"] == "SASL_SSL"
    assert found["new.ssl.truststore.location"] == "/etc/ca.pem"
    for name in ("ssl.key.password", "sasl.jaas.config"):
        path = "/graduate/secrets.properties"
        assert found[f"new.{name}"] == f"${{file:{path}:new.{name}}}"
        assert secrets[f"new.{name}"] == SECURE[name]
    assert found["config.providers"] == "file"
    assert (files.mirror + files.secrets).isascii()  # Java reads Latin-1


@pytest.mark.parametrize(
    "name", ["a,b", " a ", "größe", "x\ny", "a.b", "-", "😀", r"\x", "(?!)", "#"]
)
def test_any_name_of_a_group_is_meant_itself(name: str) -> None:
    found = parse_properties(written("t", groups=("other", name)).mirror)
    first, second = found["old->new.groups"].split(",")
    assert first == "other"
    # Java's \\x{...} is a character by its number.
    plain = re.sub(r"\\x\{([0-9a-f]+)\}", lambda m: re.escape(chr(int(m[1], 16))), second.strip())
    assert re.fullmatch(plain, name)
    assert not re.fullmatch(plain, f"{name}x")


def test_without_groups_none_is_meant() -> None:
    found = parse_properties(written("t").mirror)
    for name in ("groups", "groups.exclude", "topics.exclude"):
        assert re.fullmatch(found[f"old->new.{name}"], "") is None


def test_the_command_says_where_tokens_come_from() -> None:
    assert commands("a b/m.properties") == ["bin/connect-mirror-maker.sh 'a b/m.properties'"]
    issuer = {"sasl.oauthbearer.token.endpoint.url": "https://issuer/token"}
    (said,) = commands("m.properties", (PLAINTEXT, issuer))
    assert said.startswith("KAFKA_OPTS=-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=https://")
