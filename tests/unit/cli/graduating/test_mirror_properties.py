"""The file that MirrorMaker is started with."""

from __future__ import annotations

from minibroker.broker.config.properties_file import parse_properties
from minibroker.cli.graduating.mirror_properties import mirror_properties


def test_all_that_a_mirror_must_be_stands_there() -> None:
    text = mirror_properties(
        ("a:1,b:2", "c:3"),
        ({}, {"security.protocol": "SSL", "ssl.key.password": "a\\b"}),
        ("orders", "a.b"),
        (),
        3,
    )
    found = parse_properties(text)
    assert found["old.bootstrap.servers"] == "a:1,b:2"
    assert found["new.security.protocol"] == "SSL"
    assert found["new.ssl.key.password"] == "a\\b"
    assert found["old->new.topics"] == r"orders, a\.b"
    assert found["old->new.groups"] == "-"
    assert found["new->old.enabled"] == "false"
    assert found["new.exactly.once.source.support"] == "enabled"
    assert found["old.consumer.isolation.level"] == "read_committed"
    assert found["offset-syncs.topic.location"] == "target"
    assert found["replication.policy.class"].endswith(".IdentityReplicationPolicy")
    assert {found[name] for name in found if name.endswith("replication.factor")} == {"3"}
