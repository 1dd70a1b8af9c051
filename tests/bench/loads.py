"""The loads that the generator sends, as the rows of every table of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TOPIC = "bench"  # written to
READ_TOPIC = "bench-read"  # read from, filled once
READ_BATCHES = 2_000
READ_RECORDS, READ_RECORD_BYTES = 10, 1_000  # of a batch there
PARTITIONS = 8  # of TOPIC
SHOWN_AS_RATE_BYTES = 1_000  # larger batches are shown in MB/s


@dataclass(frozen=True, slots=True)
class Load:
    """One load of equal requests.

    Args:
        in_flight: requests of one connection that wait for an answer.
        records, record_bytes: of one produced batch.
        partitions: written to in turn.
        fetch_bytes: wanted by one fetch.
    """

    name: str
    in_flight: int
    api: Literal["produce", "fetch", "metadata"] = "produce"
    records: int = 1
    record_bytes: int = 100
    connections: int = 1
    partitions: int = 1
    is_idempotent: bool = False
    fetch_bytes: int = 0

    @property
    def payload_bytes(self) -> int:
        """Record values of one batch, or of one fetch; 0 where a rate says more."""
        payload = self.fetch_bytes or self.records * self.record_bytes
        return payload if payload > SHOWN_AS_RATE_BYTES else 0

    def options(self) -> list[str]:
        """The generator's command line for it."""
        numbers = {
            "in-flight": self.in_flight,
            "connections": self.connections,
            "partitions": self.partitions,
            "records": self.records,
            "record-bytes": self.record_bytes,
        }
        if self.api == "fetch":
            numbers |= {
                "fetch-bytes": self.fetch_bytes,
                "fetch-range": READ_BATCHES * READ_RECORDS,
            }
        topic = READ_TOPIC if self.api == "fetch" else TOPIC
        told = [f"-{name}={number}" for name, number in numbers.items()]
        return [f"-api={self.api}", f"-topic={topic}", f"-idempotent={self.is_idempotent}", *told]


SINGLES = Load("100 B, 50 in flight", 50)
ONE = Load("100 B, one at a time", 1)
BATCHES = Load("150 x 100 B, 20 in flight", 20, records=150)
RECORDS_16_KB = Load("16 KB, 20 in flight", 20, record_bytes=16_384)
RECORDS_1_MB = Load("1 MB, 5 in flight", 5, record_bytes=1_000_000)
IDEMPOTENT = Load("100 B idempotent, 5 in flight", 5, is_idempotent=True)
SEVERAL = Load("100 B, 8 connections, one each", 1, connections=8, partitions=PARTITIONS)

PAGE_CACHE_LOADS = (
    SINGLES,
    ONE,
    BATCHES,
    RECORDS_16_KB,
    RECORDS_1_MB,
    IDEMPOTENT,
    Load("150 x 100 B idempotent, 5 in flight", 5, records=150, is_idempotent=True),
    SEVERAL,
    Load(
        "100 B idempotent, 32 connections, 5 each",
        5,
        connections=32,
        partitions=PARTITIONS,
        is_idempotent=True,
    ),
    Load("fetch of 10 KB, one at a time", 1, api="fetch", fetch_bytes=10_000),
    Load("fetch of 10 KB, 10 in flight", 10, api="fetch", fetch_bytes=10_000),
    Load("fetch of 1 MB, one at a time", 1, api="fetch", fetch_bytes=1_000_000),
    Load("Metadata, 10 in flight", 10, api="metadata"),
)
FSYNC_LOADS = (SINGLES, ONE, IDEMPOTENT, SEVERAL)
