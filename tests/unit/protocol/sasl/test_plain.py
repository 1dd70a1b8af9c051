"""PLAIN's client half."""

from __future__ import annotations

import pytest
from minibroker.protocol.sasl.plain import plain_message


def test_name_and_password_as_they_are() -> None:
    assert plain_message("älice", "s e=c,ret") == "\0älice\0s e=c,ret".encode()


@pytest.mark.parametrize(("name", "password"), [("", "p"), ("u", ""), ("u\0", "p"), ("u", "\0p")])
def test_what_cannot_be_said_is_refused_and_not_shown(name: str, password: str) -> None:
    with pytest.raises(ValueError, match="PLAIN has no") as caught:
        plain_message(name, password)
    assert "'p'" not in str(caught.value)
