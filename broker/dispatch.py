"""(API, version) -> handler: one file in apis/ for each API that is served.

Which files those are is told by apis/served.py; a handler sits on its route. It is a plain
function `handle(broker, request, session)` that returns the response message, a promise of it,
None for "no answer", or a generator that returns one of these: long work (waiting/long_work.py),
which is encoded in steps as well. Beside it, `refusal(message, code, why)` makes the response that
refuses the whole request: ApiError and storage failures end up there, and only here. It looks at
nothing but what it is given: that of a long request is made off the loop, and encoded in steps.
Tests: tests/system/answers/test_answers.py
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import GeneratorType
from typing import Any

from ..protocol.apis import Api
from ..protocol.connection import Encoded, Request, Route
from ..protocol.errors import ApiError, ErrorCode
from .apis.served import READS, SERVED
from .broker import Broker
from .cluster.quotas import Quotas
from .limits import ANSWER_BYTES_MAX, LONG_FRAME_BYTES
from .log_lines import Event
from .security.rights.guard import Handlers
from .security.rights.guarding import TopicsThere, guard_of
from .session import CloseConnection, Session
from .storage.port import FlushFailed, StorageError
from .waiting.held_bytes import HeldBytes
from .waiting.long_work import Aside, LongWork, Steps
from .waiting.promise import Failure, Promise

Handler = Callable[[Broker, Request, Session], Any]
Refusal = Callable[[Any, ErrorCode, str], Any]

TOO_LONG = f"the answer would be longer than {ANSWER_BYTES_MAX} bytes; ask for less at a time"

logger = logging.getLogger("minibroker")


class Dispatch:
    """Hands requests to their handlers, which are imported when first needed.

    Raises:
        AttributeError: there is an authorizer, and an API that does not declare what it asks.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._guard = guard_of(broker)
        if self._guard is not None:
            for api in SERVED.values():
                self._guard.guarded(handlers_of(api))

    @property
    def work(self) -> LongWork:
        """Where long work is done."""
        return self._broker.work

    @property
    def held(self) -> HeldBytes:
        """What all connections hold; handlers look at it."""
        return self._broker.held

    @property
    def quotas(self) -> Quotas:
        """How much who may do."""
        return self._broker.state.quotas

    @property
    def partitions(self) -> TopicsThere:
        """How many partitions topics have, or get."""
        return TopicsThere(self._broker)

    def handle(self, request: Request, session: Session) -> Any:
        """The response message, a Promise of it, or None when there is none to send.

        What is only known later may be a CloseConnection instead.

        Raises:
            CloseConnection: the protocol has no way to answer.
            FlushFailed: the broker must stop.
        """
        route = request.route
        handler: Handler = route.handle or self._load(route).handle
        try:
            outcome = handler(self._broker, request, session)
        except Exception as error:  # noqa: BLE001  told to the client, or raised again
            if request.size_bytes <= LONG_FRAME_BYTES:
                return self.refuse(request, *self._reason(request, session, error))
            outcome = _raised(error)
        if type(outcome) is not GeneratorType:
            return outcome
        steps = self._in_steps(request, session, outcome)
        outcome = self._broker.work.begin(steps, is_droppable=route.api.name in READS)
        if isinstance(outcome, CloseConnection):
            raise outcome
        return outcome

    def _in_steps(self, request: Request, session: Session, steps: Steps) -> Steps:
        """A handler's long work, and the encoding of its answer; refused by itself if it fails."""
        try:
            outcome = yield from steps
            if outcome is None:
                return None
            if isinstance(outcome, Encoded):
                return outcome
            if not isinstance(outcome, Promise):
                return (yield from _encoding(request, outcome, ANSWER_BYTES_MAX))
        except CloseConnection as error:
            return error
        except Exception as error:  # noqa: BLE001  told to the client, or raised again
            try:
                return (yield from self._refusing(request, session, error))
            except CloseConnection as close:  # here nobody would catch it
                return close
        encoded = Promise(outcome.on_abandoned)

        def encode(message: Any) -> None:
            if isinstance(message, Failure | CloseConnection):
                encoded.keep(message)
                return
            begun = self._broker.work.begin(self._in_steps(request, session, _steps_to(message)))
            if isinstance(begun, Promise):
                begun.deliver_to(encoded.keep)
            else:
                encoded.keep(begun)

        outcome.deliver_to(encode)
        return encoded

    def _refusing(self, request: Request, session: Session, error: Exception) -> Steps:
        code, why = self._reason(request, session, error)
        if request.size_bytes <= LONG_FRAME_BYTES:
            return self.refuse(request, code, why)
        # A refusal names all that was asked for: of a megabyte that takes a fifth of a second.
        message = yield Aside(partial(self.refuse, request, code, why))
        return (yield from _encoding(request, message, None))

    def _reason(
        self, request: Request, session: Session, error: Exception
    ) -> tuple[ErrorCode, str]:
        """What the client is told; or the error again if it is none of one request."""
        if isinstance(error, FlushFailed | CloseConnection | AssertionError):
            raise error
        if isinstance(error, ApiError):
            return self._counted(request, error.code), error.text
        if isinstance(error, StorageError):
            api, now_ms = request.route.api.name, self._broker.clock.monotonic_ms()
            self._broker.trouble.refused(api, str(error), now_ms)
            return self._counted(request, ErrorCode.KAFKA_STORAGE_ERROR), str(error)
        event = Event(
            "request-failed",
            api=request.route.api.name,
            peer=session.peer,
            client_id=request.client_id,
        )
        logger.error(event, exc_info=error)
        code = self._counted(request, ErrorCode.UNKNOWN_SERVER_ERROR)
        return code, "the broker has a bug here"

    def _counted(self, request: Request, code: ErrorCode) -> ErrorCode:
        self._broker.figures.request_refused(request.route.api.name, code)
        return code

    def _load(self, route: Route) -> Route:
        """Put the handler where its requests come by."""
        module, guard = handlers_of(route.api), self._guard
        route.handle = module.handle if guard is None else guard.guarded(module)
        route.refusal = module.refusal
        return route

    def refuse(self, request: Request, code: ErrorCode, why: str) -> Any:
        """The response message that refuses a whole request.

        Raises:
            CloseConnection: the protocol has no way to say so.
        """
        route = request.route
        refusal: Refusal = route.refusal or self._load(route).refusal
        return refusal(request.message, code, why)


def handlers_of(api: Api) -> Handlers:
    """The module that serves an API."""
    module: Handlers = import_module(f".apis.{api.module_name}", __package__)
    return module


def _encoding(request: Request, message: Any, bytes_max: int | None) -> Steps:
    """The encoded answer. Raises ApiError if it is too long."""
    steps, count = request.route.encode_steps(message), 0
    while bytes_max is None or count <= bytes_max:
        try:
            count += next(steps)
        except StopIteration as done:
            return Encoded(message, done.value)
        yield None
    raise ApiError(ErrorCode.INVALID_REQUEST, TOO_LONG)


def _raised(error: Exception) -> Steps:
    """Work that has failed."""
    yield from ()
    try:
        raise error
    finally:
        del error  # it knows this frame: a cycle


def _steps_to(message: Any) -> Steps:
    """Work that is done."""
    yield None
    return message
