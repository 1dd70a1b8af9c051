"""How the broker itself is: flushes, its loop, memory, connections, transactions, disk, its start.

Source: our own, but for LogFlushStats, RequestHandlerAvgIdlePercent and NetworkProcessorAvgIdle-
Percent of Kafka, under the names that kafka-kraft-3_0_0.yml of jmx_exporter gives them.
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final

from ..broker import Broker
from ..figures import Histogram
from ..limits import GROUPS_BYTES_MAX, OFFSETS_BYTES_MAX
from ..storage.port import StorageError
from ..transactions.states import ONGOING, TransactionState
from .family import Distribution, Family, Kind, Quantiles, Sample, Series, counter, gauge
from .recent import Recent

IDS_A_STEP: Final = 1000
REASONS: Final = ("max_connections", "max_connections_per_ip", "quota")

BUILD = gauge(
    "minibroker_build_info",
    "Always 1; its labels say what runs",
    *("version", "durability", "cluster_id", "node_id"),
)
STARTED = counter("minibroker_starts_total", "How often a broker was started on this data")
START_SECONDS = gauge("minibroker_start_seconds", "What opening the data took at this start")
RECOVERED = gauge(
    "minibroker_recovered_logs",
    "Logs whose end was cut at this start, as it had not been written whole",
    alert="minibroker_recovered_logs > 0",
    because="the last stop was none; nothing acknowledged under fsync is missing",
)
RECOVERED_BYTES = gauge("minibroker_recovered_cut_bytes", "Bytes that were cut from them")
LOG_FAILED = gauge(
    "minibroker_log_failed",
    "1: a flush has failed, and the broker stops; /readyz says so as well",
    alert="minibroker_log_failed > 0",
    because="the disk has failed; the broker ends with exit code 1",
)
REFUSES = gauge(
    "minibroker_storage_refuses",
    "1: the last write was refused, by a full disk for instance, and none was stored since",
    alert="minibroker_storage_refuses > 0",
    because="producers are refused with KAFKA_STORAGE_ERROR; consumers are served",
)
DISK_FULL = gauge(
    "minibroker_disk_full",
    "1: not even the reserve for deletions could be had",
    alert="minibroker_disk_full > 0",
    because="make room: delete topics or records, or shorten retention",
)
DISK_BYTES = gauge("minibroker_disk_bytes", "Size of the volume that holds the data directory")
DISK_USABLE = gauge(
    "minibroker_disk_usable_bytes",
    "What is free of it for this process",
    alert="minibroker_disk_usable_bytes / minibroker_disk_bytes < 0.1",
    because="the disk fills; without room everything is refused but reads and deletions",
)
FLUSH_SECONDS = Family(
    "minibroker_flush_seconds",
    Kind.HISTOGRAM,
    "What rounds of flushes took; each makes everything durable that was written before it",
    alert="histogram_quantile(0.99, rate(minibroker_flush_seconds_bucket[5m])) > 0.1",
    because="the disk is slow, and every acknowledgement waits for it",
)
FLUSH_BATCHES = Family(
    "minibroker_flush_batches",
    Kind.HISTOGRAM,
    "Batches, and other writes, that became durable with one round of flushes",
)
FLUSH_TIME = Family(
    "kafka_log_logflushstats_logflushrateandtimems",
    Kind.SUMMARY,
    "What rounds of flushes took, in ms; quantiles of the last five to ten minutes",
)
LOOP_LAG = Family(
    "minibroker_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late a timer of the event loop was called, ten times a second",
    alert="histogram_quantile(0.99, rate(minibroker_loop_lag_seconds_bucket[5m])) > 0.05",
    because="everybody waits so long for everything; the broker has too much to do",
)
LOOP_IDLE = gauge(
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
    "The part of the last minute, 0 to 1, in which the event loop's thread used no processor",
    alert="kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent < 0.2",
    because="one thread does all the work, and it is nearly always busy",
)
NETWORK_IDLE = gauge(
    "kafka_network_socketserver_networkprocessoravgidlepercent",
    "The same number: the loop serves the network as well",
)
CONNECTIONS = gauge("minibroker_connections", "Connections of clients", "listener")
ACCEPTED = counter("minibroker_connections_accepted_total", "Connections accepted", "listener")
REFUSED = counter(
    "minibroker_connections_refused_total",
    "Connections refused, because there were as many as there may be, or came too fast",
    "reason",
    alert="increase(minibroker_connections_refused_total[5m]) > 0",
    because="max.connections, max.connections.per.ip, a quota, or the limit of open files",
)
STRANGERS = gauge("minibroker_strangers", "Connections whose TLS handshake or login is not over")
HELD = gauge(
    "minibroker_held_bytes",
    "Bytes of requests and answers that all connections hold",
    alert="minibroker_held_bytes > 0.5 * minibroker_held_bytes_limit",
    because="memory is short: answers to fetches are shorter, and who owes waits",
)
HELD_MAX = gauge("minibroker_held_bytes_limit", "What they may: queued.max.request.bytes")
GROUP_BYTES = gauge("minibroker_group_bytes", "What groups and their members hold in memory")
GROUP_BYTES_MAX = gauge("minibroker_group_bytes_limit", "What they may")
OFFSET_BYTES = gauge(
    "minibroker_offset_bytes",
    "What committed and pending offsets hold in memory",
    alert="minibroker_offset_bytes > 0.9 * minibroker_offset_bytes_limit",
    because="new offsets are about to be refused; delete groups that nobody needs",
)
OFFSET_BYTES_MAX = gauge("minibroker_offset_bytes_limit", "What they may")
TRANSACTIONS = gauge("minibroker_transactional_ids", "Transactional ids, by state", "state")
OLDEST = gauge(
    "minibroker_oldest_transaction_seconds",
    "For how long the oldest open transaction is open, 0 without one",
    alert="minibroker_oldest_transaction_seconds > 900",
    because="readers of what is committed wait behind it: `minibroker transactions` says whose",
)
ENDINGS = gauge("minibroker_ending_transactions", "Transactions that are being ended")
FAMILIES: Final = (
    *(BUILD, STARTED, START_SECONDS, RECOVERED, RECOVERED_BYTES, LOG_FAILED, REFUSES, DISK_FULL),
    *(DISK_BYTES, DISK_USABLE, FLUSH_SECONDS, FLUSH_BATCHES, FLUSH_TIME, LOOP_LAG, LOOP_IDLE),
    *(NETWORK_IDLE, CONNECTIONS, ACCEPTED, REFUSED, STRANGERS, HELD, HELD_MAX, GROUP_BYTES),
    *(GROUP_BYTES_MAX, OFFSET_BYTES, OFFSET_BYTES_MAX, TRANSACTIONS, OLDEST, ENDINGS),
)


@dataclass(frozen=True, slots=True)
class Edge:
    """What the edge knows.

    Args:
        lag: of the loop.
        idle_share: of the loop, 0 to 1.
        connections, accepted: by listener.
        refused: connections, by the reason; stranger_count: of those that have not logged in.
    """

    lag: Histogram
    idle_share: float
    connections: dict[str, int]
    accepted: dict[str, int]
    refused: dict[str, int]
    stranger_count: int


class TransactionsPass:
    """Transactional ids, counted in steps."""

    def __init__(self) -> None:
        self.by_state: dict[TransactionState, int] = dict.fromkeys(TransactionState, 0)
        self.oldest_ms: int | None = None

    def look(self, broker: Broker) -> Generator[None, None, None]:
        """Do it."""
        for number, each in enumerate(list(broker.transactions.state.transactions.values()), 1):
            self.by_state[each.state] += 1
            if each.state is ONGOING and (self.oldest_ms is None or each.start_ms < self.oldest_ms):
                self.oldest_ms = each.start_ms
            if not number % IDS_A_STEP:
                yield

    def series(self, broker: Broker) -> Iterator[Series]:
        """All families."""
        told = [Sample((state.kafka_name,), n) for state, n in self.by_state.items()]
        yield TRANSACTIONS, told
        open_ms = 0 if self.oldest_ms is None else broker.clock.now_ms() - self.oldest_ms
        yield OLDEST, [Sample((), max(open_ms, 0) / 1000)]
        yield ENDINGS, [Sample((), len(broker.transactions.coordinator.endings))]


def started(broker: Broker, version: str, recovered: int, cut_bytes: int) -> Iterator[Series]:
    """What runs, and how it began."""
    config, state = broker.config, broker.state
    labels = (version, config.durability, state.cluster_id, str(config.node_id))
    yield BUILD, [Sample(labels, 1)]
    yield STARTED, [Sample((), state.start_count)]
    yield START_SECONDS, [Sample((), broker.figures.start_ms / 1000)]
    yield RECOVERED, [Sample((), recovered)]
    yield RECOVERED_BYTES, [Sample((), cut_bytes)]


def disk(broker: Broker) -> Iterator[Series]:
    """How it stands with the disk; sizes only where there is one."""
    yield LOG_FAILED, [Sample((), broker.commit.has_failed)]
    yield REFUSES, [Sample((), broker.trouble.is_on)]
    yield DISK_FULL, [Sample((), broker.reserve.is_full)]
    try:
        total, usable = broker.world.storage.space()
    except StorageError:  # the directory is gone: the broker is about to notice by itself
        total = usable = -1
    yield DISK_BYTES, [Sample((), total)] if total >= 0 else []
    yield DISK_USABLE, [Sample((), usable)] if usable >= 0 else []


def flushes(broker: Broker, recent: Recent, now_s: float) -> Iterator[Series]:
    """Rounds of flushes."""
    figures = broker.figures
    seconds = figures.flush_seconds
    yield FLUSH_SECONDS, [Distribution((), seconds)]
    yield FLUSH_BATCHES, [Distribution((), figures.flush_batches)]
    values = tuple((name, value * 1000) for name, value in recent.quantiles(seconds, now_s))
    yield FLUSH_TIME, [Quantiles((), values, seconds.count, seconds.total * 1000)]


def edge(told: Edge) -> Iterator[Series]:
    """The loop and the connections."""
    yield LOOP_LAG, [Distribution((), told.lag)]
    yield LOOP_IDLE, [Sample((), told.idle_share)]
    yield NETWORK_IDLE, [Sample((), told.idle_share)]
    yield CONNECTIONS, [Sample((name,), n) for name, n in told.connections.items()]
    yield ACCEPTED, [Sample((name,), n) for name, n in told.accepted.items()]
    yield REFUSED, [Sample((why,), told.refused.get(why, 0)) for why in REASONS]
    yield STRANGERS, [Sample((), told.stranger_count)]


def memory(broker: Broker) -> Iterator[Series]:
    """What is held, and what may be."""
    yield HELD, [Sample((), broker.held.total)]
    yield HELD_MAX, [Sample((), broker.held.bytes_max)]
    yield GROUP_BYTES, [Sample((), broker.groups.roster.held_bytes)]
    yield GROUP_BYTES_MAX, [Sample((), GROUPS_BYTES_MAX)]
    yield OFFSET_BYTES, [Sample((), broker.groups.offsets.held_bytes)]
    yield OFFSET_BYTES_MAX, [Sample((), OFFSETS_BYTES_MAX)]
