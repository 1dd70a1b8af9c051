"""Long requests of every API: decoded, handled, refused and answered in many short steps.

How much one step does is measured by what it allocates, whatever machine this runs on.
"""

import gc
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from random import Random
from typing import Any

import pytest
from construct import Construct
from minibroker.broker.apis.served import SERVED, handler_file
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.dispatch import Dispatch
from minibroker.broker.session import CloseConnection, Session
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.long_work import Done, outcome_of
from minibroker.broker.waiting.promise import Failure, Promise
from minibroker.broker.world import World
from minibroker.protocol.apis import request_type
from minibroker.protocol.codec.schema import wire_at
from minibroker.protocol.codec.source import unnamed
from minibroker.protocol.codec.wire import Array, Optional, Tags, TypedStruct
from minibroker.protocol.connection import Request, Routes, ServerConnection
from minibroker.protocol.errors import ApiError, DecodeError, ErrorCode
from minibroker.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

from tests.hostile.drawn import TOPICS, Shape, request_of

# Longer than LONG_FRAME_BYTES. To look at what is allocated takes 30 us in a process of all tests,
# and a request has thousands of steps: three times as long shows three times as much in a step.
REQUEST_BYTES = 40_000
STEP_BLOCKS_MAX = 2_600  # objects of Python; most take 1,000
LONG_REQUEST_BYTES = 120_000  # where all that is looked at is the request as a whole
REFUSAL_BLOCKS_MAX = 8_000  # some milliseconds: refusals of up to 32 KB are made in one go
DRAWN_MAX = 30
CYCLES_MAX = 800  # objects; a module that is imported leaves some
SESSION = Session("127.0.0.1:1", "PLAINTEXT", "127.0.0.1", 9092)
FILL_DEPTHS = 3


def depth_of(node: Construct) -> int:
    """How many lists there are, one in the other: what is deeper cannot be made long."""
    match node:
        case Array():
            return 1 + depth_of(unnamed(node.element))
        case Optional():
            return depth_of(node.present)
        case TypedStruct():
            return max((depth_of(unnamed(each)) for each in node.subcons), default=0)
        case Tags():
            fields = (field for field, _ in node.fields.values())
            return max((depth_of(unnamed(each)) for each in fields), default=0)
    return 0


SHAPES = [
    (key, depth)
    for key, api in sorted(SERVED.items())
    for depth in range(
        min(FILL_DEPTHS, max(1, depth_of(wire_at(request_type(key), api.versions[1]))))
    )
]


class Clock:
    """Time that stands still."""

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_ms(self) -> int:
        return 0


class Steps:
    """Slices of one step each; what each step on the loop has allocated. Implements Slices."""

    def __init__(self) -> None:
        self.is_measuring = True
        self.after = 0  # objects there were at the end of the step before
        self.due: deque[Callable[[], None]] = deque()
        self.most = 0
        self.count = 0

    def first(self) -> Callable[[], bool]:
        return lambda: True

    next = first

    def wanted(self, go_on: Callable[[], None]) -> None:
        self.due.append(lambda: self.measured(go_on, self.after))

    def aside(self, call: Callable[[], Any], done: Done) -> None:
        self.due.append(lambda: self.unmeasured(call, done))

    def unmeasured(self, call: Callable[[], Any], done: Done) -> None:
        done(*outcome_of(call))
        self.after = sys.getallocatedblocks()

    def measured(self, step: Callable[[], Any], before: int | None = None) -> Any:
        if not self.is_measuring:
            return step()
        before = sys.getallocatedblocks() if before is None else before
        result = step()
        self.count += 1
        self.after = sys.getallocatedblocks()
        self.most = max(self.most, self.after - before)
        return result

    def come(self, outcome: Any) -> Any:
        """What comes of it when all that is due is done; None if it waits for something else."""
        while self.due:
            self.due.popleft()()
        if isinstance(outcome, Promise):
            return outcome.message if outcome.is_kept else None
        return outcome


class Served:
    """A broker in memory that serves one request at a time, in single steps."""

    def __init__(self) -> None:
        self.steps = Steps()
        hooks = Hooks(
            lambda: None, lambda: None, lambda: None, lambda line: None, slices=self.steps
        )
        world = World(Clock(), MemoryStorage(), Random(1))
        self._broker = Broker(BrokerConfig.of({}), [], world, hooks)
        for name in TOPICS[:3]:
            planned = self._broker.plan_topic(NewTopic(name, partition_count=3))
            assert isinstance(planned, Topic)
            self._broker.create_topics([planned])
        self.dispatch = Dispatch(self._broker)
        self._connection = ServerConnection(Routes(SERVED))

    def receive(self, frame: bytes) -> Any:
        self._connection = ServerConnection(Routes(SERVED))
        steps = self._connection.receive_steps(memoryview(frame)[4:])
        try:
            return self.steps.come(self.steps.measured(lambda: self.dispatch.work.begin(steps)))
        except DecodeError as error:
            return error

    def ask(self, request: Request) -> None:
        """Handled to the end: the answer's bytes are made, too."""
        try:
            answer = self.steps.come(
                self.steps.measured(lambda: self.dispatch.handle(request, SESSION))
            )
        except CloseConnection:
            return
        if answer is not None and not isinstance(answer, Failure | CloseConnection):
            self.steps.measured(lambda: self._connection.answer(request, answer))


@pytest.fixture
def served() -> Iterator[Served]:
    logging.disable(logging.CRITICAL)  # a refusal may be logged; that is not what is looked at
    yield Served()
    logging.disable(logging.NOTSET)


def long_request(served: Served, key: int, depth: int, size_bytes: int = REQUEST_BYTES) -> Request:
    """The first that is drawn and can be read: some have null where none may be."""
    shape = Shape(size_bytes, fill_depth=depth, long_texts=0, bounds=False, distinct=False)
    for number in range(DRAWN_MAX):
        rng = Random(f"{key}/{depth}/{number}")
        drawn = request_of(rng, SERVED[key], SERVED[key].versions[1], shape, number)
        request = served.receive(drawn.frame)
        if isinstance(request, Request):
            return request
    raise AssertionError(f"none of {DRAWN_MAX} requests can be read")


@pytest.mark.parametrize(("key", "depth"), SHAPES)
def test_no_step_of_a_long_request_does_much(served: Served, key: int, depth: int) -> None:
    request = long_request(served, key, depth)
    served.ask(request)
    assert served.steps.most < STEP_BLOCKS_MAX, SERVED[key].name


@pytest.mark.parametrize(("key", "depth"), SHAPES)
def test_refusing_a_long_request_takes_no_long_step(
    served: Served, key: int, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = handler_file(SERVED[key]).removesuffix(".py").replace("/", ".")

    def refuse(*asked: object) -> None:
        raise ApiError(ErrorCode.INVALID_REQUEST, "no")

    monkeypatch.setattr(import_module(f"minibroker.{name}"), "handle", refuse)
    request = long_request(served, key, depth, LONG_REQUEST_BYTES)
    served.ask(request)
    assert served.steps.most < REFUSAL_BLOCKS_MAX, SERVED[key].name


def test_each_refused_resource_ends_a_step(served: Served) -> None:
    configs = [AlterableConfig(name="retention.mss", config_operation=0, value="1")]
    resources = [
        AlterConfigsResource(resource_type=2, resource_name=f"no-{at}", configs=configs)
        for at in range(7)
    ]
    message = IncrementalAlterConfigsRequest(resources=resources, validate_only=False)
    request = Request(Routes(SERVED).find(44, 1), 0, "", message)
    answer = served.steps.come(served.dispatch.handle(request, SESSION))
    assert len(answer.message.responses) == len(resources)
    assert served.steps.count >= len(resources)


@pytest.mark.parametrize("key", sorted(SERVED))
def test_what_was_answered_is_in_no_cycle(served: Served, key: int) -> None:
    """Garbage in cycles is looked for seldom: what a long request was made of would stay."""
    served.steps.is_measuring = False
    gc.disable()
    try:
        request = long_request(served, key, 0, LONG_REQUEST_BYTES)
        gc.collect(1)  # the young, which is all that is looked at below
        gc.freeze()  # and the tests' own millions of objects are not looked through
        served.ask(request)
        del request
        assert gc.collect() < CYCLES_MAX, SERVED[key].name
    finally:
        gc.unfreeze()
        gc.enable()
