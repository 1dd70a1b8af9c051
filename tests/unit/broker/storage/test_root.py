"""The data directory held by a descriptor: links, modes, odd file systems, what took its place."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.names import METADATA_LOG
from minibroker.broker.storage.port import StorageError


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("mask", "files", "directories"), [(0, 0o640, 0o750), (0o77, 0o600, 0o700)]
)
def test_records_are_nobody_elses_business(
    tmp_path: Path, mask: int, files: int, directories: int
) -> None:
    root = tmp_path / "new" / "data"
    with umask(mask):
        disk = FileStorage(str(root))
        disk.make_dirs("d/e")
        disk.create_file("d/e/a").close()
        disk.replace("b", b"x")
        disk.close()
    assert {mode(root / name) for name in (".lock", "b", "d/e/a")} == {files}
    assert {mode(each) for each in (root.parent, root, root / "d", root / "d/e")} == {directories}


def test_what_is_kept_of_passwords_is_the_owners_alone(tmp_path: Path) -> None:
    with umask(0):
        disk = FileStorage(str(tmp_path))
        disk.make_dirs(METADATA_LOG)
        new, old = f"{METADATA_LOG}/a", f"{METADATA_LOG}/b"
        disk.create_file(new).close()
        (tmp_path / old).write_bytes(b"")  # of a version that kept none
        assert mode(tmp_path / old) == 0o666
        disk.open_file(old).append([b"x"])
        disk.close()
    assert {mode(tmp_path / each) for each in (new, old)} == {0o600}


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_what_a_link_leads_to_is_never_written(
    disk: FileStorage, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    theirs = tmp_path.parent / f"{tmp_path.name}-theirs"
    theirs.write_text("theirs")
    for name in ("a", "b", "b.tmp"):
        link(theirs, tmp_path / name)
    disk.create_file("a").append([b"ours"])
    disk.replace("b", b"ours")
    assert theirs.read_text() == "theirs"
    assert disk.read_bytes("a") == disk.read_bytes("b") == b"ours"
    assert disk.list_dir("") == [".lock", "a", "b"]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    root = tmp_path / "data"
    root.mkdir()
    (root / ".lock").symlink_to(theirs)
    with pytest.raises(StorageError, match=r"/\.lock: "):
        FileStorage(str(root))
    assert theirs.read_text() == "theirs"


def test_a_pipe_where_a_file_is_wanted_is_named_and_not_waited_for(
    disk: FileStorage, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(StorageError, match="/a: is no regular file"):
        disk.read_bytes("a")
    with pytest.raises(StorageError, match="/a: is no regular file"):
        disk.open_file("a")
    disk.create_file("a").append([b"ours"])
    assert disk.read_bytes("a") == b"ours"


def test_a_linked_directory_is_not_removed_with_what_it_leads_to(
    disk: FileStorage, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "a").write_text("theirs")
    (tmp_path / "d").symlink_to(theirs)
    assert disk.is_dir("d")
    with pytest.raises(StorageError, match="/d: "):
        disk.remove_tree("d")
    assert (theirs / "a").read_text() == "theirs"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_system_that_cannot_flush_directories_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def odd(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", odd)
    if number == errno.EIO:
        with pytest.raises(StorageError, match="Input/output error"):
            FileStorage(f"{tmp_path}/data")
        return
    disk = FileStorage(f"{tmp_path}/data")
    disk.make_dirs("d")
    file = disk.create_file("d/a")
    file.append([b"x"])
    file.flush()
    disk.replace("b", b"x")
    disk.flush_names()
    disk.close()


def remove(root: Path) -> None:
    (root / ".lock").unlink()
    root.rmdir()


def replace(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    root.mkdir()


def lose_lock(root: Path) -> None:
    (root / ".lock").unlink()


def replace_lock(root: Path) -> None:
    (root / ".lock").rename(root / "old")
    (root / ".lock").write_text("")


@pytest.mark.parametrize("change", [remove, replace, lose_lock, replace_lock])
def test_a_directory_that_is_no_longer_the_same_is_noticed(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    root = tmp_path / "data"
    disk = FileStorage(str(root))
    disk.verify()
    change(root)
    with pytest.raises(StorageError, match=r"running broker|No such file"):
        disk.verify()
    disk.close()


def test_nothing_is_written_into_a_directory_that_took_its_place(tmp_path: Path) -> None:
    root = tmp_path / "data"
    disk = FileStorage(str(root))
    file = disk.create_file("a")
    file.close()
    replace(root)
    file.append([b"x"])
    disk.replace("b", b"x")
    disk.make_dirs("d")
    disk.close()
    assert list(root.iterdir()) == []
    assert sorted(each.name for each in (tmp_path / "elsewhere").iterdir()) == [
        *(".lock", "a", "b", "d")
    ]
