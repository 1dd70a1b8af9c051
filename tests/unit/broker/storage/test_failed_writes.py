"""A log on a disk that fails: what was refused has changed nothing, and writing goes on later."""

from __future__ import annotations

import errno
import os

import pytest
from minibroker.broker.log.log import LogConfig
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.port import StorageError

from tests.support.directories.full_disk import largest_file
from tests.support.records.logs import append, batch_of, open_log, read_all, segment_names, stamped

ONE = batch_of(1000)
SIZE = len(ONE)


def test_a_batch_that_does_not_fit_is_refused_and_the_next_takes_its_offset(
    disk: FileStorage,
) -> None:
    log = open_log(disk)
    append(log, ONE)
    for limit in range(SIZE, 2 * SIZE):
        with largest_file(limit), pytest.raises(StorageError, match="File too large"):
            append(log, ONE, leader_epoch=1)
    assert (log.log_end_offset, log.latest_epoch, log.size_bytes) == (1, 0, SIZE)
    assert append(log, ONE) == 1
    log.close()
    again = open_log(disk)
    assert again.recovery is None
    assert read_all(again) == [stamped(ONE, 0), stamped(ONE, 1)]
    again.close()


def test_the_first_append_may_fail_at_each_step(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = open_log(disk)
    for call in ("mkdir", "open", "writev"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(StorageError, match="No space left on device"):
                append(log, ONE)
        assert log.log_end_offset == 0
    with largest_file(50), pytest.raises(StorageError, match=r"\.log: File too large"):
        append(log, ONE)  # the metadata file fits, the batch does not
    assert append(log, ONE) == 0
    for file in log.dirty_files():
        file.flush()
    log.close()


def test_a_roll_that_fails_changes_nothing(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("x", "No space left on device")

    log = open_log(disk, LogConfig(segment_bytes=SIZE))
    append(log, ONE)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "create_file", fail)
        with pytest.raises(StorageError, match="No space left"):
            append(log, ONE)
        assert (log.log_end_offset, read_all(log)) == (1, [stamped(ONE, 0)])
    assert append(log, ONE) == 1
    assert len(segment_names(disk)) == 2
    log.close()


def test_bytes_that_could_not_be_cut_back_are_cut_before_the_next_segment(
    disk: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = open_log(disk)
    append(log, ONE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        with largest_file(SIZE + 10), pytest.raises(StorageError, match="File too large"):
            append(log, ONE)
        with pytest.raises(StorageError, match="Input/output error"):
            log.roll()
    log.roll()
    append(log, ONE)
    log.close()
    again = open_log(disk)
    assert again.recovery is None
    assert len(read_all(again)) == 2
    again.close()
