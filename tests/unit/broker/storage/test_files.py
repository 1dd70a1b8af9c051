"""The real disk: failed writes, names made durable, one broker per directory."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from minibroker.broker.storage import files
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.port import Buffer, DirectoryInUse, NoSpace, StorageError

from tests.support.directories.full_disk import largest_file

HOLD_A_DIRECTORY = """
import sys, time
from minibroker.broker.storage.files import FileStorage
storage = FileStorage(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def fail(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_write_that_does_not_fit_leaves_the_file_as_it_was(disk: FileStorage) -> None:
    file = disk.create_file("a")
    file.append([b"x" * 3000])
    with largest_file(4096), pytest.raises(StorageError, match=r"/a: File too large"):
        file.append([b"y" * 1000, b"z" * 1000])
    assert file.size == os.stat(file.path).st_size == 3000
    file.append([b"z" * 5000])
    assert disk.read_bytes("a") == b"x" * 3000 + b"z" * 5000
    file.close()


def test_a_short_write_that_can_go_on_goes_on(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_a_little(descriptor: int, buffers: Sequence[Buffer]) -> int:
        return os.write(descriptor, b"".join(buffers)[:4])

    monkeypatch.setattr(os, "writev", write_a_little)
    file = disk.create_file("a")
    file.append([b"one", b"two", b"three"])
    assert file.size == 11
    assert disk.read_bytes("a") == b"onetwothree"
    file.close()


def test_a_file_that_could_not_be_cut_back_takes_no_writes_until_it_is(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk.create_file("a")
    file.append([b"good"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        with largest_file(5), pytest.raises(StorageError, match="File too large"):
            file.append([b"bad"])
        with pytest.raises(StorageError, match="Input/output error"):
            file.append([b"more"])
        assert disk.read_bytes("a") == b"goodb"
        assert file.size == 4
    file.append([b"more"])
    assert disk.read_bytes("a") == b"goodmore"
    file.close()


def test_a_failed_flush_is_an_error(disk: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    file = disk.create_file("a")
    file.append([b"x"])
    monkeypatch.setattr(files, "_flush_descriptor", fail)
    with pytest.raises(StorageError, match=r"/a: Input/output error"):
        file.flush()
    file.close()


def flushed_by_fsync(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is flushed by fsync: the directories."""
    flushed: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return flushed


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_new_file_is_flushed_with_all_directories_that_are_new(
    disk: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = flushed_by_fsync(monkeypatch)
    disk.make_dirs("d/e")
    file = disk.create_file("d/e/a")
    file.append([b"x"])
    file.flush()
    assert flushed == [f"{tmp_path}/d/e", f"{tmp_path}/d", str(tmp_path)]
    file.append([b"y"])
    file.flush()
    assert len(flushed) == 3, "only once"
    file.close()
    old = disk.open_file("d/e/a")
    old.append([b"z"])
    old.flush()
    old.close()
    assert len(flushed) == 3, "an old file needs none"
    disk.replace("b", b"x")
    assert flushed[3:] == [str(tmp_path)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_new_data_directory_is_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = flushed_by_fsync(monkeypatch)
    FileStorage(f"{tmp_path}/new/data").close()
    assert flushed == [str(tmp_path), f"{tmp_path}/new"]


def test_flushes_in_a_thread_go_with_appends_and_closes(disk: FileStorage) -> None:
    file = disk.create_file("a")
    other = disk.create_file("b")
    failures: list[BaseException] = []
    stop = threading.Event()

    def flush_on() -> None:
        try:
            while not stop.is_set():
                file.flush()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=flush_on)
    thread.start()
    for _ in range(300):
        file.append([b"x"])
        file.close()
        other.append([b"y"])  # takes the descriptor that `file` has just given back
        other.close()
    stop.set()
    thread.join()
    file.close()
    assert not failures
    assert (disk.read_bytes("a"), disk.read_bytes("b")) == (b"x" * 300, b"y" * 300)


def test_a_second_broker_is_told_who_has_the_directory(tmp_path: Path) -> None:
    first = FileStorage(str(tmp_path))
    in_use = rf"{tmp_path} is in use by another broker \(process {os.getpid()}\)"
    with pytest.raises(DirectoryInUse, match=in_use):
        FileStorage(str(tmp_path))
    first.close()
    FileStorage(str(tmp_path)).close()


def test_kill_9_frees_the_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_A_DIRECTORY, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DirectoryInUse, match=f"process {holder.pid}"):
            FileStorage(str(tmp_path))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        FileStorage(str(tmp_path)).close()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"/file: |/file/data: Not a directory"):
        FileStorage(f"{tmp_path}/file/data")


def test_files_beyond_the_bound_are_closed_and_opened_again_on_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(str(tmp_path), open_files_max=3)
    files = [storage.create_file(f"{number}.log") for number in range(10)]
    for number in (*range(10), *range(9, -1, -1)):
        files[number].append([b"%d" % number])
        assert len(storage.open_files) == 3
    files[1].read(0, 1)
    files[7].append([b"x"])  # 0, 1 and 7 are open now: 2 was used before 1
    opened: list[str] = []
    real_open = os.open

    def counted(path: str, flags: int, mode: int, *, dir_fd: int) -> int:
        opened.append(path)
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", counted)
    for number in (0, 7, 1, 8, 7, 1, 0):
        files[number].read(0, 1)
    assert opened == ["8.log", "0.log"], "0 was the least recently used"
    for number, file in enumerate(files):
        assert file.read(0, 9) == b"%d" % number * 2 + b"x" * (number == 7)
        file.flush()
        file.close()
    assert len(storage.open_files) == 0
    storage.close()


def test_a_directory_that_is_given_up_keeps_no_descriptor(tmp_path: Path) -> None:
    """As after a start that was refused: nobody has closed the files one by one."""
    storage = FileStorage(str(tmp_path))
    files = [storage.create_file(f"{number}.log") for number in range(3)]
    descriptors = [storage.root.descriptor, *(file.descriptor for file in files)]
    assert min(descriptors) >= 0
    storage.close()
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_file_closed_during_its_flush_is_closed_behind_it(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk.create_file("a")
    flushed: list[int] = []

    def flush(descriptor: int) -> None:
        file.close()
        assert file.descriptor == -1
        os.fstat(descriptor)
        flushed.append(descriptor)

    monkeypatch.setattr(files, "_flush_descriptor", flush)
    file.flush()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(flushed[0])
    file.append([b"opened again"])
    file.close()


def test_a_flush_that_gets_no_descriptor_syncs_the_file_system(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk.create_file("a")
    file.append([b"x"])
    file.close()
    synced: list[bool] = []
    monkeypatch.setattr(disk.root, "open", none_left)
    monkeypatch.setattr(disk.root, "sync", lambda: synced.append(True))
    file.flush()
    assert synced == [True]


def test_where_no_descriptor_is_left_files_are_closed_for_one(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [disk.create_file(f"f{number}") for number in range(5)]
    really_open = disk.root.open

    def open_if_one_is_left(name: str, flags: int) -> int:
        return none_left() if len(disk.open_files) > 4 else really_open(name, flags)

    monkeypatch.setattr(disk.root, "open", open_if_one_is_left)
    made.append(disk.create_file("one-more"))
    for file in made:
        file.append([b"x"])
        assert file.read(0, 1) == b"x"
        file.close()
    monkeypatch.setattr(disk.root, "open", none_left)
    with pytest.raises(StorageError, match="Too many open files"):
        made[0].append([b"y"])


def none_left(*_: object) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_file_gets_its_space_holes_and_all(disk: FileStorage) -> None:
    disk.preallocate("r", 65_536)
    assert (disk.open_file("r").size, os.stat(disk.full_path("r")).st_blocks * 512) == (65_536,) * 2
    os.truncate(disk.full_path("r"), 0)
    os.truncate(disk.full_path("r"), 65_536)  # as a copy that leaves out what is empty
    assert os.stat(disk.full_path("r")).st_blocks == 0
    disk.preallocate("r", 65_536)
    assert os.stat(disk.full_path("r")).st_blocks * 512 == 65_536


def test_a_file_that_cannot_get_more_space_keeps_what_it_has(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.preallocate("r", 8192)

    def fill_a_part(descriptor: int, _: int, size: int) -> None:
        os.ftruncate(descriptor, size // 2)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fill_a_part)
    with pytest.raises(NoSpace, match="No space left"):
        disk.preallocate("r", 65_536)
    assert disk.open_file("r").size == 8192
