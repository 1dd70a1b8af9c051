"""Which rules a proxy takes; what rules are is tested with the broker's."""

from __future__ import annotations

import pytest
from minibroker.broker.faults.rules import Action, Crash, Hold, Instant, LoseReply, Rule
from minibroker.testing.proxying.rules import performable


@pytest.mark.parametrize(
    "rule",
    [
        Rule(action=Hold(), at=Instant.REQUEST),
        Rule(action=Crash(), at=Instant.REPLY),
        Rule(action=LoseReply(), api="Fetch", topic="t"),
    ],
)
def test_a_proxy_refuses_what_takes_a_broker(rule: Rule) -> None:
    with pytest.raises(ValueError, match="a proxy cannot"):
        performable(rule)


@pytest.mark.parametrize("action", [LoseReply(), LoseReply(then="silence")])
def test_a_proxy_takes_the_rest(action: Action) -> None:
    rule = Rule(action=action, api="Produce", topic="t")
    assert performable(rule) is rule
