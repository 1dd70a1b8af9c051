"""What producers and consumers can be told: Kafka's names in snake case, Kafka's defaults.

All but batch_size. Frozen values, checked when they are made. Durations in ms, sizes in bytes.
Source: ProducerConfig.java, ConsumerConfig.java, CommonClientConfigs.java (4.x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..protocol.compression import Codec

Acks: TypeAlias = Literal["all", -1, 0, 1]
CompressionType: TypeAlias = Literal["none", "gzip", "snappy", "lz4", "zstd"]
OffsetReset: TypeAlias = Literal["earliest", "latest", "none"]

CODECS: dict[str, Codec] = {codec.name.lower(): codec for codec in Codec}
OFFSET_RESETS = ("earliest", "latest", "none")
ASSIGNOR_NAMES = ("range", "roundrobin", "cooperative-sticky")
COOPERATIVE = "cooperative-sticky"
BATCH_SIZE = 524_288  # not Kafka's 16,384: in Python a batch costs more than the bytes in it
RETRIES_MAX = 2**31 - 1
IN_FLIGHT_MAX = 5  # a broker remembers that many batches of a producer and partition


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class ConnectionConfig:
    """How brokers are reached; shared by producers and consumers.

    Args:
        bootstrap_servers: (host, port) pairs, tried in turn until one answers.
    """

    bootstrap_servers: tuple[tuple[str, int], ...]
    client_id: str = "minibroker"
    request_timeout_ms: int = 30_000
    retry_backoff_ms: int = 100
    retry_backoff_max_ms: int = 1_000
    reconnect_backoff_ms: int = 50
    reconnect_backoff_max_ms: int = 1_000
    metadata_max_age_ms: int = 300_000
    socket_connection_setup_timeout_ms: int = 10_000
    allow_auto_create_topics: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot work."""
        if not self.bootstrap_servers:
            raise ValueError("bootstrap_servers names no broker")
        _check_positive(
            request_timeout_ms=self.request_timeout_ms,
            socket_connection_setup_timeout_ms=self.socket_connection_setup_timeout_ms,
            metadata_max_age_ms=self.metadata_max_age_ms,
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class ProducerConfig(ConnectionConfig):
    """Options of a Producer."""

    acks: Acks = "all"
    enable_idempotence: bool = True
    linger_ms: float = 5
    batch_size: int = BATCH_SIZE
    buffer_memory: int = 33_554_432
    max_request_size: int = 1_048_576
    max_in_flight_requests_per_connection: int = 5
    max_block_ms: int = 60_000
    delivery_timeout_ms: int = 120_000
    retries: int = RETRIES_MAX
    compression_type: CompressionType = "none"

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot work or would break a promise."""
        super().__post_init__()
        _check_positive(
            batch_size=self.batch_size,
            buffer_memory=self.buffer_memory,
            max_request_size=self.max_request_size,
            max_in_flight_requests_per_connection=self.max_in_flight_requests_per_connection,
            delivery_timeout_ms=self.delivery_timeout_ms,
        )
        if self.acks not in ("all", -1, 0, 1):
            raise ValueError(f"acks={self.acks!r}: expected 'all', -1, 0 or 1")
        if self.compression_type not in CODECS:
            known = ", ".join(CODECS)
            raise ValueError(f"compression_type={self.compression_type!r}: expected one of {known}")
        if self.linger_ms < 0 or self.max_block_ms < 0 or self.retries < 0:
            raise ValueError("linger_ms, max_block_ms and retries must not be negative")
        if not self.enable_idempotence:
            return
        if self.acks not in ("all", -1):
            raise ValueError(
                f"acks={self.acks} cannot be exactly once: use acks='all' or "
                "enable_idempotence=False"
            )
        if self.retries == 0:
            raise ValueError(
                "retries=0 cannot be exactly once: leave it out (delivery_timeout_ms bounds every "
                "record) or use enable_idempotence=False"
            )
        if self.max_in_flight_requests_per_connection > IN_FLIGHT_MAX:
            raise ValueError(
                "enable_idempotence allows max_in_flight_requests_per_connection up to "
                f"{IN_FLIGHT_MAX}: brokers remember no more batches"
            )

    @property
    def required_acks(self) -> int:
        """acks as it travels: -1 for all."""
        return -1 if self.acks == "all" else self.acks

    @property
    def codec(self) -> Codec:
        """The codec of compression_type."""
        return CODECS[self.compression_type]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class ConsumerConfig(ConnectionConfig):
    """Options of a Consumer.

    Args:
        partition_assignment_strategy: names of assignors, the one liked best first. Members keep
            reading through a rebalance when all of them are cooperative.
    """

    auto_offset_reset: OffsetReset = "latest"
    fetch_min_bytes: int = 1
    fetch_max_bytes: int = 52_428_800
    fetch_max_wait_ms: int = 500
    max_partition_fetch_bytes: int = 1_048_576
    max_poll_records: int = 500
    check_crcs: bool = True
    group_id: str | None = None
    group_instance_id: str | None = None
    partition_assignment_strategy: tuple[str, ...] = ("range", "cooperative-sticky")
    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 3_000
    max_poll_interval_ms: int = 300_000
    enable_auto_commit: bool = True
    auto_commit_interval_ms: int = 5_000

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot work."""
        super().__post_init__()
        _check_positive(
            fetch_max_bytes=self.fetch_max_bytes,
            max_partition_fetch_bytes=self.max_partition_fetch_bytes,
            max_poll_records=self.max_poll_records,
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.heartbeat_interval_ms,
            max_poll_interval_ms=self.max_poll_interval_ms,
            auto_commit_interval_ms=self.auto_commit_interval_ms,
        )
        if self.auto_offset_reset not in OFFSET_RESETS:
            expected = ", ".join(OFFSET_RESETS)
            raise ValueError(
                f"auto_offset_reset={self.auto_offset_reset!r}: expected one of {expected}"
            )
        if self.fetch_max_wait_ms >= self.request_timeout_ms:
            raise ValueError("fetch_max_wait_ms must be below request_timeout_ms")
        if self.heartbeat_interval_ms >= self.session_timeout_ms:
            raise ValueError("heartbeat_interval_ms must be below session_timeout_ms")
        if self.group_id == "":
            raise ValueError("group_id is empty: name the group, or leave it out")
        if self.group_instance_id is not None and self.group_id is None:
            raise ValueError("group_instance_id names a member of a group: give group_id as well")
        unknown = [
            each for each in self.partition_assignment_strategy if each not in ASSIGNOR_NAMES
        ]
        if unknown or not self.partition_assignment_strategy:
            known = ", ".join(ASSIGNOR_NAMES)
            raise ValueError(
                f"partition_assignment_strategy={self.partition_assignment_strategy}: "
                f"expected some of {known}"
            )

    @property
    def is_cooperative(self) -> bool:
        """Whether members keep what they read through a rebalance (KIP-429)."""
        return all(name == COOPERATIVE for name in self.partition_assignment_strategy)


def parse_servers(servers: str | Sequence[str]) -> tuple[tuple[str, int], ...]:
    """(host, port) of each server in "host:port,host:port" or a sequence of "host:port".

    Raises:
        ValueError: one of them is no HOST:PORT.
    """
    texts = servers.split(",") if isinstance(servers, str) else servers
    return tuple(_parse_server(text.strip()) for text in texts if text.strip())


def _parse_server(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"bootstrap server {text!r}: expected HOST:PORT")
    return host.strip("[]"), int(port)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name}={value}: expected a number above 0")
