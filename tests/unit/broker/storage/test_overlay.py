"""A view that can be changed: it says what the changed directory would, and what is below stays."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.overlay import Overlay
from minibroker.broker.storage.port import Storage, StorageError

NAMES = ("a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "f")


def fill(storage: Storage) -> None:
    storage.make_dirs("d/e")
    for path in ("a", "d/a", "d/e/a"):
        storage.create_file(path).append([path.encode() * 3])


def content(storage: Storage, path: str = "") -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for name in set(storage.list_dir(path)) - {".lock"}:
        full = f"{path}/{name}" if path else name
        assert storage.exists(full)
        found[full] = None if storage.is_dir(full) else storage.read_bytes(full)
        found |= content(storage, full) if storage.is_dir(full) else {}
    return found


def change(storage: Storage, random: Random) -> str:
    """Do something; what came of it."""
    path, other = random.choice(NAMES), random.choice(NAMES)
    if not all(storage.is_dir(each.rpartition("/")[0]) for each in (path, other)):
        return "nowhere"
    try:
        match random.randrange(9):
            case 0:
                storage.create_file(path).append([b"new"])
            case 1:
                file = storage.open_file(path)
                file.append([b"more"])
                return f"{file.size} {file.read(1, 5)!r}"
            case 2:
                file = storage.open_file(path)
                file.truncate(random.randrange(file.size + 1))
            case 3:
                storage.make_dirs(path)
            case 4 if not storage.is_dir(path):
                storage.remove(path)
            case 5 if storage.is_dir(path):
                storage.remove_tree(path)
            case 6 if path[0] != other[0] and not storage.exists(other):
                storage.rename(path, other)
            case 7 if not storage.is_dir(path):
                storage.replace(path, b"put")
            case _:
                return f"{storage.exists(path)} {storage.is_dir(path)}"
    except StorageError:
        return "refused"
    return "done"


@pytest.mark.parametrize("seed", range(60))
def test_it_changes_as_a_real_one_does_and_nothing_below_changes(seed: int, tmp_path: Path) -> None:
    below, real = FileStorage(f"{tmp_path}/below"), FileStorage(f"{tmp_path}/real")
    fill(below)
    fill(real)
    before, overlay = content(below), Overlay(below)
    for step in range(30):
        outcome = change(overlay, Random(f"{seed} {step}"))
        assert outcome == change(real, Random(f"{seed} {step}"))
        if step % 7 == 0:
            assert content(overlay) == content(real)
    assert content(overlay) == content(real)
    assert content(below) == before
    for disk in (below, real):
        disk.close()


def test_a_real_directory_stays_as_it_is(tmp_path: Path) -> None:
    disk = FileStorage(str(tmp_path))
    fill(disk)
    os.symlink("nowhere", tmp_path / "dangling")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.walk(tmp_path))
    overlay = Overlay(disk)
    assert "dangling" in overlay.list_dir("")
    assert not overlay.exists("dangling")
    with pytest.raises(StorageError, match="/pipe: is no regular file"):
        overlay.read_bytes("pipe")
    for step in range(100):
        change(overlay, Random(step))
    assert sorted(os.walk(tmp_path)) == before
    disk.close()
