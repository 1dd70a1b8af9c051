"""Where our answers about this one node differ from Kafka's on purpose, and other particulars."""

from __future__ import annotations

from pathlib import Path

from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.api_versions import ApiVersionsRequest

from tests.support.answers.admin_answers import ZERO_ID, create
from tests.support.answers.field_answers import batch, fetch, offsets, produce
from tests.support.answers.node_answers import by_ids, move, page, quorum, resources
from tests.support.in_loop.runtime import connect, running_broker

HELLO = ApiVersionsRequest(client_software_name="x", client_software_version="1")


async def test_only_features_that_are_here_are_finalized() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        told = await connection.request(HELLO)
        assert [(each.name, each.max_version_level) for each in told.finalized_features] == [
            ("metadata.version", 30),
            ("transaction.version", 2),
        ]
        assert [(each.name, each.min_version) for each in told.supported_features] == [
            ("metadata.version", 7),
            ("transaction.version", 0),
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


async def test_numbers_without_a_meaning_are_refused_in_words() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await connection.request(create("t"))
        for change in ({"max_bytes": -1}, {"isolation_level": 7}):
            request = fetch(("t", 0))
            for name, value in change.items():
                setattr(request, name, value)
            told = await connection.request(request)
            assert told.error_code == ErrorCode.INVALID_REQUEST
        request = fetch(("t", 0))
        request.topics[0].partitions[0].partition_max_bytes = -1
        told = await connection.request(request)
        assert told.responses[0].partitions[0].error_code == ErrorCode.INVALID_REQUEST
        ends = offsets(("t", 0))
        ends.isolation_level = 7
        found = await connection.request(ends)
        assert found.topics[0].partitions[0].error_code == ErrorCode.INVALID_REQUEST
        await connection.close()


async def test_a_fetch_ends_with_a_whole_batch() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await connection.request(create("t"))
        for _ in range(2):
            await connection.request(produce(("t", 0, 1)))
        request = fetch(("t", 0))
        request.max_bytes = len(batch(1)) + 10
        told = await connection.request(request)
        assert len(told.responses[0].partitions[0].records) == len(batch(1))
        await connection.close()


async def test_what_is_refused_is_not_stored_though_it_is_listed_twice() -> None:
    """Kafka stores the good batch and answers 87, whichever of the two comes last."""
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await connection.request(create("t"))
        request = produce(("t", 0, 1), ("t", 0, 1))
        request.topic_data[1].partition_data[0].records = None
        told = await connection.request(request)
        assert told.responses[0].partition_responses[0].error_code == ErrorCode.INVALID_RECORD
        found = await connection.request(offsets(("t", 0)))
        assert found.topics[0].partitions[0].offset == 0
        await connection.close()


async def test_tools_find_what_they_look_for_before_all_else() -> None:
    """topicctl works with a broker that offers 46, Kafdrop opens with 29, kafkactl lists 32 and 35,
    Kafka's own tools ask 43, 45, 55, 60, 74 and 75."""
    async with running_broker() as runtime:
        connection = await connect(runtime)
        assert {
            29,
            30,
            31,
            32,
            34,
            35,
            43,
            45,
            46,
            50,
            55,
            60,
            74,
            75,
        } <= connection.versions.keys()
        await connection.close()
