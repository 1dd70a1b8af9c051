"""The rows of tests/support/security are what a real Apache Kafka says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from minibroker.broker.security.certificate_names import subject_name
from minibroker.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from minibroker.protocol.messages.describe_acls import DescribeAclsRequest

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.security import rights
from tests.support.security.acl_rows import ACL_ROWS
from tests.support.security.credential_rows import CREDENTIALS
from tests.support.security.listeners import PROTOCOLS, Authority, scram_users, settings
from tests.support.security.quota_rows import QUOTA_ROWS
from tests.support.security.quota_scenes import OVERRIDES, QUOTA_SCENES, play
from tests.support.security.quotas import quota_differences
from tests.support.security.rights_rows import NO_RIGHT, SOME_RIGHTS, Row
from tests.support.security.rights_stage import Scene, seen_in
from tests.support.security.rows import PARTS, differences
from tests.support.security.taken_rights import SCENES
from tests.support.security.talk import CLOSED, Place
from tests.support.security.token_rows import TOKEN_LISTENERS, keys_file, token_rows, token_settings

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
RULES = "RULE:^CN=client,.*$/mapped/U"
WEIRD = ' a,b+c"d\\e<f>g;h=i#j ü '
ACLS = DescribeAclsRequest(
    resource_type_filter=1,
    resource_name_filter=None,
    pattern_type_filter=1,
    principal_filter=None,
    host_filter=None,
    operation=1,
    permission_type=1,
)
REFUSED, ALERT = 31, 21
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
TELLING_S = 30  # the machine may be busy


class Listeners:
    """For RealKafka(secured=...)."""

    listeners: Sequence[str] = (
        *(name for name in PROTOCOLS if name != "PLAINTEXT"),
        "MAPPED",
        *TOKEN_LISTENERS,
    )
    scram_credentials: Sequence[str] = ()

    def __init__(self, home: Path) -> None:
        self.home = home
        self.authority = Authority(home)

    def settings(self, home: Path) -> Mapping[str, str]:
        """Lines for server.properties."""
        found = dict(settings(self.authority))
        more = {"CONTROLLER": "PLAINTEXT", "MAPPED": "SSL"}
        more |= dict.fromkeys(TOKEN_LISTENERS, "SASL_PLAINTEXT")
        protocols = "listener.security.protocol.map"
        found[protocols] += "".join(f",{name}:{each}" for name, each in more.items())
        return {
            **found,
            **token_settings(self.home),
            "listener.name.mapped.ssl.client.auth": "required",
            "listener.name.mapped.ssl.principal.mapping.rules": RULES,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            **OVERRIDES,
        }


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Authority]]:
    secured = Listeners(tmp_path_factory.mktemp("security"))
    file = keys_file(secured.home)
    with pytest.MonkeyPatch.context() as patch:
        # Kafka reads keys from places only that it was started with.
        patch.setenv(
            "JAVA_TOOL_OPTIONS",
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={file.as_uri()} "
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files={file}",
        )
        with RealKafka(secured=secured) as kafka:
            names = ("PLAINTEXT", *secured.listeners)
            ports = {name: int(kafka.servers(name).rpartition(":")[2]) for name in names}
            authority = secured.authority
            place = Place(ports, authority.client_context(), authority.client_context("client"))
            yield place, authority


async def test_logins(kafka: tuple[Place, Authority]) -> None:
    place, _ = kafka
    admin = await place.open("PLAINTEXT")
    for request in scram_users():
        assert (await admin.ask(request, 0)).endswith(" 0")
    async with asyncio.timeout(TELLING_S):  # a broker hears of it a moment later
        while True:
            talk = await place.open("SASL_PLAINTEXT")
            if (await talk.scram("SCRAM-SHA-256", "dave", "dave-secret"))[-1] == "0 verified":
                break
    for rows in PARTS.values():
        assert await differences(place, rows) == {}
    await place.hang_up()


async def test_credentials(kafka: tuple[Place, Authority]) -> None:
    place, _ = kafka
    assert await differences(place, CREDENTIALS) == {}
    await place.hang_up()


async def test_tokens(kafka: tuple[Place, Authority]) -> None:
    place, _ = kafka
    assert await differences(place, token_rows()) == {}
    await place.hang_up()


@pytest.mark.parametrize("common_name", ["client", WEIRD])
async def test_a_certificate_names_its_owner(
    kafka: tuple[Place, Authority], common_name: str
) -> None:
    place, authority = kafka
    context, certificate = authority.client(common_name)
    await _names(place, "MTLS", context, f"User:{subject_name(certificate)}")


async def test_a_rule_names_it(kafka: tuple[Place, Authority]) -> None:
    place, authority = kafka
    await _names(place, "MAPPED", authority.client_context("client"), "User:MAPPED")
    talk = await place.open("MAPPED", authority.client_context("other"))
    assert await talk.answer(ACLS, 2) == CLOSED
    await place.hang_up()


async def test_without_a_certificate_nobody_in_particular(
    kafka: tuple[Place, Authority],
) -> None:
    place, _ = kafka
    talk = await place.open("SSL")
    assert (await talk.answer(ACLS, 2)).error_code == 0  # ANONYMOUS is a super user here
    talk = await place.open("MTLS", place.plain)
    assert await talk.is_open() == CLOSED
    for listener, hello in (("SSL", b"\0\0\0\x0e\0\x12\0\0\0\0\0\1\0\4test"), ("PLAINTEXT", TLS)):
        bare = await place.open_bare(listener)
        bare.writer.write(hello)
        answer = await bare.reader.read()
        assert answer == b"" or answer[0] == ALERT
    await place.hang_up()


async def _names(place: Place, listener: str, context: ssl.SSLContext, principal: str) -> None:
    """Whoever comes with that certificate is `principal`: a right of that name is its right."""
    talk = await place.open(listener, context)
    assert (await talk.answer(ACLS, 2)).error_code == REFUSED
    admin = await place.open("PLAINTEXT")
    right = AclCreation(
        resource_type=4,
        resource_name="kafka-cluster",
        resource_pattern_type=3,
        principal=principal,
        host="*",
        operation=8,
        permission_type=3,
    )
    answer = await admin.answer(CreateAclsRequest(creations=[right]), 2)
    assert answer.results[0].error_code == 0
    async with asyncio.timeout(TELLING_S):
        while (await talk.answer(ACLS, 2)).error_code:
            continue
    await place.hang_up()


@pytest.fixture
async def place(kafka: tuple[Place, Authority]) -> AsyncIterator[Place]:
    """Its connections end with the test, whatever comes of it: they belong to its loop."""
    place, _ = kafka
    yield place
    await place.hang_up()


@pytest.mark.parametrize("part", [NO_RIGHT, SOME_RIGHTS], ids=["no right", "some rights"])
async def test_rights(part: list[Row], place: Place) -> None:
    assert await rights.differences(place, part, TELLING_S) == {}


async def test_rules_by_frames(place: Place) -> None:
    assert await rights.differences(place, ACL_ROWS, TELLING_S, as_admin=True) == {}


async def test_quotas_by_frames(place: Place) -> None:
    assert await quota_differences(place, QUOTA_ROWS, TELLING_S) == {}


@pytest.mark.parametrize("scene", QUOTA_SCENES, ids=lambda scene: scene.__name__)
async def test_quotas(scene: Callable[[Place], Awaitable[None]], place: Place) -> None:
    await play(place, scene)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.play.__name__)
async def test_rights_that_are_taken(scene: Scene, place: Place) -> None:
    assert await seen_in(place, scene) == scene.expected
