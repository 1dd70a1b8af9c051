"""The storage port: what holds on every implementation."""

from __future__ import annotations

import pytest
from minibroker.broker.storage.port import Storage, StorageError


def test_what_was_appended_is_read_back_by_position(storage: Storage) -> None:
    file = storage.create_file("a")
    file.append([b"one", memoryview(b"two"), bytearray(b"three")])
    file.append([b"four"])
    assert file.size == 15
    assert file.read(3, 3) == b"two"
    assert file.read(11, 100) == b"four"
    assert file.read(15, 1) == b""


def test_a_file_goes_on_after_close_and_is_found_by_its_name(storage: Storage) -> None:
    file = storage.create_file("a")
    file.append([b"one"])
    file.flush()
    file.close()
    file.append([b"two"])
    file.close()
    again = storage.open_file("a")
    assert again.size == 6
    assert again.read(0, 6) == storage.read_bytes("a") == b"onetwo"


def test_truncate_cuts_and_appends_go_on_there(storage: Storage) -> None:
    file = storage.create_file("a")
    file.append([b"onetwo"])
    file.truncate(3)
    file.append([b"!"])
    assert file.size == 4
    assert storage.read_bytes("a") == b"one!"


def test_create_empties_an_old_file(storage: Storage) -> None:
    storage.create_file("a").append([b"old"])
    assert storage.create_file("a").size == 0
    assert storage.read_bytes("a") == b""


def test_replace_puts_the_whole_content_in_place(storage: Storage) -> None:
    storage.make_dirs("d/e")
    storage.replace("d/e/a", b"old")
    storage.replace("d/e/a", b"new")
    assert storage.read_bytes("d/e/a") == b"new"
    assert storage.list_dir("d/e") == ["a"]


def test_names_are_listed_sorted_and_one_level_deep(storage: Storage) -> None:
    storage.make_dirs("d/e")
    for path in ("d/b", "d/a", "d/e/x"):
        storage.create_file(path)
    assert storage.list_dir("d") == ["a", "b", "e"]
    assert "d" in storage.list_dir("")
    assert storage.list_dir("nowhere") == []


def test_a_renamed_directory_takes_its_files_along(storage: Storage) -> None:
    storage.make_dirs("d/e")
    storage.create_file("d/e/a").append([b"one"])
    storage.rename("d", "f")
    assert storage.read_bytes("f/e/a") == b"one"
    assert not storage.exists("d")
    storage.rename("f/e/a", "f/b")
    assert storage.list_dir("f") == ["b", "e"]


def test_what_is_removed_is_gone_and_removing_again_is_no_error(storage: Storage) -> None:
    storage.make_dirs("d/e")
    storage.create_file("d/e/a")
    storage.create_file("d/b")
    for _ in range(2):
        storage.remove("d/b")
        assert storage.list_dir("d") == ["e"]
    for _ in range(2):
        storage.remove_tree("d")
        assert not storage.exists("d/e/a")
        assert "d" not in storage.list_dir("")


def test_flushing_a_file_that_was_removed_meanwhile_is_no_error(storage: Storage) -> None:
    storage.make_dirs("d")
    kept, given_back = storage.create_file("d/a"), storage.create_file("d/b")
    for file in (kept, given_back):
        file.append([b"one"])
    given_back.close()
    storage.rename("d", "e")
    storage.remove_tree("e")
    kept.flush()
    given_back.flush()
    kept.close()


def test_a_missing_file_is_named_in_the_error(storage: Storage) -> None:
    with pytest.raises(StorageError, match=r"nowhere/a: [Nn]o such"):
        storage.open_file("nowhere/a")
    with pytest.raises(StorageError, match=r"nowhere/a: [Nn]o such"):
        storage.create_file("nowhere/a")
    with pytest.raises(StorageError, match=r"nowhere: [Nn]o such"):
        storage.rename("nowhere", "somewhere")


def test_everything_can_be_flushed_at_once(storage: Storage) -> None:
    storage.create_file("a").append([b"one"])
    storage.sync_all()
    assert storage.read_bytes("a") == b"one"


def test_the_volume_has_room_or_there_is_none(storage: Storage) -> None:
    total_bytes, usable_bytes = storage.space()
    on_disk = type(storage).__name__ == "FileStorage"
    assert total_bytes >= usable_bytes > 0 if on_disk else total_bytes == usable_bytes == -1
