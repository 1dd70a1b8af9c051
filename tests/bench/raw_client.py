"""EDGE: raw Produce requests over one socket, as fast as the broker answers them.

The frames are made beforehand, so the client costs as little as it can: what is measured is the
broker. Every response has the same size; the error code of the last one is checked.
"""

from __future__ import annotations

import socket
import statistics
import struct
import time
from dataclasses import dataclass

from minibroker.protocol.batch import build_batch
from minibroker.protocol.compiler import decoder, encoder
from minibroker.protocol.header import RequestHeader, encode_request_header
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)

VERSION = 5
NOT_THERE_YET = (3, 5, 6)  # of a topic that has just been created
TIMEOUT_S = 30.0
RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Case:
    """One load: so many records of so many bytes a batch, so many requests in flight."""

    name: str
    records: int
    record_bytes: int
    in_flight: int

    @property
    def batch_bytes(self) -> int:
        """Record values of one batch, in bytes."""
        return self.records * self.record_bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round of a case came to."""

    requests_per_s: float
    p50_ms: float  # of single requests; 0 unless one is in flight


def produce_frame(case: Case, topic: str) -> bytes:
    """A whole Produce request of a case, with its size."""
    now_ms = time.time_ns() // 1_000_000
    batch = build_batch([(None, b"x" * case.record_bytes, (), now_ms)] * case.records)
    part = PartitionProduceData(index=0, records=batch)
    message = ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name=topic, partition_data=[part])],
    )
    head = encode_request_header(RequestHeader(0, VERSION, 1, "bench"))
    body = b"".join((head, *encoder(ProduceRequest, VERSION)(message)))
    return struct.pack(">i", len(body)) + body


def load(address: tuple[str, int], case: Case, topic: str, seconds: float) -> Measured:
    """Send for so many seconds; raises RuntimeError when the broker refuses."""
    with socket.create_connection(address, TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        frame = produce_frame(case, topic)
        size = _check_response(connection, frame)
        if case.in_flight == 1:
            return _one_at_a_time(connection, frame, size, seconds)
        return _pipelined(connection, frame, size, case.in_flight, seconds)


def _check_response(connection: socket.socket, frame: bytes) -> int:
    """Send one request, again while the topic is not there yet; return the size of a response."""
    until = time.perf_counter() + TIMEOUT_S
    while True:
        connection.sendall(frame)
        head = _exactly(connection, 4)
        body = _exactly(connection, struct.unpack(">i", head)[0])
        code = 0 if _is_foreign(body) else _error_code(body)
        if code == 0:
            return len(head) + len(body)
        if code not in NOT_THERE_YET or time.perf_counter() > until:
            raise RuntimeError(f"the broker answered {code}")


def _error_code(body: bytes) -> int:
    response, _ = decoder(ProduceResponse, VERSION)(body, 4)
    return response.responses[0].partition_responses[0].error_code


def _is_foreign(body: bytes) -> bool:
    """Whether the peer is the echo server, whose answers mean nothing."""
    return not any(body)


def _one_at_a_time(connection: socket.socket, frame: bytes, size: int, seconds: float) -> Measured:
    took: list[float] = []
    began = now = time.perf_counter()
    while now - began < seconds:
        connection.sendall(frame)
        _exactly(connection, size)
        then, now = now, time.perf_counter()
        took.append(now - then)
    return Measured(len(took) / (now - began), statistics.median(took) * 1000)


def _pipelined(
    connection: socket.socket, frame: bytes, size: int, in_flight: int, seconds: float
) -> Measured:
    """Keep the window full, topping it up by half at a time."""
    half = max(1, in_flight // 2)
    several = frame * half
    sent = received_bytes = 0
    began = time.perf_counter()
    until = began + seconds
    while True:
        open_requests = sent - received_bytes // size
        if time.perf_counter() < until:
            while open_requests + half <= in_flight:
                connection.sendall(several)
                sent += half
                open_requests += half
        elif not open_requests:
            return Measured(sent / (time.perf_counter() - began), 0.0)
        received = connection.recv(RECEIVE_BYTES)
        if not received:
            raise RuntimeError("the broker hung up")
        received_bytes += len(received)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(count)
        if not part:
            raise RuntimeError("the broker hung up")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
