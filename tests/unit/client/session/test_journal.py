"""The journal on its loop: group commit, writing anew while appends go on, disks that fail."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from minibroker.client.errors import JournalDamaged, JournalFailed, JournalFull
from minibroker.client.session import instants
from minibroker.client.session import journal as journal_module
from minibroker.client.session.entries import Confirmation, Confirmed, Cut
from minibroker.client.session.instants import Instant
from minibroker.client.session.journal import FSYNC, PAGE_CACHE, Journal, look
from minibroker.client.session.journal_directory import DiskFile, JournalDirectory
from minibroker.client.session.journal_frames import frames, read_head
from minibroker.client.session.journal_recovery import JOURNAL
from minibroker.client.session.journal_state import EntryRefused

from tests.support.in_loop.looking import until
from tests.support.sessions.journaled import DrawnSession, batch, begun, facts

WAIT_S = 20.0
BOTH = pytest.mark.parametrize("durability", [FSYNC, PAGE_CACHE])


class Gate:
    """What a journal's disk is told to do: hold its flushes, or fail."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()
        self.flushes = 0
        self.fail: Callable[[str], int] = lambda kind: 0


class GatedFile:
    """A real file behind a gate. Implements journal_port.JournalFile."""

    def __init__(self, gate: Gate, file: DiskFile) -> None:
        self._gate = gate
        self._file = file

    def append(self, buffers: Sequence[bytes]) -> None:
        self._try("write")
        self._file.append(buffers)

    def flush(self) -> None:
        self._gate.reached.set()
        assert self._gate.open.wait(WAIT_S), "the test never opened the gate"
        self._try("flush")
        self._gate.flushes += 1
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _try(self, kind: str) -> None:
        code = self._gate.fail(kind)
        if code:
            raise OSError(code, "planted")


class GatedDirectory(JournalDirectory):
    """A real directory whose files are behind a gate."""

    def __init__(self, path: str, gate: Gate) -> None:
        super().__init__(path)
        self._gate = gate

    def create(self, name: str) -> GatedFile:  # type: ignore[override]  # the port promises a file
        return GatedFile(self._gate, super().create(name))


def opened(path: Path, gate: Gate, durability: str = FSYNC, above: int = 10**9) -> Journal:
    disk = GatedDirectory(str(path), gate)
    return Journal.open(path, durability=durability, disk=disk, rewrite_above_bytes=above)


def cut(number: int, wire: bytes = b"w") -> Cut:
    return Cut({"file": number}, (batch(number, number, wire=wire),))


def generation(path: Path) -> int:
    return read_head((path / JOURNAL).read_bytes())


@BOTH
async def test_a_thread_writes_where_the_system_has_let_the_loop_wait(
    tmp_path: Path, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, writers = Gate(), []

    def note(kind: str) -> int:
        if kind == "write":
            writers.append(threading.current_thread() is threading.main_thread())
        return 0

    gate.fail = note
    journal = opened(tmp_path, gate, durability)
    writers.clear()
    for number, slow_s in enumerate((100.0, -1.0, 100.0, 100.0)):
        monkeypatch.setattr(journal_module, "SLOW_S", slow_s)
        begin = begun() if not number else []
        await journal.flush(journal.append([*begin, cut(number)]))
    assert writers == [True, True, False, True]
    assert len(look(tmp_path)[0].state.open) == 4
    await journal.close()


@BOTH
async def test_what_was_flushed_is_there_again(tmp_path: Path, durability: str) -> None:
    journal = Journal.open(tmp_path, durability=durability)
    assert journal.append([*begun(), cut(0)]) == 1
    await journal.flush(1)
    assert journal.flushed == 1
    assert facts(look(tmp_path)[0].state) == facts(journal.state)
    assert journal.append([cut(1)]) == 2
    await journal.close()
    again = Journal.open(tmp_path, durability=durability)
    assert facts(again.state) == facts(journal.state)
    assert (again.flushed, again.torn_bytes) == (0, 0)
    await again.close()


async def test_one_flush_serves_all_who_came_while_another_was_under_way(tmp_path: Path) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate)
    gate.open.clear()
    gate.reached.clear()
    before = gate.flushes
    first = journal.flush(journal.append([*begun(), cut(0)]))
    await asyncio.to_thread(gate.reached.wait, WAIT_S)
    others = [journal.flush(journal.append([cut(number)])) for number in range(1, 20)]
    assert not first.done()
    gate.open.set()
    await asyncio.wait_for(asyncio.gather(first, *others), WAIT_S)
    assert gate.flushes - before == 2
    await journal.close()


async def test_a_flush_that_is_done_waits_for_nothing(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    assert journal.flush(0).done()
    await journal.flush(journal.append([*begun(), cut(0)]))
    assert journal.flush(1).done()
    await journal.close()


async def test_without_fsync_groups_are_written_at_once(tmp_path: Path) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate, PAGE_CACHE)
    flushes = gate.flushes
    assert journal.flush(journal.append([*begun(), cut(0)])).done()
    assert facts(look(tmp_path)[0].state) == facts(journal.state)
    assert gate.flushes == flushes
    await journal.close()


@BOTH
async def test_what_nobody_wants_flushed_is_written_soon(tmp_path: Path, durability: str) -> None:
    journal = Journal.open(tmp_path, durability=durability)
    await journal.flush(journal.append([*begun(), cut(0)]))
    journal.append([Confirmed((Confirmation(0, 5),))])
    assert look(tmp_path)[0].state.open
    await until(lambda: not look(tmp_path)[0].state.open)
    journal.abandon()


async def test_instants_are_passed(tmp_path: Path) -> None:
    passed: list[Instant] = []
    journal = Journal.open(tmp_path)
    instants.arm(passed.append)
    try:
        await journal.flush(journal.append([*begun(), cut(0)]))
    finally:
        instants.arm(None)
    assert passed == [Instant.WRITTEN, Instant.FLUSHED]
    await journal.close()


@BOTH
async def test_a_journal_is_written_anew_while_appends_go_on(
    tmp_path: Path, durability: str
) -> None:
    random = Random(5)
    journal = Journal.open(tmp_path, durability=durability, rewrite_above_bytes=20_000)
    session = DrawnSession(random, journal.state, wire_bytes_max=1_000)
    waiting = []
    for _ in range(600):
        number = journal.append(session.group())
        waiting.append(journal.flush(number))
        if random.random() < 0.3:
            await waiting[-1]
    await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)
    assert generation(tmp_path) > 3
    state = facts(journal.state)
    journal.abandon()
    assert facts(look(tmp_path)[0].state) == state


async def test_what_is_live_is_not_written_anew_again_and_again(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, rewrite_above_bytes=1_000)
    journal.append(begun())
    for number in range(50):
        await journal.flush(journal.append([cut(number, bytes(500))]))
    assert generation(tmp_path) == 1
    await journal.close()


async def test_a_failed_flush_is_final(tmp_path: Path) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate)
    await journal.flush(journal.append([*begun(), cut(0)]))
    flushed = facts(look(tmp_path)[0].state)
    gate.fail = lambda kind: errno.EIO if kind == "flush" else 0
    waiting = [journal.flush(journal.append([cut(number)])) for number in (1, 2)]
    for each in waiting:
        with pytest.raises(JournalFailed, match="planted"):
            await each
    gate.fail = lambda kind: 0  # the disk is well again: that proves nothing
    flushes = gate.flushes
    with pytest.raises(JournalFailed):
        journal.append([cut(3)])
    with pytest.raises(JournalFailed):
        await journal.flush(1)
    await journal.close()
    assert gate.flushes == flushes
    again = Journal.open(tmp_path)
    assert facts(again.state) != flushed, "what was written is there, as far as it can be read"
    assert next(iter(again.state.open)) == 0
    await again.close()


@BOTH
async def test_a_full_disk_ends_it_and_leaves_what_was_flushed(
    tmp_path: Path, durability: str
) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate, durability)
    await journal.flush(journal.append([*begun(), cut(0)]))
    flushed = facts(journal.state)
    gate.fail = lambda kind: errno.ENOSPC if kind == "write" else 0
    with pytest.raises(JournalFull, match="make space, then begin a new producer"):
        await journal.flush(journal.append([cut(1)]))
    await journal.close()
    with pytest.raises(JournalFull):
        opened(tmp_path, gate)
    gate.fail = lambda kind: 0
    again = opened(tmp_path, gate)
    assert facts(again.state) == flushed
    await again.close()


@BOTH
async def test_where_two_journals_find_no_space_the_old_one_goes_on(
    tmp_path: Path, durability: str
) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate, durability, above=2_000)
    journal.append(begun())
    path = tmp_path / "journal.new"
    gate.fail = lambda kind: errno.ENOSPC if kind == "write" and path.exists() else 0
    for number in range(30):
        journal.append([cut(number, bytes(200)), Confirmed((Confirmation(number, number),))])
        await journal.flush(number + 2)
    assert generation(tmp_path) == 1
    assert not path.exists()
    gate.fail = lambda kind: 0
    for number in range(30, 60):
        journal.append([cut(number, bytes(200)), Confirmed((Confirmation(number, number),))])
        await journal.flush(number + 2)
    assert generation(tmp_path) == 2
    await journal.close()


async def test_a_write_that_nobody_waits_for_ends_it_too(tmp_path: Path) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate)
    gate.fail = lambda kind: errno.EIO
    journal.append([*begun(), cut(0)])
    await until(lambda: journal.failure is not None)
    with pytest.raises(JournalFailed):
        journal.append([cut(1)])
    journal.abandon()


async def test_an_entry_that_cannot_follow_ends_it(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    number = journal.append([*begun(), cut(0)])
    with pytest.raises(EntryRefused):
        journal.append([cut(5)])
    with pytest.raises(JournalFailed, match="something else follows"):
        await journal.flush(number)
    await journal.close()
    assert not look(tmp_path)[0].state.open


async def test_who_gives_up_waiting_disturbs_nobody(tmp_path: Path) -> None:
    gate = Gate()
    journal = opened(tmp_path, gate)
    gate.open.clear()
    first = journal.flush(journal.append([*begun(), cut(0)]))
    second = journal.flush(1)
    first.cancel()
    gate.open.set()
    await asyncio.wait_for(second, WAIT_S)
    await journal.close()


async def test_damage_is_refused_and_gives_the_directory_up(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    await journal.flush(journal.append([*begun(), cut(0)]))
    await journal.close()
    data = (tmp_path / JOURNAL).read_bytes()
    last = [*frames(data, 1)][-1]
    (tmp_path / JOURNAL).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for _ in range(2):
        with pytest.raises(JournalDamaged, match=f"damaged at byte {last.position}") as caught:
            Journal.open(tmp_path)
        assert (caught.value.position, caught.value.path) == (
            last.position,
            f"{tmp_path}/{JOURNAL}",
        )


async def test_a_torn_end_is_told(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    await journal.flush(journal.append([*begun(), cut(0)]))
    await journal.close()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b"MBFR and no more")
    again = Journal.open(tmp_path)
    assert again.torn_bytes == 16
    assert facts(again.state) == facts(journal.state)
    await again.close()


async def test_durability_is_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not 'memory'"):
        Journal.open(tmp_path / "session", durability="memory")
    assert not (tmp_path / "session").exists()
