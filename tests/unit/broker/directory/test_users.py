"""Users of a directory that no broker uses: what is changed there, a start finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from minibroker.broker.directory.users import NotChanged, StoppedUsers
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.port import DirectoryRefused
from minibroker.protocol.sasl.scram import salted_password
from minibroker.protocol.sasl.scram_credentials import ScramCredential, credential_of

from tests.support.directories.data_directories import (
    ends_found,
    full_directory,
    start,
)
from tests.support.records.partitions import NOW_MS

BOTH = ("SCRAM-SHA-256", "SCRAM-SHA-512")
SALT = bytes(16)


@contextmanager
def stopped(root: Path) -> Iterator[StoppedUsers]:
    """The users of a directory."""
    storage = FileStorage.of_broker(str(root))
    try:
        users = StoppedUsers(storage, NOW_MS, Random(7), lambda line: None)
        yield users
        users.close()
    finally:
        storage.close()


def add(root: Path, user: str = "carol", password: str = "carol-secret") -> None:
    """Give a user a password."""
    with stopped(root) as users:
        users.add(user, password, mechanisms=BOTH, iterations=4096, salt=SALT)


def expected(mechanism: str) -> ScramCredential:
    """What a broker is to know of carol."""
    return credential_of(
        mechanism, salted_password(mechanism, "carol-secret", SALT, 4096), SALT, 4096
    )


def test_a_start_knows_a_user_that_was_added_and_loses_nothing(tmp_path: Path) -> None:
    root = full_directory(tmp_path / "data")
    before = ends_found(root)
    add(root)
    opened = start(root)
    assert opened.broker.state.scram == {"carol": {each: expected(each) for each in BOTH}}
    opened.stop()
    assert ends_found(root) == before


def test_an_empty_directory_gets_its_users_before_its_first_start(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    add(root)
    opened = start(root)
    assert set(opened.broker.state.scram) == {"carol"}
    cluster_id = opened.broker.state.cluster_id
    opened.stop()
    add(root, "dave")
    opened = start(root)
    assert set(opened.broker.state.scram) == {"carol", "dave"}
    assert opened.broker.state.cluster_id == cluster_id
    opened.stop()


def test_a_user_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    add(root)
    with stopped(root) as users:
        users.remove("carol", ["SCRAM-SHA-256"])
        assert {name: [*kept] for name, kept in users.credentials().items()} == {
            "carol": ["SCRAM-SHA-512"]
        }
        with pytest.raises(NotChanged, match="does not exist"):
            users.remove("carol", ["SCRAM-SHA-512", "SCRAM-SHA-256"])
    with stopped(root) as users:
        assert [*users.credentials()] == ["carol"]


@pytest.mark.parametrize(
    ("user", "password", "iterations", "why"),
    [
        ("", "x", 4096, "Username must not be empty"),
        ("x", "", 4096, "password cannot be empty"),
        ("x", "x", 4095, "Too few"),
        ("x", "x", 0, "Too few"),
        ("x", "x", 16385, "Too many"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, user: str, password: str, iterations: int, why: str
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    with stopped(root) as users:
        with pytest.raises(NotChanged, match=why):
            users.add(user, password, mechanisms=BOTH, iterations=iterations, salt=SALT)
        assert users.credentials() == {}
    assert not (root / "meta.properties").exists()


def test_somebody_elses_directory_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DirectoryRefused):
        add(tmp_path)
