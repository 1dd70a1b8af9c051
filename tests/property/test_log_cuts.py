"""Any cut and any flipped bit of a small log: whole batches stay, the rest is told."""

from __future__ import annotations

import random

import pytest
from minibroker.broker.log.log import LogConfig
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import DamagedLog

from tests.support.records.logs import (
    DIRECTORY,
    append,
    batch_of,
    open_log,
    read_all,
    segment_names,
)

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=100)


def stored_log() -> tuple[dict[str, bytes], list[bytes]]:
    """The files of a log of three segments, and its batches."""
    storage = MemoryStorage()
    log = open_log(storage, CONFIG)
    for number in range(20):
        append(log, batch_of(number, number, value=b"v" * (number % 7)), leader_epoch=number // 5)
    files = {name: storage.read_bytes(f"{DIRECTORY}/{name}") for name in segment_names(storage)}
    assert len(files) == 3
    return files, read_all(log)


def storage_of(files: dict[str, bytes]) -> MemoryStorage:
    storage = MemoryStorage()
    storage.make_dirs(DIRECTORY)
    for name, data in files.items():
        storage.create_file(f"{DIRECTORY}/{name}").append([data])
    return storage


def test_every_cut_of_the_last_file_leaves_exactly_the_whole_batches() -> None:
    files, batches = stored_log()
    last = max(files)
    before = sum(len(data) for name, data in files.items() if name != last)
    ends = [len(b"".join(batches[:count])) for count in range(len(batches) + 1)]
    for cut in range(len(files[last]) + 1):
        log = open_log(storage_of(files | {last: files[last][:cut]}), CONFIG)
        whole = max(count for count, end in enumerate(ends) if end <= before + cut)
        assert read_all(log, 500) == batches[:whole]
        torn = before + cut - ends[whole]
        assert (log.recovery.bytes_cut if log.recovery else 0) == torn
        assert bool(log.recovery) == bool(torn)


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_is_refused_or_costs_the_very_last_batch(seed: int) -> None:
    rng = random.Random(seed)
    files, batches = stored_log()
    last_begins = len(files[max(files)]) - len(batches[-1])
    outcomes = {"refused": 0, "cut": 0}
    for _ in range(250):
        name = rng.choice(sorted(files))
        position = rng.randrange(len(files[name]))
        damaged = bytearray(files[name])
        damaged[position] ^= 1 << rng.randrange(8)
        try:
            log = open_log(storage_of(files | {name: bytes(damaged)}), CONFIG)
        except DamagedLog:
            outcomes["refused"] += 1
            continue
        assert (name, position >= last_begins) == (max(files), True)
        if log.recovery is None:  # no CRC covers the leader epoch, and nothing follows it here
            assert 12 <= position - last_begins < 16
            continue
        assert read_all(log) == batches[:-1]
        outcomes["cut"] += 1
    assert outcomes["refused"] > 200
    assert outcomes["cut"] > 3
