"""EDGE: a broker without sockets or disk: bytes in, answers out, and everything judged.

    Stage().play(data, chunks)      one connection sends `data`; AssertionError for what is wrong

Wrong is: an exception that leaves the server, the "failed" line of a handler, a broken invariant,
an answer that does not parse or comes out of order, a request without its answer, another client
that is no longer served, a log that cannot be read, and a restart that finds something else.
The clock stands still, flushes are done in the same turn of the loop.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

from minibroker.broker.broker import Broker
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.listeners import Listener
from minibroker.broker.connections.server import Server
from minibroker.broker.dispatch import Dispatch
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World
from minibroker.protocol.apis import APIS, response_type
from minibroker.protocol.batch.header import BatchError, crc_is_valid, headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.compiler import decoder
from minibroker.protocol.framing import FrameBuffer
from minibroker.protocol.header import decode_response_header

from tests.fuzz.seeds import NOW_MS, TOPIC, fetch, produce
from tests.support.in_loop.runtime import request_frame

OTHERS_TOPIC = "others"
PRODUCE, API_VERSIONS = 0, 18
PRODUCE_VERSION, FETCH_VERSION = 9, 12
LISTENER = Listener("PLAINTEXT", "127.0.0.1", 9092, "127.0.0.1", 9092)
PEER = ("fuzz", 1)
FRAME_BYTES_MAX = 8 * 1024 * 1024
FOR_EVER_MS = 10**12
TURNS_MAX = 50
_CORRELATION_AT = slice(4, 8)


class StandingClock:
    """Time that stands still. Implements world.Clock."""

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return 0


class FakeTransport(asyncio.Transport):
    """Keeps what is written; a closed one ends its protocol in the next turn, as sockets do."""

    def __init__(self, protocol: asyncio.BufferedProtocol) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False
        self.takes_bytes = True
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return PEER if name in ("peername", "sockname") else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.takes_bytes = False

    def resume_reading(self) -> None:
        self.takes_bytes = True

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


class Complaints(logging.Handler):
    """Collects what the broker reports as its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        self.found.append(text)


class Stage:
    """One broker on an empty disk in memory, with two topics."""

    def __init__(self) -> None:
        self._config = BrokerConfig.of(
            {"log.dirs": ("data",), "socket.request.max.bytes": FRAME_BYTES_MAX}
        )
        self._storage = MemoryStorage()
        self._loop = asyncio.get_running_loop()
        self._broken: list[Exception] = []
        self.broker = self._start()
        self._server = Server(self._config, Dispatch(self.broker), self._broken.append)
        for name in (TOPIC, OTHERS_TOPIC):
            topic = self.broker.plan_topic(NewTopic(name, partition_count=2))
            self.broker.create_topics([topic])  # type: ignore[list-item]  # it cannot be refused

    async def play(self, data: bytes, chunks: Random) -> None:
        """Let one connection send `data` in pieces, and judge what came of it."""
        await self.play_each([data], chunks)

    async def play_each(self, connections: Iterable[bytes], chunks: Random) -> None:
        """Let one connection after the other send its bytes; what is left is judged at the end."""
        complaints = Complaints()
        log = logging.getLogger("minibroker")
        log.addHandler(complaints)
        self._loop.set_exception_handler(lambda _, context: complaints.found.append(str(context)))
        try:
            for data in connections:
                transport = await self._send(data, chunks)
                assert not complaints.found, complaints.found[0]
                assert not self._broken, f"an invariant broke: {self._broken[0]!r}"
                judge_answers(data, b"".join(transport.written), is_closed=transport.is_closed)
            await self._serve_others(chunks)
            self._judge_logs()
            assert not complaints.found, complaints.found[0]
        finally:
            self._loop.set_exception_handler(None)
            log.removeHandler(complaints)

    async def _send(self, data: bytes, chunks: Random) -> FakeTransport:
        session = self._server.connect(LISTENER, LISTENER.port)
        transport = FakeTransport(session)
        session.connection_made(transport)
        rest = memoryview(data)
        while rest and not transport.is_closed:
            assert transport.takes_bytes, "the connection is held back although nothing waits"
            room = session.get_buffer(-1)
            count = min(len(room), len(rest), chunks.choice((1, 50, 5_000, 500_000)))
            room[:count] = rest[:count]
            rest = rest[count:]
            session.buffer_updated(count)
            for _ in range(TURNS_MAX):
                await asyncio.sleep(0)
                if transport.takes_bytes or transport.is_closed:
                    break
                self.broker.parked.on_deadline(FOR_EVER_MS)
        for _ in range(TURNS_MAX):
            self.broker.parked.on_deadline(FOR_EVER_MS)
            await asyncio.sleep(0)
            if session.is_idle and self.broker.commit.is_idle:
                break
        await asyncio.sleep(0)
        if not transport.is_closed:
            session.connection_lost(None)
        assert not self._server.connections, "a connection that has ended is still known"
        return transport

    async def _serve_others(self, chunks: Random) -> None:
        """A well-behaved client produces twice, the second time a retry, and waits to read it."""
        batch = build_batch(
            [(None, b"v", (), NOW_MS)], producer_id=2**40, producer_epoch=0, base_sequence=0
        )
        asked = produce(batch, topic=OTHERS_TOPIC)
        sent = b"".join(
            (
                request_frame(asked, PRODUCE_VERSION, 1),
                request_frame(asked, PRODUCE_VERSION, 2),
                request_frame(fetch(topic=OTHERS_TOPIC, wait_ms=1000), FETCH_VERSION, 3),
            )
        )
        transport = await self._send(sent, chunks)
        answers = judge_answers(sent, b"".join(transport.written), is_closed=transport.is_closed)
        first, retry, read = answers
        for answer in (first, retry):
            stored = answer.responses[0].partition_responses[0]
            assert (stored.error_code, stored.base_offset) == (0, 0), stored
        records = read.responses[0].partitions[0].records
        assert [record.value for record in records_in(records)] == [b"v"]

    def _judge_logs(self) -> None:
        """Every log can be read, and a broker started on the same files finds the same."""
        before = {key: judge_log(part) for key, part in self.broker.partitions.items()}
        topics = dict(self.broker.state.topics)
        again = self._start()
        assert dict(again.state.topics) == topics
        for (name, index), batches in before.items():
            part = again.partition(name, index)
            assert part is not None
            assert judge_log(part) == batches
            assert part.sequences._entries.keys() == (
                self.broker.partitions[name, index].sequences._entries.keys()
            )

    def _start(self) -> Broker:
        hooks = Hooks(
            flush_wanted=lambda: self._soon(self._flush),
            fetches_ready=lambda: self._soon(self.broker.parked.take_ready),
            deadline_moved=lambda: None,
            warn=lambda text: None,
        )
        world = World(StandingClock(), self._storage, Random(1))
        return Broker(self._config, [LISTENER], world, hooks)

    def _soon(self, call: Any) -> None:
        self._loop.call_soon(call)

    def _flush(self) -> None:
        round_ = self.broker.begin_round()
        for file in round_.files:
            file.flush()
        self.broker.finish_round(round_)


def frames_in(data: bytes) -> Iterator[bytes]:
    """The whole frames at the beginning of `data`, up to the first impossible size."""
    position = 0
    while position + 4 <= len(data):
        (size,) = struct.unpack_from(">i", data, position)
        if not 0 <= size <= min(FRAME_BYTES_MAX, len(data) - position - 4):
            return
        yield data[position + 4 : position + 4 + size]
        position += 4 + size


def judge_answers(sent: bytes, answered: bytes, *, is_closed: bool) -> Sequence[Any]:
    """The response messages; AssertionError unless they answer the requests in their order.

    Args:
        sent, answered: all bytes of one connection, either way.
        is_closed: the broker hung up, so that requests at the end may lack their answers.
    """
    frames = FrameBuffer(2**31 - 1).feed(answered)
    assert sum(len(frame) + 4 for frame in frames) == len(answered), "an answer is cut short"
    requests = deque(frames_in(sent))
    messages = []
    for frame in frames:
        while requests and requests[0][_CORRELATION_AT] != frame[:4]:
            skipped = requests.popleft()
            assert skipped[:2] == b"\0\0", f"no answer to {skipped[:40].hex()}"
        assert requests, "an answer to no request, or out of order"
        messages.append(_read_answer(requests.popleft(), frame))
    for request in () if is_closed else requests:
        assert request[:2] == b"\0\0", f"no answer to {request[:40].hex()}"  # acks=0 gets none
    return messages


def _read_answer(request: bytes, frame: memoryview) -> Any:
    key, version = struct.unpack_from(">hh", request)
    api = APIS[key]
    if key == API_VERSIONS and not api.versions[0] <= version <= api.versions[1]:
        version = 0  # KIP-511
    _, position = decode_response_header(frame, key, version)
    message, end = decoder(response_type(key), version)(frame, position)
    assert end == len(frame), f"{api.name} v{version}: bytes follow the answer"
    return message


def judge_log(partition: Any) -> list[bytes]:
    """The batches of a log, each whole, valid and where it must be."""
    log = partition.log
    batches: list[bytes] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, log.log_end_offset, 1)
        for position, header in headers_in(data):
            assert header.base_offset == offset
            assert crc_is_valid(data, header, position)
            batch = data[position : position + header.size_bytes]
            offset = header.next_offset
            batches.append(batch)
            try:
                records_in(batch)
            except BatchError:
                continue  # what is inside a record, or compressed, only its readers look at
    return batches
