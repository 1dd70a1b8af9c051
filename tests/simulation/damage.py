"""EDGE: every cut and many flipped bits of a small data directory: `make damage FLIPS=2000 SEED=0`.

One file of the directory is damaged, a broker is started on it, and what it says is held against
what had been promised. Each damage must come out as one of OUTCOMES, never as anything else: no
answer that is wrong unseen, no silent loss, no exception without a name. Segments that had been
flushed are not read at a start, so a flipped bit there is served: its reader must see it, by a CRC
or by offsets that do not follow on. Prints a table of files and outcomes. The directory is that of
a broker that was killed, and that of one that was stopped; two transactions have ended in it, and
what readers of commits are told to leave out is the same after every damage.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from minibroker.broker.cluster.records import MetadataError
from minibroker.broker.log.identity import METADATA_NAME
from minibroker.broker.storage.port import DamagedLog, DirectoryRefused, StorageError
from minibroker.protocol.batch.control import Marker
from minibroker.protocol.batch.header import BatchError, crc_is_valid, headers_in, read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing.simulated_disk import Directory, Node, SimulatedDisk, Write

from tests.support.records.transactions import YES, transactional
from tests.support.worlds.judging import create_topic, read_log, send_again, topic_names
from tests.support.worlds.log_history import StoredBatch, StoredLog
from tests.support.worlds.machine import START_MS, Machine

TOPIC = "t"
PLACE = (TOPIC, 0)
PRODUCERS = 2
BATCHES = 8  # of each producer
UNFLUSHED = 2  # newest ones that a killed broker had not flushed
TRANSACTIONS_AT = 4  # behind so many batches
ABORTED, COMMITTED = 70, 71  # producer ids
OF_TRANSACTIONS = 5  # batches, markers among them
TOLD = [(ABORTED, TRANSACTIONS_AT)]
CONFIGS = {"internal.segment.bytes": "500", "index.interval.bytes": "0", "retention.ms": "-1"}
UNHARMED, REBUILT, CUT, REFUSED = "unharmed", "told, rebuilt", "told, tail cut", "refused"
SERVED = "seen by readers"
OUTCOMES = (UNHARMED, REBUILT, CUT, REFUSED, SERVED)
WHERE = r"byte \d+|version|record|format|cluster|no topic has its id"
EPOCH_AT = slice(12, 16)  # of a batch; no CRC covers the leader epoch


class Wrong(AssertionError):
    """A damage came out as none of OUTCOMES."""


class Victim(NamedTuple):
    """A data directory and what had been promised.

    Attributes:
        log: all of it, as it was before the damage.
        flushed_batches: how many of its batches had been acknowledged.
    """

    name: str
    files: dict[str, bytes]
    log: StoredLog
    flushed_batches: int


def victims() -> list[Victim]:
    """The directories that are damaged."""
    return [_victim(how) for how in ("killed", "stopped")]


def cuts(victim: Victim) -> Iterator[tuple[str, bytes]]:
    """(path, content) for every shorter length of every file."""
    for path, data in victim.files.items():
        for size in range(len(data)):
            yield path, data[:size]


def flips(victim: Victim, random: Random, count: int) -> Iterator[tuple[str, bytes]]:
    """(path, content) with one bit flipped, spread evenly over all bits."""
    paths = [path for path, data in victim.files.items() for _ in data]
    for path in random.choices(paths, k=count):
        damaged = bytearray(victim.files[path])
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        yield path, bytes(damaged)


def outcome_of(victim: Victim, path: str, data: bytes) -> str:
    """Start a broker on the damaged directory. Raises Wrong."""
    machine = Machine(Random(1), "fsync")
    for name, content in (victim.files | {path: data}).items():
        put_file(machine.disk, name, content)
    try:
        machine.start()
    except (DamagedLog, DirectoryRefused, StorageError, MetadataError) as error:
        named = path.removesuffix(f"/{METADATA_NAME}")
        if named not in str(error) or not re.search(WHERE, str(error)):
            raise Wrong(f"refused without file and position: {error}") from None
        return REFUSED
    if topic_names(machine) != [TOPIC]:
        raise Wrong(f"the topics are {topic_names(machine)}")
    try:
        log = read_log(machine, PLACE)
    except (BatchError, AssertionError) as error:
        return _seen(victim, path, data, str(error))
    if not all(map(_is_whole, log.batches)) or not _follow_on(log):
        return _seen(victim, path, data, "a wrong CRC, or offsets that do not follow on")
    if _left_out(machine) != TOLD:
        raise Wrong(f"readers of commits are told {_left_out(machine)}")
    told = "\n".join(machine.transcript)
    kept = victim.log.batches[: len(log.batches)]
    if _without_epochs(log.batches) != _without_epochs(kept) or log.start_offset:
        raise Wrong(f"another log is read: {log}")
    if len(kept) < victim.flushed_batches:
        raise Wrong(f"only {len(kept)} of {victim.flushed_batches} acknowledged batches\n{told}")
    for batch in kept[-5 * PRODUCERS :]:
        found = send_again(machine, PLACE, batch)
        if found:
            raise Wrong(f"{found}\n{told}")
    if len(kept) < len(victim.log.batches):
        if _ends_between_batches(victim, path, data):
            return UNHARMED  # as if what nobody was promised had never been sent
        if "cut" not in told and "removed" not in told:
            raise Wrong(f"{len(kept)} batches are left, and nothing is said")
        return CUT
    return REBUILT if "broker: " in told else UNHARMED


def _left_out(machine: Machine) -> list[tuple[int, int]]:
    """What a reader of commits is told, who reads all of the segments with transactions."""
    found = []
    for offset in range(TRANSACTIONS_AT + OF_TRANSACTIONS):
        wanted = FetchPartition(partition=PLACE[1], fetch_offset=offset, partition_max_bytes=1)
        topics = [FetchTopic(topic=TOPIC, partitions=[wanted])]
        message = FetchRequest(max_wait_ms=0, min_bytes=0, isolation_level=1, topics=topics)
        (part,) = machine.ask(message).responses[0].partitions
        found += [(each.producer_id, each.first_offset) for each in part.aborted_transactions or ()]
    return [*dict.fromkeys(found)]


def _seen(victim: Victim, path: str, data: bytes, how: str) -> str:
    """What is only seen by readers is a flipped bit in batches that had been flushed."""
    if path.endswith(".log") and path.startswith(TOPIC) and len(data) == len(victim.files[path]):
        return SERVED
    raise Wrong(f"seen by readers only: {how}")


def _ends_between_batches(victim: Victim, path: str, data: bytes) -> bool:
    """Whether a file was cut where a batch ends: nothing can tell that there was more."""
    whole = victim.files[path]
    ends = {0, *(at + header.size_bytes for at, header in headers_in(memoryview(whole)))}
    return path.endswith(".log") and whole.startswith(data) and len(data) in ends


def _is_whole(batch: StoredBatch) -> bool:
    return crc_is_valid(batch.wire, read_header(batch.wire))


def _follow_on(log: StoredLog) -> bool:
    offset = log.start_offset
    for batch in log.batches:
        if batch.base_offset != offset:
            return False
        offset = batch.values[-1][0] + 1
    return True


def put_file(disk: SimulatedDisk, path: str, content: bytes) -> None:
    """Put a durable file on a disk, with the directory it is in."""
    directory, _, name = path.rpartition("/")
    where: Directory = disk.root
    if directory:
        found = disk.root.names.setdefault(directory, Directory())
        assert isinstance(found, Directory)
        where = found
    node = where.names[name] = Node()
    node.change(Write(0, content))


def _without_epochs(batches: object) -> list[bytes]:
    assert isinstance(batches, list)
    return [each.wire[: EPOCH_AT.start] + each.wire[EPOCH_AT.stop :] for each in batches]


def _victim(how: str) -> Victim:
    machine = Machine(Random(1), "fsync")
    machine.start()
    create_topic(machine, TOPIC, 1, CONFIGS)
    count = PRODUCERS * BATCHES
    unflushed = UNFLUSHED if how == "killed" else 0
    for number in range(count):
        if number == TRANSACTIONS_AT:
            _write_transactions(machine)
        wire = build_batch(
            [(None, b"%d" % number, (), START_MS)],
            producer_id=number % PRODUCERS,
            producer_epoch=0,
            base_sequence=number // PRODUCERS,
        )
        data = PartitionProduceData(index=0, records=wire)
        topics = [TopicProduceData(name=TOPIC, partition_data=[data])]
        message = ProduceRequest(acks=-1, timeout_ms=1_000, topic_data=topics)
        if number < count - unflushed:
            machine.ask(message)
        else:
            machine.handle(message, lambda answer: None)
    if how == "stopped":
        machine.stop()
    files = {path: bytes(node.data) for path, node in machine.disk.files()}
    return Victim(how, files, _whole_log(files), count + OF_TRANSACTIONS - unflushed)


def _write_transactions(machine: Machine) -> None:
    """One that is aborted, and one in the middle of it that is committed."""
    assert machine.broker is not None
    partition = machine.broker.partition(*PLACE)
    assert partition is not None
    for producer_id, sequence in ((ABORTED, 0), (COMMITTED, 0), (ABORTED, 1)):
        partition.produce(transactional(producer_id, sequence), START_MS, admission=YES)
    for producer_id in (COMMITTED, ABORTED):
        is_commit = producer_id == COMMITTED
        partition.append_marker(Marker(producer_id, 0, is_commit, 0), START_MS)
    machine.broker.appended(partition)


def _whole_log(files: dict[str, bytes]) -> StoredLog:
    machine = Machine(Random(1), "fsync")
    for name, content in files.items():
        put_file(machine.disk, name, content)
    machine.start()
    log = read_log(machine, PLACE)
    assert len(log.batches) == PRODUCERS * BATCHES + OF_TRANSACTIONS
    assert isinstance(log.batches[0], StoredBatch)
    return log


def main(arguments: list[str]) -> int:
    """FLIPS SEED; returns the exit code."""
    logging.getLogger("minibroker").setLevel(logging.CRITICAL + 1)
    count, seed = (int(each) for each in arguments)
    wrong: list[str] = []
    for victim in victims():
        table: Counter[tuple[str, str, str]] = Counter()
        damages = {"cut": cuts(victim), "bit": flips(victim, Random(seed), count)}
        for kind, all_damages in damages.items():
            for path, data in all_damages:
                try:
                    table[kind, path, outcome_of(victim, path, data)] += 1
                except Exception as error:
                    wrong.append(f"{victim.name}, {kind}, {path}, {len(data)} bytes: {error!r}")
        _print(victim, table)
    print(f"{len(wrong)} wrong")
    print("\n".join(each[:600] for each in wrong[:10]))
    return 1 if wrong else 0


def _print(victim: Victim, table: Counter[tuple[str, str, str]]) -> None:
    head = "".join(f"{outcome:>16}" for outcome in OUTCOMES)
    print(f"a broker that was {victim.name}: one file cut or one bit flipped\n{'':>50}{head}")
    for kind, path in sorted({(kind, path) for kind, path, _ in table}):
        row = "".join(f"{table[kind, path, outcome]:>16}" for outcome in OUTCOMES)
        print(f"{kind} {path:46}{row}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
