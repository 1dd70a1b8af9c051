"""What producers and consumers can be told: Kafka's names in snake case, Kafka's defaults.

All but batch_size. Frozen values, checked when they are made. Durations in ms, sizes in bytes.
Source: ProducerConfig.java, ConsumerConfig.java, CommonClientConfigs.java (4.x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

from ..protocol.compression import Codec
from .door import door

Acks: TypeAlias = Literal["all", -1, 0, 1]
CompressionType: TypeAlias = Literal["none", "gzip", "snappy", "lz4", "zstd"]
OffsetReset: TypeAlias = Literal["earliest", "latest", "none"]
IsolationLevel: TypeAlias = Literal["read_uncommitted", "read_committed"]

CODECS: dict[str, Codec] = {codec.name.lower(): codec for codec in Codec}
OFFSET_RESETS = ("earliest", "latest", "none")
ISOLATION_LEVELS = ("read_uncommitted", "read_committed")  # 0 and 1, as they travel
ASSIGNOR_NAMES = ("range", "roundrobin", "cooperative-sticky")
COOPERATIVE = "cooperative-sticky"
STRATEGY = "partition_assignment_strategy"
BATCH_SIZE = 524_288  # not Kafka's 16,384: in Python a batch costs more than the bytes in it
RETRIES_MAX = 2**31 - 1
IN_FLIGHT_MAX = 5  # a broker remembers that many batches of a producer and partition
PORT = 9_092  # of a server of which only the host is given
IDLE_MS_MIN = 5_000  # as in ProducerConfig.java

INT, LONG = door.INT_MAX, door.LONG_MAX
# What every option may be: a whole number, a number, yes or no, a text; limits are inclusive.
WHOLE: Final[dict[str, tuple[int, int]]] = {
    "request_timeout_ms": (1, INT),
    "batch_size": (0, INT),
    "buffer_memory": (1, LONG),
    "max_request_size": (1, INT),
    "max_in_flight_requests_per_connection": (1, INT),
    "retries": (0, INT),
    "fetch_min_bytes": (0, INT),
    "fetch_max_bytes": (1, INT),
    "fetch_max_wait_ms": (0, INT),
    "max_partition_fetch_bytes": (1, INT),
    "max_poll_records": (1, INT),
    "session_timeout_ms": (1, INT),
    "max_poll_interval_ms": (1, INT),
}
NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "retry_backoff_ms": (0, LONG),
    "retry_backoff_max_ms": (0, LONG),
    "reconnect_backoff_ms": (0, LONG),
    "reconnect_backoff_max_ms": (0, LONG),
    "metadata_max_age_ms": (1, LONG),
    "metadata_max_idle_ms": (IDLE_MS_MIN, LONG),
    "socket_connection_setup_timeout_ms": (1, LONG),
    "linger_ms": (0, LONG),
    "max_block_ms": (0, LONG),
    "delivery_timeout_ms": (1, INT),
    "heartbeat_interval_ms": (1, INT),
    "auto_commit_interval_ms": (1, INT),
}
FLAGS: Final = {
    "allow_auto_create_topics",
    "enable_idempotence",
    "check_crcs",
    "enable_auto_commit",
}
TEXTS: Final = {"client_id"}
OPTIONAL_TEXTS: Final = {"group_id", "group_instance_id"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class ConnectionConfig:
    """How brokers are reached; shared by producers and consumers.

    Args:
        bootstrap_servers: (host, port) pairs, tried in turn until one answers.
    """

    bootstrap_servers: tuple[tuple[str, int], ...]
    client_id: str = "minibroker"
    request_timeout_ms: int = 30_000
    retry_backoff_ms: float = 100
    retry_backoff_max_ms: float = 1_000
    reconnect_backoff_ms: float = 50
    reconnect_backoff_max_ms: float = 1_000
    metadata_max_age_ms: float = 300_000
    socket_connection_setup_timeout_ms: float = 10_000
    allow_auto_create_topics: bool = True

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot work."""
        for name in self.__dataclass_fields__:
            _examine(name, getattr(self, name))
        if not self.bootstrap_servers:
            raise ValueError("bootstrap_servers names no broker")


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
    max_block_ms: float = 60_000
    delivery_timeout_ms: float = 120_000
    retries: int = RETRIES_MAX
    compression_type: CompressionType = "none"
    metadata_max_idle_ms: float = 300_000

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot work or would break a promise."""
        super().__post_init__()
        if self.acks not in ("all", -1, 0, 1) or isinstance(self.acks, bool | float):
            raise ValueError(f"acks={self.acks!r}: expected 'all', -1, 0 or 1")
        _check_one_of("compression_type", self.compression_type, tuple(CODECS))
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
    isolation_level: IsolationLevel = "read_uncommitted"
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
    heartbeat_interval_ms: float = 3_000
    max_poll_interval_ms: int = 300_000
    enable_auto_commit: bool = True
    auto_commit_interval_ms: float = 5_000
    consumer_timeout_ms: float | None = None

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot work."""
        super().__post_init__()
        _check_one_of("auto_offset_reset", self.auto_offset_reset, OFFSET_RESETS)
        _check_one_of("isolation_level", self.isolation_level, ISOLATION_LEVELS)
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
    def reads_committed(self) -> bool:
        """Whether records of open and aborted transactions are left out."""
        return self.isolation_level == "read_committed"

    @property
    def isolation(self) -> int:
        """isolation_level as it travels."""
        return ISOLATION_LEVELS.index(self.isolation_level)

    @property
    def is_cooperative(self) -> bool:
        """Whether members keep what they read through a rebalance (KIP-429)."""
        return all(name == COOPERATIVE for name in self.partition_assignment_strategy)


C = TypeVar("C", bound=ConnectionConfig)


def options_of(kind: type[C], arguments: Mapping[str, Any]) -> C:
    """The options among the arguments of a face's constructor, checked, as one frozen value.

    An option stands twice, in the face's signature and in `kind`, and a test holds the two to the
    same names, types and defaults; it is passed on here, by name. Once would be less, but no form
    of that keeps what people use: with `**options: Unpack[a TypedDict]` help() and
    inspect.signature() tell neither names nor defaults, and no editor can tell the defaults; where
    a dataclass makes the face's __init__, every option is a public attribute of the face.

    Args:
        arguments: by name, as locals() tells them; what is no option of `kind` is left.

    Raises:
        TypeError, ValueError: an option that cannot be, or options that contradict each other.
    """
    given = {name: arguments[name] for name in kind.__dataclass_fields__}
    given["bootstrap_servers"] = parse_servers(given["bootstrap_servers"])
    if STRATEGY in given:
        given[STRATEGY] = door.texts(STRATEGY, given[STRATEGY])
    return kind(**given)


def parse_servers(servers: str | Sequence[str]) -> tuple[tuple[str, int], ...]:
    """(host, port) of each server in "host:port,host:port" or a sequence of "host:port".

    Without a port it is 9092.

    Raises:
        TypeError, ValueError: one of them is no HOST or HOST:PORT.
    """
    name = "bootstrap_servers"
    given = door.text(name, servers).split(",") if isinstance(servers, str) else servers
    return tuple(_parse_server(each.strip()) for each in door.texts(name, given) if each.strip())


def _parse_server(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):  # "[::1]" is an IPv6 address alone
        host, port = text, str(PORT)
    is_port = port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65_536
    host = host.strip("[]")
    if not host or "\0" in host or not is_port:
        raise ValueError(f"bootstrap server {text!r}: expected HOST:PORT, or HOST for port {PORT}")
    return host, int(port)


def _examine(name: str, value: object) -> None:
    """The tables above, for one option."""
    if name in WHOLE:
        door.whole(name, value, *WHOLE[name])
    elif name in NUMBERS:
        door.number(name, value, *NUMBERS[name])
    elif name == "consumer_timeout_ms":
        door.within_ms(name, value, 0)
    elif name in FLAGS:
        door.flag(name, value)
    elif name in TEXTS:
        door.text(name, value)
    elif name in OPTIONAL_TEXTS:
        door.optional_text(name, value)


def _check_one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}")
