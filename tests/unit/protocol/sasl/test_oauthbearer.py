"""OAUTHBEARER's client half."""

from __future__ import annotations

import pytest
from minibroker.protocol.sasl.oauthbearer import bearer_message


def test_a_token_and_its_extensions() -> None:
    assert bearer_message("a.b-c_~+/==", {}) == b"n,,\x01auth=Bearer a.b-c_~+/==\x01\x01"
    extensions = {"logicalCluster": "lkc-1", "identityPoolId": "pool 1"}
    assert bearer_message("t", extensions) == (
        b"n,,\x01auth=Bearer t\x01logicalCluster=lkc-1\x01identityPoolId=pool 1\x01\x01"
    )


@pytest.mark.parametrize("token", ["", "a b", "a\x01b", "sécret", "=a", "tok\n"])
def test_a_token_that_cannot_travel_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="bearer token") as caught:
        bearer_message(token, {})
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("extension", [("auth", "x"), ("a1", "x"), ("a", ""), ("a", "x\x01y")])
def test_an_extension_that_cannot_travel_is_refused(extension: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot travel"):
        bearer_message("t", dict([extension]))
