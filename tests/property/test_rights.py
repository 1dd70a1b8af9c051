"""Who has no right learns nothing and changes nothing: every API that is served, drawn requests.

Two brokers get the same requests from somebody who may do something to `drawn-1` or to nothing.
They differ in what he may not see: in one there are topics, records, groups, transactional ids and
rules of other names, in the other there are none. He must not be able to tell them apart, and the
first must be afterwards what it was. An API that is added is in here without anybody's doing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import pytest
from minibroker.broker.apis.served import SERVED
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.acls import Acl
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.records import AclRecord
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import STANDARD_AUTHORIZER, BrokerConfig
from minibroker.broker.dispatch import Dispatch, handlers_of
from minibroker.broker.session import CloseConnection, Session
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.long_work import Done, outcome_of
from minibroker.broker.waiting.promise import Failure, Promise
from minibroker.broker.world import World
from minibroker.protocol.acls import AclOperation, AclPermission, AclResourceType, PatternType
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.connection import Request, Routes, ServerConnection
from minibroker.protocol.errors import DecodeError
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.hostile.drawn import NAMES, Shape, request_of
from tests.support.sizes import size

ADMIN = Session("127.0.0.1:1", "PLAINTEXT", "127.0.0.1", 9092, "User:admin")
BOB = Session("127.0.0.1:2", "PLAINTEXT", "127.0.0.1", 9092, "User:bob")
OPEN = "drawn-1"  # what he may have rights on; there in both
HIDDEN = tuple(name for name in NAMES if name.startswith("drawn") and name != OPEN)
DENY = AclPermission.DENY
START_MS = 1_700_000_000_000
TOPIC, GROUP = AclResourceType.TOPIC, AclResourceType.GROUP
TRANSACTIONAL_ID = AclResourceType.TRANSACTIONAL_ID
RIGHTS: dict[str, tuple[Acl, ...]] = {"none": ()} | {
    f"{operation.name} on {kind.name}": (
        Acl(kind, OPEN, PatternType.LITERAL, "User:bob", "*", operation, AclPermission.ALLOW),
    )
    for kind, operation in product(
        (TOPIC, GROUP, TRANSACTIONAL_ID),
        (
            AclOperation.READ,
            AclOperation.WRITE,
            AclOperation.CREATE,
            AclOperation.DELETE,
            AclOperation.ALTER,
            AclOperation.DESCRIBE,
            AclOperation.DESCRIBE_CONFIGS,
            AclOperation.ALTER_CONFIGS,
        ),
    )
}
RIGHTS["everything on a prefix, but for what is denied"] = (
    Acl(TOPIC, "drawn-", PatternType.PREFIXED, "User:bob", "*", 2, AclPermission.ALLOW),
    *(
        Acl(TOPIC, name, PatternType.LITERAL, "User:*", "*", 2, AclPermission.DENY)
        for name in HIDDEN
    ),
)
API_VERSIONS = 18  # tells how far the metadata log has grown
CHANGES_NOTHING = ("none", "DESCRIBE on TOPIC", "READ on TOPIC", "DESCRIBE on GROUP")
SEEDS_A_VERSION = size(fast=1, whole=2)  # of two


def _nothing(*_: object) -> None:
    """Nobody listens."""


class Clock:
    """Time that stands still."""

    def now_ms(self) -> int:
        return START_MS

    def monotonic_ms(self) -> int:
        return 0


class AtOnce:
    """Long work is done here and now. Implements Slices."""

    def first(self) -> Any:
        return lambda: False

    next = first

    def wanted(self, go_on: Any) -> None:
        raise AssertionError("a slice has no end here")

    def aside(self, call: Any, done: Done) -> None:
        done(*outcome_of(call))


class House:
    """A broker in memory, and a way to ask it."""

    def __init__(self, rules: tuple[Acl, ...], *, has_secrets: bool) -> None:
        self._random = Random(1)
        hooks = Hooks(_nothing, _nothing, _nothing, _nothing, slices=AtOnce())
        settings = {
            "authorizer.class.name": STANDARD_AUTHORIZER,
            "super.users": "User:admin",
            "durability": "memory",
        }
        world = World(Clock(), MemoryStorage(), self._random)
        self.broker = Broker(BrokerConfig.of(settings), [], world, hooks)
        self._dispatch = Dispatch(self.broker)
        self._furnish(OPEN)
        if rules:
            self.broker.change_security([AclRecord(each) for each in rules])
        if has_secrets:
            for name in HIDDEN:
                self._furnish(name)
            secret = Acl(TOPIC, "drawn-0", PatternType.LITERAL, "User:eve", "*", 3, 3)
            self.broker.change_security([AclRecord(secret)])
        self._random.seed(3)  # member ids and producer ids are drawn alike from here on

    def _furnish(self, name: str) -> None:
        planned = self.broker.plan_topic(NewTopic(name, partition_count=2))
        assert isinstance(planned, Topic)
        self.broker.create_topics([planned])
        batch = build_batch([(None, name.encode(), (), START_MS)])
        data = [PartitionProduceData(index=0, records=batch)]
        topic = TopicProduceData(name=name, partition_data=data)
        self.ask(ADMIN, ProduceRequest(acks=-1, timeout_ms=1, topic_data=[topic]), 0, 9)
        partition = OffsetCommitRequestPartition(
            partition_index=0, committed_offset=1, committed_metadata=""
        )
        committed = OffsetCommitRequestTopic(name=name, partitions=[partition])
        self.ask(ADMIN, OffsetCommitRequest(group_id=name, topics=[committed]), 8, 8)
        beginning = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=1000)
        self.ask(ADMIN, beginning, 22, 4)

    def ask(self, session: Session, message: Any, key: int, version: int) -> Any:
        """The answer to a message; None for none, or none as long as nothing else happens."""
        return self.handle(Request(Routes(SERVED).find(key, version), 1, "c", message), session)

    def handle(self, request: Request, session: Session) -> Any:
        try:
            outcome = self._dispatch.handle(request, session)
        except CloseConnection as close:
            return close
        if isinstance(outcome, Promise):
            return outcome.message if outcome.is_kept else None
        return outcome

    def told(self, frame: bytes) -> bytes | str | None:
        """What bob is told: the bytes of the answer."""
        connection = ServerConnection(Routes(SERVED))
        try:
            request = connection.receive(memoryview(frame)[4:])
        except DecodeError:
            return "unreadable"
        assert isinstance(request, Request)
        answer = self.handle(request, BOB)
        if isinstance(answer, CloseConnection):
            return "closed"
        assert not isinstance(answer, Failure), answer.error
        if answer is None:
            return None
        connection.answer(request, answer)
        assert request.answer is not None
        return b"".join(request.answer)

    def content(self) -> dict[str, dict[Any, Any]]:
        """Everything that a request could have changed, by name."""
        broker = self.broker
        return {
            "topics": {name: repr(each) for name, each in broker.state.topics.items()},
            "rules": {("rules", 0): {*broker.state.acls}},
            "scram": {**broker.state.scram},
            "configs": {**broker.state.broker_overrides},
            "ends": {key: each.log.log_end_offset for key, each in broker.partitions.items()},
            "starts": {key: each.log.log_start_offset for key, each in broker.partitions.items()},
            "offsets": {name: {**broker.groups.offsets.of_group(name)} for name in NAMES},
            "groups": {each.group_id: each.state for each in broker.groups.roster.all()},
            "transactions": {
                name: repr(each)
                for name, each in broker.transactions.coordinator.state.transactions.items()
            },
        }


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def frames(key: int) -> Iterator[bytes]:
    """A few requests of every version of an API."""
    first, last = SERVED[key].versions
    for version, also in product(range(first, last + 1), range(SEEDS_A_VERSION)):
        seed = (version + also) % 2
        shape = Shape(400, fill_depth=seed, long_texts=0, bounds=False, distinct=False)
        yield request_of(Random(f"{key}/{version}/{seed}"), SERVED[key], version, shape, 1).frame


@pytest.mark.parametrize("right", RIGHTS)
def test_what_may_not_be_seen_makes_no_difference(right: str) -> None:
    bare, furnished = (House(RIGHTS[right], has_secrets=each) for each in (False, True))
    before = furnished.content()
    count = 0
    for key in SERVED.keys() - {API_VERSIONS}:
        for frame in frames(key):
            assert furnished.told(frame) == bare.told(frame), SERVED[key].name
            count += 1
    assert count > 150 * SEEDS_A_VERSION
    after = furnished.content()
    if right in CHANGES_NOTHING:
        assert after == before
    assert hidden_in(after) == hidden_in(before)


def hidden_in(content: dict[str, dict[Any, Any]]) -> list[tuple[Any, Any]]:
    """What there is of hidden names."""
    return [
        (key, value)
        for part in content.values()
        for key, value in part.items()
        if (key if isinstance(key, str) else key[0]) in HIDDEN
    ]


@pytest.mark.parametrize("key", [0, 10_000])
def test_an_api_that_declares_no_rights_does_not_start(
    key: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(handlers_of(SERVED[key]), "ACCESS")
    with pytest.raises(AttributeError, match="ACCESS"):
        House((), has_secrets=False)
