"""Where our answers about this one node differ from Kafka's on purpose, and other particulars."""

from __future__ import annotations

from pathlib import Path

from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.api_versions import ApiVersionsRequest

from tests.support.admin_answers import ZERO_ID, create
from tests.support.node_answers import by_ids, move, page, quorum, resources
from tests.support.runtime import connect, running_broker

HELLO = ApiVersionsRequest(client_software_name="x", client_software_version="1")


async def test_only_the_metadata_version_is_finalized() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        told = await connection.request(HELLO)
        assert [(each.name, each.max_version_level) for each in told.finalized_features] == [
            ("metadata.version", 30)
        ]
        assert [(each.name, each.min_version) for each in told.supported_features] == [
            ("metadata.version", 7)
        ]
        assert told.finalized_features_epoch > 0
        await connection.request(create("t"))
        later = await connection.request(HELLO)
        assert later.finalized_features_epoch > told.finalized_features_epoch
        await connection.close()


async def test_the_node_of_the_quorum_has_no_listeners() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        told = await connection.request(quorum("__cluster_metadata", 0))
        assert [(each.node_id, each.listeners) for each in told.nodes] == [(1, [])]
        await connection.close()


async def test_loggers_are_not_listed() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        told = await connection.request(resources(8))
        assert (told.error_code, told.config_resources) == (0, [])
        await connection.close()


async def test_a_nameless_topic_disturbs_no_other() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await connection.request(create("t"))
        told = await connection.request(page("", "t"))
        assert [each.error_code for each in told.topics] == [ErrorCode.INVALID_TOPIC_EXCEPTION, 0]
        found = await connection.request(by_ids((None, ZERO_ID), ("t", ZERO_ID)), version=12)
        assert [each.error_code for each in found.topics] == [ErrorCode.UNKNOWN_TOPIC_ID, 0]
        assert len(found.brokers) == 1
        await connection.close()


async def test_a_replica_is_in_the_only_directory_there_is(tmp_path: Path) -> None:
    for settings, path in (({}, str(tmp_path)), ({"durability": "memory"}, "memory")):
        async with running_broker(tmp_path if not settings else None, settings) as runtime:
            connection = await connect(runtime)
            await connection.request(create("t"))
            told = await connection.request(move(path, "t", 0, 9))
            assert [each.error_code for each in told.results[0].partitions] == [0, 3]
            await connection.close()
