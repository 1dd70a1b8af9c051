"""A session's directory on a real disk: private, locked, and refused in words."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from minibroker.client.errors import SessionInUse
from minibroker.client.session.journal import Journal, look
from minibroker.client.session.journal_directory import JournalDirectory
from minibroker.client.session.journal_recovery import JOURNAL, NEW_JOURNAL

WAIT_S = 20


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_it_is_private_with_all_above_it_that_is_made(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = Journal.open(tmp_path / "new" / "orders.session")
        await journal.close()
    finally:
        os.umask(before)
    for directory in (tmp_path / "new", tmp_path / "new" / "orders.session"):
        assert mode_of(directory) == 0o700
    modes = {each.name: mode_of(each) for each in (tmp_path / "new" / "orders.session").iterdir()}
    assert modes == {"journal": 0o600, "flushed": 0o600, "lock": 0o600}


async def test_one_that_is_there_is_made_private(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    journal = Journal.open(tmp_path)
    assert mode_of(tmp_path) == 0o700
    await journal.close()


async def test_the_lock_names_who_has_it(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with pytest.raises(SessionInUse, match=f"in use by process {os.getpid()}: end that one first"):
        Journal.open(tmp_path)
    assert look(tmp_path)[1] == str(os.getpid())
    await journal.close()
    assert look(tmp_path)[1] == ""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import sys; from minibroker.client.session.journal_directory import JournalDirectory;"
        "d = JournalDirectory(sys.argv[1]); print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(SessionInUse, match=f"process {child.pid}"):
            JournalDirectory(str(tmp_path))
        child.kill()
        child.wait(WAIT_S)
    JournalDirectory(str(tmp_path)).close()


def test_who_only_looks_makes_nothing(tmp_path: Path) -> None:
    recovered, holder = look(tmp_path)
    assert (recovered.generation, holder) == (0, "")
    assert not [*tmp_path.iterdir()]
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "missing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, -1)
    with pytest.raises(PermissionError, match="belongs to user 12345"):
        JournalDirectory(str(tmp_path))
    assert not [*tmp_path.iterdir()]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        JournalDirectory(str(tmp_path / "file"))


async def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    session = tmp_path / "session"
    session.mkdir()
    (session / NEW_JOURNAL).symlink_to(other)
    journal = Journal.open(session)
    assert other.read_bytes() == b"of somebody else"
    assert not (session / JOURNAL).is_symlink()
    await journal.close()


async def test_a_directory_that_moves_takes_its_journal_along(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "session")
    (tmp_path / "session").rename(tmp_path / "moved")
    (tmp_path / "session").mkdir()
    await journal.close()
    assert not [*(tmp_path / "session").iterdir()]
    assert (tmp_path / "moved" / JOURNAL).exists()
