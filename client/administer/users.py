"""EDGE: Admin's calls about users that log in by SCRAM (KIP-554).

A password never leaves this process: it is salted and iterated here, in a thread, and what comes of
it is sent. That opens the account all the same, so that it travels over TLS or within one machine.
Source: KafkaAdminClient.java, AlterUserScramCredentials; ScramFormatter.java.
Tests: tests/system/commands/test_users_command.py
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

from ...protocol.acls import AclOperation
from ..door import door
from .asking import Asking, check
from .results import ScramCredentialInfo, ScramMechanism

if TYPE_CHECKING:
    from ...protocol.messages.alter_user_scram_credentials import (
        AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse,
    )
    from ...protocol.messages.describe_user_scram_credentials import (
        DescribeUserScramCredentialsResponse,
    )


class Users:
    """What brokers keep of users' passwords."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def describe(
        self, users: Iterable[str] | None
    ) -> dict[str, tuple[ScramCredentialInfo, ...]]:
        """The mechanisms that each user has, by name."""
        from ...protocol.messages.describe_user_scram_credentials import (
            DescribeUserScramCredentialsRequest,
            UserName,
        )
        from ...protocol.sasl.scram_credentials import BY_NUMBER

        names = None if users is None else [UserName(name=each) for each in _names(users)]

        async def ask() -> dict[str, tuple[ScramCredentialInfo, ...]]:
            connection = await self._asking.controller()
            request = DescribeUserScramCredentialsRequest(users=names)
            answer: DescribeUserScramCredentialsResponse = await self._asking.request(
                connection, request
            )
            check(answer.error_code, "users", answer.error_message, AclOperation.DESCRIBE)
            for each in answer.results:
                check(each.error_code, f"user {each.user}", each.error_message)
            return {
                each.user: tuple(
                    ScramCredentialInfo(BY_NUMBER[info.mechanism], info.iterations)
                    for info in each.credential_infos
                )
                for each in sorted(answer.results, key=lambda result: result.user)
            }

        return await self._asking.persist("describe users", ask)

    async def upsert(
        self, user: str, mechanism: ScramMechanism, password: str, iterations: int
    ) -> None:
        """Give a user a password, or another one."""
        from ...protocol.messages.alter_user_scram_credentials import (
            AlterUserScramCredentialsRequest,
            ScramCredentialUpsertion,
        )
        from ...protocol.sasl.scram import salted_password
        from ...protocol.sasl.scram_credentials import NUMBERS, SALT_BYTES

        salt = secrets.token_bytes(SALT_BYTES)
        salted = await asyncio.to_thread(salted_password, mechanism, password, salt, iterations)
        given = ScramCredentialUpsertion(
            name=user,
            mechanism=NUMBERS[mechanism],
            iterations=iterations,
            salt=salt,
            salted_password=salted,
        )
        await self._alter(user, AlterUserScramCredentialsRequest(deletions=[], upsertions=[given]))

    async def delete(self, user: str, mechanism: ScramMechanism) -> None:
        """Take a user's password of one mechanism away."""
        from ...protocol.messages.alter_user_scram_credentials import (
            AlterUserScramCredentialsRequest,
            ScramCredentialDeletion,
        )
        from ...protocol.sasl.scram_credentials import NUMBERS

        taken = ScramCredentialDeletion(name=user, mechanism=NUMBERS[mechanism])
        await self._alter(user, AlterUserScramCredentialsRequest(deletions=[taken], upsertions=[]))

    async def _alter(self, user: str, request: AlterUserScramCredentialsRequest) -> None:
        async def ask() -> None:
            connection = await self._asking.controller()
            answer: AlterUserScramCredentialsResponse = await self._asking.request(
                connection, request
            )
            (result,) = answer.results
            check(result.error_code, f"user {user}", result.error_message, AclOperation.ALTER)

        await self._asking.persist(f"change user {user}", ask)


def examine_credential(user: object, mechanism: object) -> str:
    """The user, if both can be."""
    if mechanism not in get_args(ScramMechanism):
        known = ", ".join(get_args(ScramMechanism))
        raise ValueError(f"mechanism={mechanism!r}: expected one of {known}")
    return door.text("user", user)


def _names(users: Iterable[str]) -> list[str]:
    return sorted({*door.texts("users", users)})
