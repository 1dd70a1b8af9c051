"""EDGE: performs what sender.py decides: writes its calls, hears the answers, arms one timer.

No task of its own: `pump` runs on the loop when something has changed (a batch is ready, an answer
came, a connection opened) or when the timer fires. It drains, writes every call before it returns,
and never awaits, so no decision spans a turn of the loop.
Tests: tests/system/client/test_client.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ...protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from ..cluster.backoff import backoff_ms
from ..cluster.cluster import Cluster
from ..cluster.connection import Connection
from ..cluster.coordinator import version_max
from ..config import ProducerConfig
from ..door.owner import Owner
from ..errors import (
    ClientError,
    ConnectionFailed,
    DeliveryTimeout,
    Fatal,
    RequestTimedOut,
    UnsupportedApi,
    defect,
    words,
)
from .accumulator import Accumulator
from .answers import Answer
from .batch import ProducerBatch
from .coordinating import Coordinating
from .receipts import until_all_done
from .sender import NEVER, ProduceCall, Sender

logger = logging.getLogger("minibroker.client")
PRODUCE_KEY = 0
BUMPING_SINCE = 12  # of Produce: partitions are added to the transaction by what is written there
TRANSACTION_TIMEOUT_MS = 2**31 - 1  # means nothing without a transactional id; Java sends this


class Sending:
    """The asyncio coat of one Sender.

    Args:
        sender: by default a plain one.

    Attributes:
        owner: who may call.
        on_progress: called after a turn in which batches may have come to an end.
        on_failure: called when the producer has ended without being asked to.
        on_metadata: called when something new is known of topics.
    """

    def __init__(
        self,
        config: ProducerConfig,
        accumulator: Accumulator,
        random: Random,
        owner: Owner,
        sender: Sender | None = None,
    ) -> None:
        self._config = config
        self._accumulator = accumulator
        self._random = random
        self.on_progress: Callable[[], None] = _nothing
        self.on_metadata: Callable[[], None] = _nothing
        self.on_failure: Callable[[ClientError], None] = _nothing
        self.owner = owner
        self.sender = sender or Sender(config, accumulator, random)
        self.cluster = Cluster(config, random, self._on_change, self._on_end)
        self.coordinating: Coordinating | None = None
        if self.sender.transactional is not None:
            self.coordinating = Coordinating(
                config, self.sender, self.cluster, random, wake=self.wake, fail=self.fail
            )
        self._loop = owner.loop
        self._calls: dict[Connection, list[ProduceCall]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms = NEVER
        self._woken: asyncio.Handle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._is_stopped = False

    def now_ms(self) -> float:
        """The loop's clock."""
        return self._loop.time() * 1000

    def wake(self) -> None:
        """Pump in the next turn of the loop."""
        if self._woken is None and not self._is_stopped:
            self._woken = self._loop.call_soon(self._pump)

    def wake_at(self, at_ms: float) -> None:
        """Pump at an instant, unless an earlier one is set."""
        if at_ms < self._timer_at_ms and not self._is_stopped:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at_ms = at_ms
            self._timer = self._loop.call_at(at_ms / 1000, self._on_timer)

    def metrics(self) -> dict[str, float]:
        """What was counted, by Kafka's metric names."""
        return {
            **self.sender.metrics(),
            **self.cluster.metrics(self.now_ms()),
            "requests-in-flight": sum(map(len, self._calls.values())),
        }

    async def start(self) -> None:
        """Reach a broker. Raises ConnectionFailed."""
        await self.cluster.start()

    async def close(self, error: Callable[[ProducerBatch], ClientError]) -> None:
        """End; whatever is open fails."""
        self.stop()
        self.sender.fail_all(error)
        self.on_progress()
        await self.cluster.stop()

    async def flush(self, limit_ms: float) -> None:
        """Send at once what was handed over, and wait for it. Raises DeliveryTimeout."""
        self._accumulator.begin_flush()
        try:
            self.wake()
            async with asyncio.timeout(limit_ms / 1000):
                await until_all_done(self.sender.open_batches())
        except TimeoutError:
            batches = self.sender.open_batches()
            if not batches:
                return
            raise DeliveryTimeout(
                f"{sum(each.count for each in batches)} records not confirmed within "
                f"{limit_ms:.0f} ms; last problem: {self.sender.in_doubt or 'none'}",
                code=ErrorCode.REQUEST_TIMED_OUT,
                possibly_persisted=any(each.sends for each in batches),
            ) from None
        finally:
            self._accumulator.end_flush()

    def stop(self) -> None:
        """No more pumping."""
        self._is_stopped = True
        for handle in (self._timer, self._woken):
            if handle is not None:
                handle.cancel()
        if self.coordinating is not None:
            self.coordinating.stop()

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at_ms = NEVER
        self._pump()

    def fail(self, error: Exception) -> None:
        """Something is wrong in here: the producer ends, and everybody who waits is told."""
        ended = defect("the producer", error)
        ended.__cause__ = error if ended is not error else error.__cause__
        if self.cluster.failure is None and not self._is_stopped:
            self.cluster.end(ended)  # which comes back by way of _on_end
        else:
            self._on_end(ended)

    def on_awaited(self, batch: ProducerBatch) -> None:
        """Somebody waits for a batch. Raises RuntimeError in another loop, thread or process."""
        self.owner.check()
        if not batch.is_awaited:
            batch.is_awaited = True
            self.wake()

    def on_unheard(self, batch: ProducerBatch) -> None:
        """A batch has failed that nobody waits for."""
        logger.warning("records are lost that nobody waits for: %s", batch.outcome)

    def _on_change(self) -> None:
        for topic in self.cluster.metadata.take_made_again():
            logger.warning("topic %s was deleted and made again; going on with the new one", topic)
            self.sender.made_again(topic)
        self.on_metadata()
        self.wake()

    def _on_end(self, error: ClientError) -> None:
        self.sender.end(error)
        if self.coordinating is not None:
            self.coordinating.tell()
        self.on_failure(error)
        self.on_progress()

    def _pump(self) -> None:
        self._woken = None
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            self.fail(error)
        self.on_progress()

    def _turn(self) -> None:
        sender, now_ms = self.sender, self.now_ms()
        self._give_up_late_calls(now_ms)
        self.cluster.refresh_if_old(now_ms)
        sender.expire(now_ms)
        for call in sender.drain(now_ms, self.cluster.metadata.leader_of, self._slots_of):
            self._write(call)
        if sender.wants_producer_id and self._asking is None:
            self._asking = self.cluster.spawn(self._ask_for_producer_id(), "producer id")
        if self.coordinating is not None:
            self.coordinating.turn()
        if sender.wants_metadata:
            sender.wants_metadata = False
            self.cluster.refresh_soon()
        deadline_ms = min((calls[0].deadline_ms for calls in self._calls.values()), default=NEVER)
        wake_ms = min(sender.next_wake_ms(now_ms), deadline_ms)
        if wake_ms != NEVER:
            self.wake_at(wake_ms)

    def _slots_of(self, node_id: int) -> int:
        connection = self.cluster.connection(node_id)
        if connection is None:
            self.sender.in_doubt = self.cluster.last_problem or self.sender.in_doubt
            return 0
        open_calls = len(self._calls.get(connection, ()))
        return self._config.max_in_flight_requests_per_connection - open_calls

    def _write(self, call: ProduceCall) -> None:
        connection = self.cluster.connection(call.node_id)
        if connection is None:
            self.sender.lost(call, self.now_ms(), self.cluster.last_problem)
            return
        request = produce_request(call, self._config)
        self._calls.setdefault(connection, []).append(call)
        try:
            if self._config.required_acks == 0:
                connection.send_unanswered(request, _Asked(self, connection, call))
            else:
                version = self._version_in_transaction(connection)
                connection.ask(request, _Asked(self, connection, call), version=version)
        except ConnectionFailed as error:
            self._forget(connection, call)
            self.sender.lost(call, self.now_ms(), str(error))
        except UnsupportedApi as error:
            self._forget(connection, call)
            self._refuse(call, str(error))

    def _version_in_transaction(self, connection: Connection) -> int | None:
        """The version says whether the broker has to add the partition; None: any."""
        transactional = self.sender.transactional
        if transactional is None:
            return None
        newest = version_max(connection, PRODUCE_KEY)
        return max(newest, BUMPING_SINCE) if transactional.bumps else min(newest, BUMPING_SINCE - 1)

    def _refuse(self, call: ProduceCall, why: str) -> None:
        answer = Answer(ErrorCode.UNSUPPORTED_VERSION, message=why)
        for batch in call.batches:
            self.sender.answered(batch, answer, self.now_ms())

    def on_answer(
        self, connection: Connection, call: ProduceCall, response: ProduceResponse | None
    ) -> None:
        """A broker has answered; None: with acks=0, all bytes have left."""
        self._forget(connection, call)
        if response is None:
            self.sender.unacknowledged(call)
            self.wake()
            return
        now_ms = self.now_ms()
        answers = answers_in(response)
        for batch in call.batches:
            answer = answers.get((batch.topic, batch.partition), NOT_MENTIONED)
            self.sender.answered(batch, answer, now_ms)
        self.wake()

    def on_no_answer(self, connection: Connection, call: ProduceCall, why: str) -> None:
        """The connection has ended first."""
        self._forget(connection, call)
        self.sender.lost(call, self.now_ms(), why)
        self.wake()

    def _forget(self, connection: Connection, call: ProduceCall) -> None:
        calls = self._calls[connection]
        calls.remove(call)
        if not calls:
            del self._calls[connection]

    def _give_up_late_calls(self, now_ms: float) -> None:
        for connection, calls in [*self._calls.items()]:
            if calls[0].deadline_ms <= now_ms:
                timeout_ms = self._config.request_timeout_ms
                address = f"{connection.host}:{connection.port}"
                text = f"{address} gave no answer to Produce within {timeout_ms} ms"
                connection.fail(RequestTimedOut(text))

    async def _ask_for_producer_id(self) -> None:
        """Ask until a broker gives one, or says that it never will."""
        attempts = 0
        request = InitProducerIdRequest(
            transactional_id=None, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
        )
        config = self._config
        try:
            while self.sender.wants_producer_id:
                try:
                    connection = await self.cluster.any_connection()
                    response: InitProducerIdResponse = await connection.request(
                        request, timeout_ms=config.request_timeout_ms
                    )
                    code = error_code(response.error_code)
                    if not code and response.producer_id >= 0:
                        self.sender.give_producer_id(response.producer_id)
                        return
                    told = words(code, AclOperation.IDEMPOTENT_WRITE)
                    self.sender.in_doubt = f"InitProducerId: {code.name}: {told}"
                    if code and not code.retriable:
                        self._fail_waiting(code, self.sender.in_doubt)
                        return
                except (ConnectionFailed, RequestTimedOut) as error:
                    self.sender.in_doubt = str(error)
                except UnsupportedApi as error:
                    text = f"{error}; enable_idempotence=False does without"
                    self._fail_waiting(ErrorCode.UNSUPPORTED_VERSION, text)
                    return
                wait_ms = backoff_ms(
                    config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
                )
                await asyncio.sleep(wait_ms / 1000)
                attempts += 1
        finally:
            self._asking = None
            self.wake()

    def _fail_waiting(self, code: ErrorCode, text: str) -> None:
        """No producer id: what waits fails; a later send asks again."""
        self.sender.wants_producer_id = False

        def error(batch: ProducerBatch) -> ClientError:
            persisted = batch.possibly_persisted
            return Fatal(f"{batch.describe()}: {text}", code=code, possibly_persisted=persisted)

        self.sender.fail_all(error)


class _Asked:
    """A call that waits for its answer; told so by the connection, without a turn of the loop."""

    __slots__ = ("_call", "_connection", "_sending")

    def __init__(self, sending: Sending, connection: Connection, call: ProduceCall) -> None:
        self._sending = sending
        self._connection = connection
        self._call = call

    def done(self) -> bool:
        """It always wants to know."""
        return False

    def set_result(self, result: ProduceResponse | None, /) -> None:
        """The answer; None with acks=0, when all bytes have left."""
        try:
            self._sending.on_answer(self._connection, self._call, result)
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            self._sending.fail(error)

    def set_exception(self, exception: Exception, /) -> None:
        """There will be none."""
        try:
            self._sending.on_no_answer(self._connection, self._call, str(exception))
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            self._sending.fail(error)


NOT_MENTIONED = Answer(
    ErrorCode.UNKNOWN_SERVER_ERROR, message="the broker's answer leaves this partition out"
)


def _nothing(*_: object) -> None:
    """Nobody is interested yet."""


def produce_request(call: ProduceCall, config: ProducerConfig) -> ProduceRequest:
    """The message of a call."""
    topics: dict[str, list[PartitionProduceData]] = {}
    for batch in call.batches:
        data = PartitionProduceData(index=batch.partition, records=memoryview(batch.wire))
        topics.setdefault(batch.topic, []).append(data)
    return ProduceRequest(
        transactional_id=config.transactional_id,
        acks=config.required_acks,
        timeout_ms=config.request_timeout_ms,
        topic_data=[
            TopicProduceData(name=name, partition_data=data) for name, data in topics.items()
        ],
    )


def answers_in(response: ProduceResponse) -> dict[tuple[str, int], Answer]:
    """What a response says, by topic and partition."""
    return {
        (topic.name, each.index): Answer(
            error_code(each.error_code),
            each.base_offset,
            each.log_append_time_ms,
            each.log_start_offset,
            each.error_message,
        )
        for topic in response.responses
        for each in topic.partition_responses
    }
