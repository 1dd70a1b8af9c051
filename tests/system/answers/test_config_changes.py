"""Changes of configuration over the wire: what is our own choice, and what a restart keeps."""

from pathlib import Path

import pytest
from minibroker.broker.cluster.topic_names import LOGS_OF_THE_BROKER
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.alter_configs import (
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.support.answers.admin_answers import create as create_request
from tests.support.answers.admin_answers import shown
from tests.support.answers.config_answers import (
    BROKER,
    SET,
    TOPIC,
    change,
    described,
)
from tests.support.answers.config_answers import (
    replace as replace_request,
)
from tests.support.answers.partition_answers import grow
from tests.support.in_loop.requests import create, produce
from tests.support.in_loop.runtime import connect, running_broker

ZERO_ID = bytes(16)


async def test_a_resource_replaced_twice_in_one_request_is_refused() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        resource = AlterConfigsResource(
            resource_type=TOPIC,
            resource_name="t",
            configs=[AlterableConfig(name="segment.ms", value="5")],
        )
        request = AlterConfigsRequest(resources=[resource] * 2, validate_only=False)
        assert shown(await connection.request(request)) == "42,42"
        assert runtime.broker.state.topics["t"].overrides == {}
        await connection.close()


async def test_resources_that_are_not_kept_are_not_changed() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        for kind in (8, 16, 32):
            for request in (
                change(kind, "1", ("interval.ms", SET, "1000")),
                replace_request(kind, "1", ("interval.ms", "1000")),
            ):
                assert shown(await connection.request(request)) == "42"
        await connection.close()


async def test_a_new_broker_has_no_dynamic_defaults() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        request = described(BROKER, "")
        request.resources[0].configuration_keys = None
        assert shown(await connection.request(request)) == "0 "
        answer = await connection.request(described(BROKER, "1", "log.retention.ms", "log.roll.ms"))
        assert shown(answer) == "0 log.retention.ms=604800000/5/5[] log.roll.ms=604800000/5/5[]"
        await connection.close()


async def test_no_names_ask_for_every_property() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        request = described(TOPIC, "t")
        told = []
        all_ways: list[list[str] | None] = [None, []]
        for names in all_ways:
            request.resources[0].configuration_keys = names
            told.append(shown(await connection.request(request)))
        assert told[0] == told[1]
        assert "segment.bytes=1073741824" in told[0]
        await connection.close()


async def test_a_topic_grows_to_ten_thousand_partitions_and_no_further() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        refused = str(int(ErrorCode.INVALID_PARTITIONS))
        assert shown(await connection.request(grow("t", to=10_001))) == refused
        assert shown(await connection.request(grow("t", to=10_000))) == "0"
        await connection.close()


@pytest.mark.parametrize("name", sorted(LOGS_OF_THE_BROKER))
async def test_a_topic_cannot_take_the_place_of_a_log_of_the_broker(name: str) -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        refused = int(ErrorCode.INVALID_TOPIC_EXCEPTION)
        answer = shown(await connection.request(create_request(name)))
        assert answer == f"{refused} partitions=-1 factor=-1"
        asked = MetadataRequest(
            topics=[MetadataRequestTopic(name=name, topic_id=ZERO_ID)],
            allow_auto_topic_creation=True,
        )
        # Without a group there is no such topic, and nobody but the broker makes it.
        unknown = int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        wanted = unknown if name == "__consumer_offsets" else refused
        assert (await connection.request(asked)).topics[0].error_code == wanted
        assert runtime.broker.state.topics == {}
        await connection.close()


async def test_what_was_changed_and_the_topics_ids_survive_a_restart(tmp_path: Path) -> None:
    asked = MetadataRequest(
        topics=[MetadataRequestTopic(name="t", topic_id=ZERO_ID)], allow_auto_topic_creation=False
    )
    told = []
    async with running_broker(tmp_path) as runtime:
        connection = await connect(runtime)
        await connection.request(create_request("t"))
        await connection.request(produce())
        await connection.request(change(TOPIC, "t", ("retention.ms", SET, "1234")))
        await connection.request(change(BROKER, "", ("message.max.bytes", SET, "2345")))
        await connection.request(grow("t", to=3))
        told.append(await connection.request(asked))
        await connection.close()
    async with running_broker(tmp_path) as runtime:
        connection = await connect(runtime)
        told.append(await connection.request(asked))
        answer = await connection.request(
            described(TOPIC, "t", "retention.ms", "max.message.bytes")
        )
        await connection.close()
    first, second = (each.topics[0] for each in told)
    assert first.topic_id == second.topic_id != ZERO_ID
    assert (len(first.partitions), len(second.partitions)) == (3, 3)
    assert "retention.ms=1234/1/5" in shown(answer)
    assert "max.message.bytes=2345/3/3" in shown(answer)


async def test_a_topic_can_be_asked_for_by_its_id_after_a_restart(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as runtime:
        connection = await connect(runtime)
        await connection.request(create_request("t"))
        topic_id = runtime.broker.state.topics["t"].topic_id
        await connection.close()
    async with running_broker(tmp_path) as runtime:
        connection = await connect(runtime)
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=None, topic_id=topic_id)],
            allow_auto_topic_creation=False,
        )
        response = await connection.request(request)
        assert (response.topics[0].error_code, response.topics[0].name) == (0, "t")
        await connection.close()
