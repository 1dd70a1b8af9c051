"""How many connections some addresses may have."""

from __future__ import annotations

import pytest
from minibroker.broker.config.addresses import counts_of_addresses
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.properties import ConfigError


def test_an_address_is_written_in_any_way() -> None:
    text = "10.0.0.1:200, ::1:5,[0:0:0:0:0:0:0:2]:0,"
    assert counts_of_addresses(text) == {"10.0.0.1": 200, "::1": 5, "::2": 0}
    assert counts_of_addresses("") == {}


@pytest.mark.parametrize("text", ["localhost:5", "10.0.0.1", "10.0.0.1:", "10.0.0.1:-1", ":5"])
def test_what_is_none_does_not_start(text: str) -> None:
    with pytest.raises(ConfigError, match=r"per\.ip\.overrides"):
        BrokerConfig.of({"max.connections.per.ip.overrides": text})


def test_somebody_can_connect() -> None:
    with pytest.raises(ConfigError, match="nobody could connect"):
        BrokerConfig.of({"max.connections.per.ip": 0})
    made = BrokerConfig.of(
        {"max.connections.per.ip": 0, "max.connections.per.ip.overrides": "::1:5"}
    )
    assert made.max_connections_per_ip == 0
