"""EDGE: a rude peer: raw frames over a blocking socket, and the few bytes they are made of.

Frames are written by hand in old, plain versions, so that a list of a hundred thousand equal
elements is one multiplication of bytes. Every wait is bounded; what should have been answered and
was not is a Neglected.
"""

from __future__ import annotations

import socket
import struct
import time
from types import TracebackType
from typing import Self

from minibroker.protocol.batch.writing import build_batch

ANSWER_S = 60.0  # long work takes long on a busy machine; what hangs takes for ever
CHUNK_BYTES = 1 << 20
DYING_S = 1.0
PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_FETCH, JOIN_GROUP, DESCRIBE_GROUPS, API_VERSIONS = 9, 11, 15, 18
CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID, DESCRIBE_CONFIGS = 19, 20, 22, 32
DESCRIBE_PRODUCERS = 61


class Neglected(Exception):
    """A request that was neither answered nor its connection closed, or whose answer is wrong."""


def text(value: bytes) -> bytes:
    """A string with its length."""
    return struct.pack(">h", len(value)) + value


def array(*elements: bytes) -> bytes:
    """Elements with their count."""
    return struct.pack(">i", len(elements)) + b"".join(elements)


def repeated(element: bytes, count: int) -> bytes:
    """One element many times, with the count."""
    return struct.pack(">i", count) + element * count


def frame(
    key: int, version: int, body: bytes, *, client_id: bytes = b"x", correlation: int = 1
) -> bytes:
    """A request with its size; the header of versions that are not flexible."""
    message = struct.pack(">hhi", key, version, correlation) + text(client_id) + body
    return struct.pack(">i", len(message)) + message


def batch(count: int = 1, size: int = 100, **producer: int) -> bytes:
    """A record batch of equal values."""
    now_ms = time.time_ns() // 1_000_000
    records = [(None, b"x" * size, (), now_ms)] * count
    return build_batch(records, **producer)  # type: ignore[arg-type]


def produce(topic: bytes, records: bytes, *, acks: int = -1, client_id: bytes = b"x") -> bytes:
    """One batch for partition 0."""
    part = struct.pack(">ii", 0, len(records)) + records
    body = struct.pack(">hhi", -1, acks, 30_000) + array(text(topic) + array(part))
    return frame(PRODUCE, 7, body, client_id=client_id)


def fetch(topics: bytes, *, wait_ms: int = 0, bytes_min: int = 1) -> bytes:
    """Topics as an array; answers of up to 50 MB."""
    return frame(FETCH, 4, struct.pack(">iiiib", -1, wait_ms, bytes_min, 50 << 20, 0) + topics)


def fetch_part(partition: int, *, offset: int = 0, bytes_max: int = 1 << 20) -> bytes:
    """One partition of a fetch."""
    return struct.pack(">iqi", partition, offset, bytes_max)


def new_topic(name: bytes, partitions: int = 1) -> bytes:
    """One topic of CreateTopics."""
    return text(name) + struct.pack(">ihi", partitions, 1, 0) + array()


def create_topics(topics: bytes) -> bytes:
    """Topics as an array."""
    return frame(CREATE_TOPICS, 2, topics + struct.pack(">ib", 60_000, 0))


class Peer:
    """One connection to a broker. Closing it resets it when answers were left unread."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> bytes | None:
        """Send, and return the answer without its size; None when the broker hangs up.

        Raises:
            Neglected: neither within ANSWER_S.
        """
        try:
            self.socket.sendall(request)
        except TimeoutError:
            raise Neglected(f"the broker no longer reads {_told(request)}") from None
        except OSError:
            return None
        return self.answer(_told(request))

    def answer(self, asked: str = "") -> bytes | None:
        """The next answer without its size; as `ask`."""
        try:
            head = self._exactly(4)
            return self._exactly(struct.unpack(">i", head)[0])
        except TimeoutError:
            raise Neglected(f"no answer within {ANSWER_S:g} s to {asked}") from None
        except OSError:
            return None

    def send(self, data: bytes) -> bool:
        """Send bytes; False when the broker has hung up, or reads no more."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def flood(self, request: bytes, seconds: float) -> None:
        """Send it again and again without a pause, and throw away what comes back."""
        several = request * max(1, 200_000 // len(request))
        left = memoryview(several)
        self.socket.setblocking(False)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                left = left[self.socket.send(left) :] or memoryview(several)
            except BlockingIOError:
                pass
            except OSError:
                return
            try:
                if not self.socket.recv(CHUNK_BYTES):
                    return
            except BlockingIOError:
                continue
            except OSError:
                return

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(min(count - len(parts), CHUNK_BYTES))
            if not part:
                raise ConnectionError("the broker hung up")
            parts += part
        return bytes(parts)


def _told(request: bytes) -> str:
    key, version = struct.unpack_from(">hh", request, 4)
    return f"a request of {len(request)} bytes, API {key} version {version}"
