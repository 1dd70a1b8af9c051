"""JAAS lines as Kafka writes them; no error shows what is in them."""

from __future__ import annotations

import pytest
from minibroker.broker.config.properties import ConfigError, Secret
from minibroker.broker.security.jaas import parse_jaas, plain_users

MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


def test_users_and_their_passwords() -> None:
    line = Secret(
        f'{MODULE} required\n username="admin" password="admin-secret"\n'
        ' user_admin="admin-secret" user_alice=\'a\\\'b "c\' user_b.o-b=plain user_x="p;\\\\=" ;\n'
    )
    assert plain_users("p", line) == {
        "admin": "admin-secret",
        "alice": "a'b \"c",
        "b.o-b": "plain",
        "x": "p;\\=",
    }
    assert repr(parse_jaas("p", line)) == f"LoginModule({MODULE})"


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"{MODULE} required",
        f'{MODULE} required user_a="top-secret"',
        f'{MODULE} user_a="top-secret";',
        f'{MODULE} required user_a="top-secret;',
        f'{MODULE} required user_a "top-secret";',
        f'{MODULE} required user_a="top-secret" user_b;',
        f'{MODULE} required user_="top-secret";',
        f'{MODULE} required user_a="";',
        f'{MODULE} required user_a="x"; {MODULE} required user_b="top-secret";',
    ],
)
def test_what_is_no_line_is_refused_and_not_shown(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^listener\.name\.x") as refused:
        plain_users("listener.name.x", Secret(line))
    assert "secret" not in str(refused.value)
