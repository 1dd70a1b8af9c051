"""EDGE: users of a directory that no broker uses, with the calls that Admin has for a running one.

Tests: tests/system/commands/test_users_command.py
"""

from __future__ import annotations

import os
import random
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ...broker.cluster.records import MetadataError
from ...broker.directory.users import NotChanged, StoppedUsers
from ...broker.runtime import RealClock
from ...broker.storage.files import FileStorage
from ...broker.storage.port import DamagedLog, DirectoryRefused, StorageError
from ...client.administer.results import ScramCredentialInfo
from ...protocol.sasl.scram_credentials import SALT_BYTES
from ..terminal.running import CommandFailed

REFUSALS = (DirectoryRefused, DamagedLog, MetadataError, StorageError)


class DirectoryUsers:
    """The users of one directory; the calls are those of Admin, so that a command takes either."""

    def __init__(self, users: StoppedUsers) -> None:
        self._users = users

    async def describe_user_scram_credentials(
        self, users: Iterable[str] | None = None
    ) -> dict[str, tuple[ScramCredentialInfo, ...]]:
        """The mechanisms of each user. Raises CommandFailed: one is not there."""
        kept = self._users.credentials()
        names = sorted(kept) if users is None else [*users]
        for name in names:
            if name not in kept:
                raise CommandFailed(f"user {name} does not exist")
        return {
            name: tuple(
                ScramCredentialInfo(mechanism, each.iterations)
                for mechanism, each in sorted(kept[name].items())
            )
            for name in names
        }

    async def upsert_user_scram_credential(
        self, user: str, mechanism: str, password: str, *, iterations: int
    ) -> None:
        """Give a user a password. Raises CommandFailed: it cannot be."""
        with _told(user):
            self._users.add(
                user,
                password,
                mechanisms=[mechanism],
                iterations=iterations,
                salt=secrets.token_bytes(SALT_BYTES),
            )

    async def delete_user_scram_credential(self, user: str, mechanism: str) -> None:
        """Take a password away. Raises CommandFailed: there is none."""
        with _told(user):
            self._users.remove(user, [mechanism])


@contextmanager
def directory_users(directory: str) -> Iterator[DirectoryUsers]:
    """The users of a directory, which is locked meanwhile.

    Raises:
        CommandFailed: it is in use, is none of ours, or cannot be read.
    """
    if not os.path.isdir(directory):
        raise CommandFailed(f"{directory} is no directory")
    try:
        storage = FileStorage.of_broker(directory)
        try:
            now_ms = RealClock().now_ms()
            users = StoppedUsers(storage, now_ms, random.Random(), _warn)
            try:
                yield DirectoryUsers(users)
            finally:
                users.close()
        finally:
            storage.close()
    except REFUSALS as error:
        raise CommandFailed(str(error)) from None


@contextmanager
def _told(user: str) -> Iterator[None]:
    try:
        yield
    except NotChanged as error:
        raise CommandFailed(f"{user}: {error}") from None


def _warn(line: str) -> None:
    print(line, file=sys.stderr)
