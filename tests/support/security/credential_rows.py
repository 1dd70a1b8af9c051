"""What Alter- and DescribeUserScramCredentials answer: the same for ours and for Apache Kafka.

Each row has users of its own. A change is told a moment later by a real Kafka: only telling, and
logging in, is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from minibroker.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from minibroker.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    UserName,
)
from minibroker.protocol.sasl.scram import salted_password

from tests.support.in_loop.looking import pause
from tests.support.security.listeners import SALT
from tests.support.security.rows import BAD_SCRAM, CHOSEN, Row
from tests.support.security.talk import Place, Talk

TOLD_S = 5.0
SHA_256, SHA_512 = 1, 2
MISSING = "91 Attempt to delete a user credential that does not exist"
TWICE = "92 A user credential cannot be altered twice in the same request"
NOBODY = "91 Attempt to describe a user credential that does not exist: nobody []"
ASKED_TWICE = (
    "92 Cannot describe SCRAM credentials for the same user twice in a single request: {} []"
)


def up(
    name: str,
    mechanism: int = SHA_256,
    iterations: int = 4096,
    salt: bytes = SALT,
    salted: bytes = bytes(32),
) -> ScramCredentialUpsertion:
    """A password for a user."""
    return ScramCredentialUpsertion(
        name=name, mechanism=mechanism, iterations=iterations, salt=salt, salted_password=salted
    )


def down(name: str, mechanism: int = SHA_256) -> ScramCredentialDeletion:
    """None any more."""
    return ScramCredentialDeletion(name=name, mechanism=mechanism)


async def alter(talk: Talk, *changes: Any) -> list[str]:
    """The results of one request."""
    answer = await talk.answer(
        AlterUserScramCredentialsRequest(
            deletions=[each for each in changes if isinstance(each, ScramCredentialDeletion)],
            upsertions=[each for each in changes if isinstance(each, ScramCredentialUpsertion)],
        ),
        0,
    )
    return [f"{each.error_code} {each.error_message}" for each in answer.results]


async def describe(talk: Talk, *names: str) -> list[str]:
    """What is told of users: all of them for no name."""
    users = [UserName(name=each) for each in names]
    answer = await talk.answer(DescribeUserScramCredentialsRequest(users=users or None), 0)
    assert (answer.error_code, answer.error_message) == (0, "")
    told = []
    for each in answer.results:
        infos = sorted((one.mechanism, one.iterations) for one in each.credential_infos)
        told.append(f"{each.error_code} {each.error_message} {infos}".replace("  ", " "))
    return told


def _altered(name: str, *changes: Any, expected: str) -> Row:
    async def play(place: Place) -> list[str]:
        return await alter(await place.open("PLAINTEXT"), *changes)

    return Row(name, play, [expected])


def _played(name: str, play: Callable[[Place], Awaitable[list[str]]], expected: list[str]) -> Row:
    return Row(name, play, expected)


async def _lives_on(place: Place) -> list[str]:
    admin = await place.open("PLAINTEXT")
    password = salted_password("SCRAM-SHA-256", "r-secret", SALT, 4096)
    seen = await alter(admin, up("r1", salted=password))
    seen.append((await _once_known(place, "0 verified"))[-1])
    talk = await place.open("SASL_PLAINTEXT")
    await talk.scram("SCRAM-SHA-256", "r1", "r-secret")
    seen += await alter(admin, down("r1"))
    seen += await _once_known(place, BAD_SCRAM)
    return [*seen, await talk.is_open()]


async def _once_known(place: Place, told: str) -> list[str]:
    """Log in as r1 until that is the answer."""
    async with asyncio.timeout(TOLD_S):
        while True:
            talk = await place.open("SASL_PLAINTEXT")
            seen = await talk.scram("SCRAM-SHA-256", "r1", "r-secret")
            if seen[-1] == told:
                return seen


async def _told(place: Place) -> list[str]:
    admin = await place.open("PLAINTEXT")
    assert await alter(admin, up("t1", iterations=4096)) == ["0 None"]
    assert await alter(admin, up("t1", SHA_512, 8192, salted=bytes(64))) == ["0 None"]
    async with asyncio.timeout(TOLD_S):
        while len(seen := await describe(admin, "t1")) != 1 or "2, 8192" not in seen[0]:
            await pause()
    assert seen[0] in await describe(admin)
    return [*seen, *await describe(admin, "nobody"), *await describe(admin, "t1", "t1")]


async def _up_and_down(place: Place) -> list[str]:
    admin = await place.open("PLAINTEXT")
    assert await alter(admin, up("b3")) == ["0 None"]
    return await alter(admin, down("b3"), up("b3"))


async def _one_of_each(place: Place) -> list[str]:
    admin = await place.open("PLAINTEXT")
    assert await alter(admin, up("m1")) == ["0 None"]
    return sorted(await alter(admin, up("m2"), up("m3", iterations=1), down("m1"), down("m4")))


CREDENTIALS = [
    _altered("4096 iterations", up("a1"), expected="0 None"),
    _altered("16384 iterations", up("a2", iterations=16384), expected="0 None"),
    _altered("4095 iterations", up("a3", iterations=4095), expected="93 Too few iterations"),
    _altered("16385 iterations", up("a3", iterations=16385), expected="93 Too many iterations"),
    *(
        _altered(f"mechanism {each}", up("a3", each), expected="33 Unknown SCRAM mechanism")
        for each in (0, 3)
    ),
    _altered("no name", up(""), expected="93 Username must not be empty"),
    _altered("no salt", up("a4", salt=b""), expected="0 None"),
    _altered("no salted password", up("a5", salted=b""), expected="-1 None"),
    _altered("delete an unknown user", down("nobody"), expected=MISSING),
    _altered("the same twice", up("b1"), up("b1", iterations=5000), expected=TWICE),
    _altered("both mechanisms", up("b2"), up("b2", SHA_512), expected=TWICE),
    _played("upsert and delete", _up_and_down, [TWICE]),
    _played("good and bad", _one_of_each, ["0 None", "0 None", MISSING, "93 Too few iterations"]),
    _played(
        "described",
        _told,
        ["0 [(1, 4096), (2, 8192)]", NOBODY, ASKED_TWICE.format("t1")],
    ),
    _played(
        "deleted while connected",
        _lives_on,
        ["0 None", "0 verified", "0 None", CHOSEN, BAD_SCRAM, "open"],
    ),
]
