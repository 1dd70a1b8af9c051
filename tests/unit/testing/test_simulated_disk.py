"""The simulated disk: what power loss keeps for certain, and what it may leave of the rest."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from minibroker.broker.storage.port import DirectoryInUse, StorageError
from minibroker.testing.simulated_disk import (
    IO_ERROR,
    NO_SPACE,
    SECTOR_BYTES,
    Crashed,
    SimulatedDisk,
)
from minibroker.testing.simulated_storage import SimulatedStorage

SEEDS = 200
OLD, NEW = b"o" * 700, b"n" * 2000

Work = Callable[[SimulatedStorage], None]


def after_power_loss(work: Work, seed: int) -> SimulatedStorage:
    disk = SimulatedDisk(Random(seed))
    work(SimulatedStorage(disk))
    disk.lose_power()
    return SimulatedStorage(disk)


def contents(work: Work, path: str) -> set[bytes | None]:
    """What a file may hold after the work and a power loss; None for no such file."""
    storages = [after_power_loss(work, seed) for seed in range(SEEDS)]
    return {each.read_bytes(path) if each.exists(path) else None for each in storages}


def write_old(storage: SimulatedStorage) -> None:
    storage.make_dirs("d")
    file = storage.create_file("d/a")
    file.append([OLD])
    file.flush()


def test_what_was_flushed_stays_with_its_name_and_the_new_directories_above() -> None:
    assert contents(write_old, "d/a") == {OLD}


def test_what_was_not_flushed_is_kept_lost_torn_or_full_of_holes() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        file = storage.open_file("d/a")
        for _ in range(2):
            file.append([NEW])

    found = {each or b"" for each in contents(work, "d/a")}
    assert all(each.startswith(OLD) for each in found), "what was flushed is never touched"
    assert OLD in found
    assert OLD + NEW in found
    assert OLD + NEW + NEW in found
    tails = [each[len(OLD) :] for each in found]
    holes = [each for each in tails if b"\0n" in each]
    assert holes, "a later sector without an earlier one"
    assert all(set(each) <= set(b"n\0") for each in tails)
    torn = {len(OLD) + len(each) for each in tails} - {700, 2700, 4700}
    assert torn
    assert all(size % SECTOR_BYTES == 0 for size in torn)


def test_a_name_that_was_not_flushed_may_be_lost_though_its_content_was_flushed() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        file = storage.create_file("d/b")
        file.append([NEW])
        file.begin_flushes()[0].finish()

    assert contents(work, "d/b") == {None, NEW}


def test_a_removal_may_come_undone_and_brings_back_what_was_durable() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        storage.remove("d/a")

    assert contents(work, "d/a") == {None, OLD}


def test_a_rename_is_whole_or_not_at_all() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        storage.rename("d", "e")

    for seed in range(SEEDS):
        storage = after_power_loss(work, seed)
        assert storage.exists("d") != storage.exists("e")
    assert contents(work, "e/a") == {None, OLD}


def test_replace_is_durable_when_it_returns_and_old_or_new_before() -> None:
    def replace(crash_after: int) -> Work:
        def work(storage: SimulatedStorage) -> None:
            storage.replace("a", OLD)
            storage.disk.crash_at = storage.disk.steps + crash_after
            storage.replace("a", NEW)

        return work

    assert contents(replace(100), "a") == {NEW}
    found: set[bytes | None] = set()
    for crash_after in range(1, 6):
        for seed in range(SEEDS):
            disk = SimulatedDisk(Random(seed))
            with pytest.raises(Crashed):
                replace(crash_after)(SimulatedStorage(disk))
            disk.lose_power()
            found.add(SimulatedStorage(disk).read_bytes("a"))
    assert found == {OLD, NEW}


def test_a_sync_of_everything_keeps_everything() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        storage.create_file("d/b").append([NEW])
        storage.rename("d/a", "d/c")
        storage.sync_all()

    assert contents(work, "d/b") == {NEW}
    assert contents(work, "d/c") == {OLD}
    assert contents(work, "d/a") == {None}


def test_a_flush_keeps_what_was_there_when_it_began() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        file = storage.open_file("d/a")
        file.append([NEW])
        (flush,) = file.begin_flushes()
        file.append([NEW])
        flush.finish()

    found = {each or b"" for each in contents(work, "d/a")}
    assert all(each.startswith(OLD + NEW) for each in found)
    assert {OLD + NEW, OLD + NEW + NEW} < found


def test_kill_9_keeps_all_that_was_written() -> None:
    disk = SimulatedDisk(Random(1))
    storage = SimulatedStorage(disk)
    storage.create_file("a").append([NEW])
    disk.kill()
    assert SimulatedStorage(disk).read_bytes("a") == NEW
    with pytest.raises(Crashed):
        storage.exists("a")


def test_every_step_may_be_the_last_and_a_write_may_then_be_torn() -> None:
    sizes = set()
    for seed in range(SEEDS):
        disk = SimulatedDisk(Random(seed))
        file = SimulatedStorage(disk).create_file("a")
        disk.crash_at = disk.steps + 1
        with pytest.raises(Crashed):
            file.append([b"four"])
        with pytest.raises(Crashed):
            file.truncate(0)
        disk.kill()
        sizes.add(len(SimulatedStorage(disk).read_bytes("a")))
    assert sizes == {0, 1, 2, 3, 4}


def test_a_full_disk_refuses_and_takes_more_when_there_is_room() -> None:
    disk = SimulatedDisk(Random(1))
    file = SimulatedStorage(disk).create_file("a")
    disk.capacity_bytes = 10
    file.append([b"123456"])
    with pytest.raises(StorageError, match=NO_SPACE):
        file.append([b"123456"])
    assert file.size == 6
    disk.capacity_bytes = 20
    file.append([b"789"])
    assert SimulatedStorage.read_bytes(file._storage, "a") == b"123456789"


def test_what_a_failed_flush_dropped_is_not_kept_by_the_next() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        file = storage.open_file("d/a")
        file.append([b"x" * SECTOR_BYTES])
        storage.disk.trouble = lambda kind, path: IO_ERROR if kind == "flush" else ""
        with pytest.raises(StorageError, match=IO_ERROR):
            file.flush()
        storage.disk.trouble = None
        file.append([b"y"])
        file.flush()

    assert contents(work, "d/a") == {OLD + bytes(SECTOR_BYTES) + b"y"}


def test_one_process_has_the_disk_until_it_ends() -> None:
    disk = SimulatedDisk(Random(1))
    storage = SimulatedStorage(disk)
    with pytest.raises(DirectoryInUse):
        SimulatedStorage(disk)
    storage.close()
    SimulatedStorage(disk).close()


def test_a_flipped_bit_stays() -> None:
    def work(storage: SimulatedStorage) -> None:
        write_old(storage)
        storage.disk.flip_bit("d/a", 3, 0)

    assert contents(work, "d/a") == {OLD[:3] + b"n" + OLD[4:]}
