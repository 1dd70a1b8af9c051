"""Admin: rules of access and quotas; and what every face says where a right is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from minibroker.client import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermission,
    AclResourceType,
    Admin,
    ClientError,
    ClientQuotaEntity,
    ConfigResource,
    Consumer,
    ErrorCode,
    Fatal,
    PatternType,
    Producer,
    QuotaName,
    TopicPartition,
)
from minibroker.client.administer.acl_bindings import known
from minibroker.testing import TestBroker

TOPIC, GROUP = AclResourceType.TOPIC, AclResourceType.GROUP
READ = AclBinding(TOPIC, "orders", "User:shop", AclOperation.READ)
PREFIX = AclBinding(
    TOPIC, "ord", "User:shop", AclOperation.WRITE, pattern_type=PatternType.PREFIXED
)
DENIED = AclBinding(GROUP, "g", "User:shop", AclOperation.ALL, AclPermission.DENY, host="10.0.0.1")
CLUSTER = AclBinding.cluster("User:shop", AclOperation.DESCRIBE)
TIMEOUT_MS = 5_000


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    settings = {"auto.create.topics.enable": "false"}
    async with TestBroker(settings=settings, security="SASL_PLAINTEXT") as broker:
        broker.create_topic("orders")
        yield broker


@pytest.fixture
async def admin(broker: TestBroker) -> AsyncIterator[Admin]:
    options = broker.security.options()
    async with Admin(broker.bootstrap_servers, timeout_ms=TIMEOUT_MS, **options) as admin:
        yield admin


async def test_rules_come_are_found_and_go(admin: Admin) -> None:
    await admin.create_acls([READ, PREFIX, DENIED, CLUSTER, READ])
    assert await admin.describe_acls() == [PREFIX, READ, DENIED, CLUSTER]
    about = AclBindingFilter(TOPIC, "orders", pattern_type=PatternType.MATCH)
    assert await admin.describe_acls(about) == [PREFIX, READ]
    assert await admin.describe_acls(AclBindingFilter(TOPIC, "orders")) == [READ]
    denied = AclBindingFilter(permission=AclPermission.DENY)
    assert await admin.delete_acls([denied, AclBindingFilter.of(READ), denied]) == [READ, DENIED]
    assert await admin.delete_acls([denied]) == []
    assert await admin.describe_acls() == [PREFIX, CLUSTER]


async def test_a_refused_rule_is_named_and_the_others_are_there(admin: Admin) -> None:
    wrong = AclBinding(TOPIC, "orders", "shop", AclOperation.READ)
    with pytest.raises(Fatal, match="ALLOW shop READ on topic orders: INVALID_REQUEST") as refused:
        await admin.create_acls([READ, wrong, PREFIX])
    assert "no colon" in str(refused.value.reason)
    assert await admin.describe_acls() == [PREFIX, READ]


async def test_without_an_authorizer_there_are_no_rules() -> None:
    async with TestBroker() as broker, Admin(broker.bootstrap_servers) as admin:
        calls = (
            admin.describe_acls(),
            admin.create_acls([READ]),
            admin.delete_acls([AclBindingFilter()]),
        )
        for call in calls:
            with pytest.raises(Fatal) as refused:
                await call
            assert refused.value.code is ErrorCode.SECURITY_DISABLED


def test_what_cannot_be_a_rule_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="operation=ANY: that is for filters alone"):
        AclBinding(TOPIC, "t", "User:a", AclOperation.ANY)
    with pytest.raises(TypeError, match="operation must be a AclOperation, not str"):
        AclBinding(TOPIC, "t", "User:a", "READ")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it cannot be asked for"):
        AclBindingFilter(AclResourceType.UNKNOWN)


async def test_what_a_newer_broker_knows_is_unknown_and_not_sent_back(admin: Admin) -> None:
    assert known(AclOperation, 99) is AclOperation.UNKNOWN
    told = AclBinding(TOPIC, "t", "User:a", AclOperation.UNKNOWN)
    with pytest.raises(ValueError, match="it cannot be asked for"):
        await admin.create_acls([told])


async def test_quotas_are_set_told_and_taken_away(admin: Admin) -> None:
    alice, both = ClientQuotaEntity(user="alice"), ClientQuotaEntity(user="alice", client_id="app")
    others, here = ClientQuotaEntity(user=QuotaName.DEFAULT), ClientQuotaEntity(ip="127.0.0.1")
    await admin.alter_client_quotas(alice, {"producer_byte_rate": 1e6, "request_percentage": 50})
    await admin.alter_client_quotas(both, {"consumer_byte_rate": 5})
    await admin.alter_client_quotas(others, {"producer_byte_rate": 10})
    await admin.alter_client_quotas(here, {"connection_creation_rate": 100})
    await admin.alter_client_quotas(others, {"producer_byte_rate": 11}, validate_only=True)
    assert await admin.describe_client_quotas() == {
        here: {"connection_creation_rate": 100},
        others: {"producer_byte_rate": 10},
        alice: {"producer_byte_rate": 1e6, "request_percentage": 50},
        both: {"consumer_byte_rate": 5},
    }
    of_users = await admin.describe_client_quotas(user=QuotaName.ANY, strict=True)
    assert [*of_users] == [others, alice]
    assert [*await admin.describe_client_quotas(user="alice")] == [alice, both]
    assert [*await admin.describe_client_quotas(user=QuotaName.DEFAULT)] == [others]
    await admin.alter_client_quotas(alice, {"producer_byte_rate": None})
    assert (await admin.describe_client_quotas(user="alice"))[alice] == {"request_percentage": 50}


async def test_a_refused_quota_says_why(admin: Admin) -> None:
    entity = ClientQuotaEntity(user="alice")
    with pytest.raises(Fatal, match="user alice: INVALID_REQUEST: Invalid configuration key fast"):
        await admin.alter_client_quotas(entity, {"fast": 1})
    with pytest.raises(ValueError, match="a user, a client_id or an ip"):
        ClientQuotaEntity()
    with pytest.raises(ValueError, match="an ip stands alone"):
        ClientQuotaEntity(user="a", ip="::1")
    with pytest.raises(ValueError, match="user is empty"):
        ClientQuotaEntity(user="")
    with pytest.raises(ValueError, match="only asked for"):
        ClientQuotaEntity(user=QuotaName.ANY)  # type: ignore[arg-type]


# What Admin does, and the right that it needs.
NEEDED: list[tuple[Callable[[Admin], Awaitable[object]], str]] = [
    (lambda a: a.describe_topics(["orders"]), "DESCRIBE on the topic"),
    (lambda a: a.create_topic("new"), "CREATE on the topic"),
    (lambda a: a.delete_topics(["orders"]), "DELETE on the topic"),
    (lambda a: a.create_partitions("orders", 2), "ALTER on the topic"),
    (lambda a: a.describe_configs(ConfigResource.topic("orders")), "DESCRIBE_CONFIGS on the topic"),
    (
        lambda a: a.alter_configs(ConfigResource.broker(None), {"log.retention.ms": "1"}),
        "ALTER_CONFIGS on the cluster",
    ),
    (lambda a: a.delete_records({TopicPartition("orders", 0): 0}), "DESCRIBE on the topic"),
    (lambda a: a.describe_group("g"), "DESCRIBE on the group"),
    (lambda a: a.describe_transactions(["t"]), "DESCRIBE on the transactional id"),
    (lambda a: a.list_offsets({TopicPartition("orders", 0): 0}), "DESCRIBE on the topic"),
    (lambda a: a.describe_log_dirs(1), "DESCRIBE on the cluster"),
    (lambda a: a.describe_acls(), "DESCRIBE on the cluster"),
    (lambda a: a.create_acls([READ]), "ALTER on the cluster"),
    (lambda a: a.delete_acls([AclBindingFilter()]), "ALTER on the cluster"),
    (lambda a: a.describe_client_quotas(), "DESCRIBE_CONFIGS on the cluster"),
    (
        lambda a: a.alter_client_quotas(ClientQuotaEntity(user="a"), {}),
        "ALTER_CONFIGS on the cluster",
    ),
    (lambda a: a.describe_user_scram_credentials(), "DESCRIBE on the cluster"),
]
CODES = {
    "topic": ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    "group": ErrorCode.GROUP_AUTHORIZATION_FAILED,
    "cluster": ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    "id": ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


async def test_admin_says_which_right_is_missing(broker: TestBroker) -> None:
    options = broker.user("nobody")
    async with Admin(broker.bootstrap_servers, timeout_ms=TIMEOUT_MS, **options) as admin:
        for call, needed in NEEDED:
            with pytest.raises(Fatal, match=f"this user needs {needed}$") as refused:
                await call(admin)
            assert refused.value.code is CODES[needed.rpartition(" ")[2]]


async def test_a_producer_says_which_right_is_missing(broker: TestBroker) -> None:
    options = broker.user("shop")
    async with Producer(broker.bootstrap_servers, **options) as producer:
        error = await refusal(producer)
        assert "topic orders: TOPIC_AUTHORIZATION_FAILED" in str(error)
        assert "needs DESCRIBE on the topic" in str(error)
    options = broker.user("shop", allow=["DESCRIBE topic orders", "WRITE topic other"])
    async with Producer(broker.bootstrap_servers, **options) as producer:
        assert "needs WRITE on the topic" in str(await refusal(producer))


@pytest.mark.parametrize("size", [100, 40_000, 200_000])
async def test_who_may_write_is_answered_whatever_the_size(broker: TestBroker, size: int) -> None:
    options = broker.user("shop", allow=["WRITE topic orders"])
    async with Producer(broker.bootstrap_servers, **options) as producer:
        receipts = [await producer.send_and_wait("orders", bytes(size)) for _ in range(3)]
    assert [each.offset for each in receipts] == [0, 1, 2]


async def refusal(producer: Producer) -> ClientError:
    with pytest.raises(Fatal) as refused:
        await producer.send_and_wait("orders", b"v")
    return refused.value


async def test_a_consumer_says_which_right_is_missing(broker: TestBroker) -> None:
    options = broker.user("audit", allow=["DESCRIBE topic orders", "DESCRIBE group g"])
    servers = broker.bootstrap_servers
    async with Consumer("orders", bootstrap_servers=servers, group_id="g", **options) as consumer:
        with pytest.raises(Fatal, match=r"group g: .*needs READ on the group"):
            await anext(consumer)
    async with Consumer("orders", bootstrap_servers=servers, **options) as consumer:
        with pytest.raises(Fatal, match=r"orders-0: .*needs READ on the topic"):
            await anext(consumer)


async def test_a_transaction_without_a_right_is_not_to_be_done_again(broker: TestBroker) -> None:
    servers = broker.bootstrap_servers
    options = broker.user("shop", allow=["DESCRIBE topic orders", "ALL transactional-id t"])
    async with Producer(servers, transactional_id="t", **options) as producer:
        with pytest.raises(Fatal, match="needs WRITE on the topic"):
            async with producer.transaction() as tx:
                await tx.send("orders", b"1")
        broker.user("shop", allow=["WRITE topic orders", "ALL transactional-id t"])
        async with producer.transaction() as tx:
            await tx.send("orders", b"2")
    assert [each.value for each in broker.records("orders")] == [b"2"]
    options = broker.user("shop", allow=["DESCRIBE transactional-id t"])
    with pytest.raises(Fatal, match="needs WRITE on the transactional id"):
        await Producer(servers, transactional_id="t", **options).start()
