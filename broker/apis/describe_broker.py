"""DescribeBroker (key 10002), v0. Ours; Apache Kafka has no such API.

Ours: what the broker counts anyway (figures.py), and what stands in its way. loop_lags are empty
    where nobody watches the loop: `serve` does with --console or --metrics.
Left out: warnings that were logged and are over.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, shortened
from ...protocol.messages.describe_broker import (
    DescribeBrokerRequest,
    DescribeBrokerResponse,
    TimeBucket,
)
from ..broker import Broker
from ..faults.rules import Faults
from ..figures import Histogram, Traffic
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps

PARTITIONS_A_STEP = 500
FULL_SHARE = 0.05  # of the volume: less is warned about
NO_UPPER_US = -1  # of the last bucket

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe this broker."""
    message: DescribeBrokerRequest = request.message
    traffic = Traffic()
    traffic.include(broker.figures.gone)
    for number, partition in enumerate([*broker.partitions.values()], 1):
        traffic.add(partition)
        if not number % PARTITIONS_A_STEP:
            yield None
    total_bytes, usable_bytes = broker.world.storage.space() if message.include_volume else (-1, -1)
    figures = broker.figures
    return DescribeBrokerResponse(
        error_code=0,
        software_version=_version(),
        durability=broker.config.durability,
        start_count=broker.state.start_count,
        monotonic_ms=broker.clock.monotonic_ms(),
        started_ms=broker.opened_at_ms,
        records_in=traffic.records_in,
        bytes_in=traffic.bytes_in,
        bytes_out=traffic.bytes_out,
        produce_count=traffic.produce_count,
        fetch_count=traffic.fetch_count,
        duplicate_count=figures.duplicates,
        refused_count=figures.refused_batches.total(),
        flush_times=_buckets(figures.flush_seconds),
        loop_lags=_buckets(figures.loop_lag),
        waiting_for_flush=broker.commit.waiting_count,
        waiting_fetches=broker.parked.waiting_count,
        open_partitions=len(broker.partitions),
        volume_total_bytes=total_bytes,
        volume_usable_bytes=usable_bytes,
        warnings=_warnings(broker, total_bytes, usable_bytes),
    )


def refusal(message: DescribeBrokerRequest, code: ErrorCode, why: str) -> DescribeBrokerResponse:
    """The response that describes nothing."""
    return DescribeBrokerResponse(error_code=code, error_message=shortened(why))


def _buckets(measured: Histogram | None) -> list[TimeBucket]:
    if measured is None:
        return []
    uppers = [round(each * 1_000_000) for each in measured.bounds] + [NO_UPPER_US]
    return [
        TimeBucket(upper_us=upper, count=count)
        for upper, count in zip(uppers, measured.counts, strict=True)
    ]


def _warnings(broker: Broker, total_bytes: int, usable_bytes: int) -> list[str]:
    """What the operator had better know, most urgent first."""
    found = []
    if broker.trouble.is_on:
        found.append("the data directory refuses writes: see the broker's log")
    if 0 <= usable_bytes < total_bytes * FULL_SHARE:
        found.append("the volume of the data directory is nearly full")
    if broker.config.durability == "memory":
        found.append("nothing survives the end of this broker: durability is memory")
    if isinstance(broker.faults, Faults):
        count = len(broker.faults.rules)
        found.append(f"it breaks on purpose: started with faults, {count} armed")
    return found


def _version() -> str:
    try:
        return version("minibroker")
    except PackageNotFoundError:  # run from a folder that nobody installed
        return ""
