"""A broker's process looks for garbage seldom, and gives free memory back when its size changed."""

import asyncio
import ctypes
import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.broker.limits import GIVEN_BACK_FROM_BYTES
from minibroker.cli.terminal import process_memory
from minibroker.cli.terminal.process_memory import (
    collect_rarely,
    give_back_when_changed,
    malloc_trim,
    resident_bytes,
)

needs_sizes = pytest.mark.skipif(
    resident_bytes() == 0, reason="this system does not say in /proc how large a process is"
)
SOON_S = 0.001
WAIT_S = 10.0
OBJECTS = 500_000  # of a few requests of a megabyte


@pytest.fixture
def looked_at_all() -> Iterator[list[int]]:
    """One for each time that everything was looked at."""
    before, looked = gc.get_threshold(), []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            looked.append(1)

    gc.callbacks.append(note)
    yield looked
    gc.callbacks.remove(note)
    gc.set_threshold(*before)
    gc.unfreeze()


def test_long_requests_do_not_have_everything_looked_through(looked_at_all: list[int]) -> None:
    gc.collect()
    collect_rarely()
    looked_at_all.clear()
    held = [[] for _ in range(OBJECTS)]  # type: ignore[var-annotated]
    assert len(held) == OBJECTS
    assert not looked_at_all


def test_what_is_in_a_cycle_is_found_young(looked_at_all: list[int]) -> None:
    collect_rarely()
    cycle: list[object] = []
    cycle.append(cycle)
    found: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        found.append(info.get("collected", 0))

    gc.callbacks.append(note)
    try:
        del cycle
        held = [[] for _ in range(20_000)]  # type: ignore[var-annotated]
    finally:
        gc.callbacks.remove(note)
    assert held
    assert sum(found) >= 1
    assert not looked_at_all


class Sizes:
    """What the process says of its size, one after the other; the last one stays."""

    def __init__(self, *megabytes: int) -> None:
        self._left = [each << 20 for each in megabytes]
        self.has_told_all = asyncio.Event()

    def tell(self) -> int:
        if len(self._left) > 1:
            return self._left.pop(0)
        self.has_told_all.set()
        return self._left[0]


async def trims(monkeypatch: pytest.MonkeyPatch, *megabytes: int) -> int:
    """How often it was given back while the process had these sizes."""
    sizes, given = Sizes(*megabytes), []
    monkeypatch.setattr(process_memory, "resident_bytes", sizes.tell)
    task = asyncio.create_task(give_back_when_changed(lambda: given.append(1), SOON_S))
    await asyncio.wait_for(sizes.has_told_all.wait(), WAIT_S)
    task.cancel()
    return len(given)


@needs_sizes
async def test_nothing_is_done_while_the_size_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await trims(monkeypatch, 40, 40, 41, 40, 41, 40) == 0


@needs_sizes
async def test_a_process_that_grows_or_shrinks_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    grown, after = 100, 98
    shrunk, at_last = 60, 50
    assert await trims(monkeypatch, 40, grown, after, shrunk, at_last, 50, 50) == 2


async def test_where_no_size_is_told_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory, "resident_bytes", lambda: 0)
    await asyncio.wait_for(give_back_when_changed(), WAIT_S)


@needs_sizes
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is Linux's")
def test_memory_between_what_is_held_goes_back() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("this C library has no malloc_trim")
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    before = resident_bytes()
    blocks: list[int] = []
    while (grown := resident_bytes()) < before + 10 * GIVEN_BACK_FROM_BYTES:
        assert len(blocks) < 10_000, "this process has 600 MB to spare"
        blocks += [libc.malloc(60_000) for _ in range(100)]
        for block in blocks[-100:]:
            ctypes.memset(block, 1, 60_000)
    kept = blocks[::50]  # between what is freed
    for number, block in enumerate(blocks):
        if number % 50:
            libc.free(block)
    malloc_trim()()
    assert resident_bytes() < before + (grown - before) // 2
    for block in kept:
        libc.free(block)


ARENAS = """
import ctypes, sys, threading
from minibroker.cli.terminal.process_memory import share_one_arena
if sys.argv[2] == "shared":
    assert share_one_arena()
begun = threading.Barrier(5)
def hold():
    held = [bytearray(50_000) for _ in range(20)]
    begun.wait()
threads = [threading.Thread(target=hold) for _ in range(4)]
for each in threads:
    each.start()
begun.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.PyDLL(None), "mallopt"), reason="malloc is not glibc's: it has no arenas"
)
def test_threads_share_one_arena(tmp_path: Path) -> None:
    counted = {}
    for how in ("shared", "as they are"):
        told = tmp_path / "arenas.xml"
        subprocess.run([sys.executable, "-c", ARENAS, str(told), how], check=True, timeout=60)
        counted[how] = told.read_text().count("<heap nr=")
    assert counted["shared"] == 1 < counted["as they are"]


FAULTS = """
import resource
from minibroker.cli.terminal.process_memory import share_one_arena
assert share_one_arena()
bytearray(1_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    bytearray(1_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.PyDLL(None), "mallopt"), reason="malloc is not glibc's: it has no bounds"
)
def test_the_memory_of_a_batch_of_a_megabyte_is_there_for_the_next() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FAULTS], check=True, timeout=60, capture_output=True, text=True
    )
    assert int(told.stdout) < 2_500, "each megabyte is 250 pages, and 100 of them were asked for"
