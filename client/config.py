"""What clients can be told: Kafka's names in snake case, Kafka's defaults but for batch_size.

What each option is for stands where people look for it: in the docstring of its face. Frozen
values, checked when they are made. Durations in ms, sizes in bytes.
Source: ProducerConfig.java, ConsumerConfig.java, CommonClientConfigs.java (4.x).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from ..protocol.compression import Codec
from .door import door
from .door.security_options import EXAMINE, SecurityOptions, one_of

Acks: TypeAlias = Literal["all", -1, 0, 1]
CompressionType: TypeAlias = Literal["none", "gzip", "snappy", "lz4", "zstd"]
OffsetReset: TypeAlias = Literal["earliest", "latest", "none"]
IsolationLevel: TypeAlias = Literal["read_uncommitted", "read_committed"]
SessionDurability: TypeAlias = Literal["fsync", "page-cache"]

CODECS: dict[str, Codec] = {codec.name.lower(): codec for codec in Codec}
ISOLATION_LEVELS: tuple[str, ...] = get_args(IsolationLevel)  # 0 and 1, as they travel
ASSIGNOR_NAMES = ("range", "roundrobin", "cooperative-sticky")
COOPERATIVE = "cooperative-sticky"
STRATEGY = "partition_assignment_strategy"
BATCH_SIZE = 524_288  # not Kafka's 16,384: in Python a batch costs more than the bytes in it
RETRIES_MAX = 2**31 - 1
IN_FLIGHT_MAX = 5  # a broker remembers that many batches of a producer and partition
PORT = 9_092  # of a server of which only the host is given
IDLE_MS_MIN = 5_000  # as in ProducerConfig.java

INT, LONG = door.INT_MAX, door.LONG_MAX

T = TypeVar("T")


def _whole(default: int, low: int, high: int = INT) -> int:
    """A whole number; both bounds may be reached."""
    return _option(default, lambda name, value: door.whole(name, value, low, high))


def _number(default: float, low: int, high: int = LONG) -> float:
    """A number; both bounds may be reached."""
    return _option(default, lambda name, value: door.number(name, value, low, high))


def _flag(default: bool) -> bool:
    return _option(default, door.flag)


def _optional_ms(name: str, value: object) -> None:
    door.within_ms(name, value, 0)


def _option(default: T, examine: Callable[[str, object], object]) -> T:
    return field(default=default, metadata={EXAMINE: examine})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class ConnectionConfig(SecurityOptions):
    """How brokers are reached; shared by all clients.

    Args:
        bootstrap_servers: (host, port) pairs, tried in turn until one answers.
    """

    bootstrap_servers: tuple[tuple[str, int], ...]
    client_id: str = _option("minibroker", door.text)
    request_timeout_ms: int = _whole(30_000, 1)
    retry_backoff_ms: float = _number(100, 0)
    retry_backoff_max_ms: float = _number(1_000, 0)
    reconnect_backoff_ms: float = _number(50, 0)
    reconnect_backoff_max_ms: float = _number(1_000, 0)
    metadata_max_age_ms: float = _number(300_000, 1)
    socket_connection_setup_timeout_ms: float = _number(10_000, 1)
    allow_auto_create_topics: bool = _flag(True)

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot work."""
        for each in fields(self):
            if EXAMINE in each.metadata:
                each.metadata[EXAMINE](each.name, getattr(self, each.name))
        if not self.bootstrap_servers:
            raise ValueError("bootstrap_servers names no broker")
        self.check_security()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class ProducerConfig(ConnectionConfig):
    """Options of a Producer."""

    acks: Acks = "all"
    enable_idempotence: bool = _flag(True)
    linger_ms: float = _number(5, 0)
    batch_size: int = _whole(BATCH_SIZE, 0)
    buffer_memory: int = _whole(33_554_432, 1, LONG)
    max_request_size: int = _whole(1_048_576, 1)
    max_in_flight_requests_per_connection: int = _whole(5, 1)
    max_block_ms: float = _number(60_000, 0)
    delivery_timeout_ms: float = _number(120_000, 1, INT)
    retries: int = _whole(RETRIES_MAX, 0)
    compression_type: CompressionType = field(default="none", metadata=one_of(CompressionType))
    metadata_max_idle_ms: float = _number(300_000, IDLE_MS_MIN)
    transactional_id: str | None = _option(None, door.optional_text)
    transaction_timeout_ms: int = _whole(60_000, 1)
    session: str | None = _option(None, door.optional_text)
    session_durability: SessionDurability = field(
        default="fsync", metadata=one_of(SessionDurability)
    )

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot work or would break a promise."""
        super().__post_init__()
        if self.session is not None:
            self._check_session()
        elif self.session_durability != "fsync":
            raise ValueError(
                f"session_durability={self.session_durability!r} without a session: give "
                "session=DIRECTORY as well"
            )
        if self.acks not in ("all", -1, 0, 1) or isinstance(self.acks, bool | float):
            raise ValueError(f"acks={self.acks!r}: expected 'all', -1, 0 or 1")
        if self.transactional_id == "":
            raise ValueError("transactional_id is empty: name the producer, or leave it out")
        if self.transactional_id is not None and not self.enable_idempotence:
            raise ValueError("a transactional_id needs enable_idempotence, the default")
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

    def _check_session(self) -> None:
        """Raise ValueError for what a durable session cannot go with."""
        if self.session == "":
            raise ValueError("session is empty: name a directory, or leave it out")
        if not self.enable_idempotence:
            raise ValueError(
                "a session needs enable_idempotence, the default: by producer id, epoch and "
                "sequence brokers know again what a dead process has sent"
            )
        if self.acks not in ("all", -1) or isinstance(self.acks, bool | float):
            raise ValueError(
                f"acks={self.acks!r} with a session: what fewer than all replicas have may be "
                "lost after it was confirmed; leave acks out"
            )
        if self.retries != RETRIES_MAX:
            raise ValueError(
                f"retries={self.retries} with a session: what is in it is sent until it is stored, "
                "or refused for good; leave retries out"
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
    """Options of a Consumer."""

    auto_offset_reset: OffsetReset = field(default="latest", metadata=one_of(OffsetReset))
    isolation_level: IsolationLevel = field(
        default="read_uncommitted", metadata=one_of(IsolationLevel)
    )
    fetch_min_bytes: int = _whole(1, 0)
    fetch_max_bytes: int = _whole(52_428_800, 1)
    fetch_max_wait_ms: int = _whole(500, 0)
    max_partition_fetch_bytes: int = _whole(1_048_576, 1)
    max_poll_records: int = _whole(500, 1)
    check_crcs: bool = _flag(True)
    group_id: str | None = _option(None, door.optional_text)
    group_instance_id: str | None = _option(None, door.optional_text)
    partition_assignment_strategy: tuple[str, ...] = ("range", "cooperative-sticky")
    session_timeout_ms: int = _whole(45_000, 1)
    heartbeat_interval_ms: float = _number(3_000, 1, INT)
    max_poll_interval_ms: int = _whole(300_000, 1)
    enable_auto_commit: bool = _flag(True)
    auto_commit_interval_ms: float = _number(5_000, 1, INT)
    consumer_timeout_ms: float | None = _option(None, _optional_ms)

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot work."""
        super().__post_init__()
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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class AdminConfig(ConnectionConfig):
    """Options of an Admin; what is no choice there is not taken by the constructor."""

    client_id: str = _option("minibroker-admin", door.text)
    timeout_ms: float = _number(60_000, 1)
    metadata_max_age_ms: float = field(default=300_000, init=False)  # each call asks anew
    allow_auto_create_topics: bool = field(default=False, init=False)


C = TypeVar("C", bound=ConnectionConfig)


def options_of(kind: type[C], arguments: Mapping[str, Any]) -> C:
    """The options among the arguments of a face's constructor, checked, as one frozen value.

    A face's signature and docstring are what people read and hover over; name, type and default
    of an option stand there and, with its bounds, in `kind`, and a test holds the two together.
    Once would be less, but a TypedDict to unpack would be a second declaration as well, without
    defaults in any editor; a dataclass as the face's __init__ would make every option a public
    attribute of it; and a signature written into the face by a generator stands there all the same.

    Args:
        arguments: by name, as locals() tells them; what is no option of `kind` is left.

    Raises:
        TypeError, ValueError: an option that cannot be, or options that contradict each other.
    """
    given = {each.name: arguments[each.name] for each in fields(kind) if each.init}
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
