"""The one way to answer later: what `then` makes of answers and of promises of them."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.waiting.promise import Failure, Promise, then


def promised(outcome: Any) -> Promise:
    """What is no answer yet."""
    assert isinstance(outcome, Promise)
    return outcome


def test_what_is_known_is_made_into_a_response_at_once() -> None:
    assert then(20, str) == "20"


def test_what_is_promised_is_made_into_a_response_when_it_is_known() -> None:
    told: list[Any] = []
    promise = Promise()
    response = promised(then(promise, str))
    response.deliver_to(told.append)
    assert told == []
    promise.keep(20)
    assert told == ["20"]


def test_a_promise_of_what_is_known_by_now_is_kept() -> None:
    promise = Promise()
    promise.keep(20)
    assert promised(then(promise, str)).message == "20"


def test_a_response_that_cannot_be_made_is_a_failure_and_not_raised_at_who_keeps() -> None:
    promise = Promise()
    response = promised(then(promise, int))
    promise.keep("no number")
    assert isinstance(response.message, Failure)


def test_what_ends_the_broker_is_raised_at_who_keeps_and_answered_first() -> None:
    def broken(_: object) -> None:
        raise AssertionError("broken")

    promise = Promise()
    response = promised(then(promise, broken))
    with pytest.raises(AssertionError, match="broken"):
        promise.keep(1)
    assert isinstance(response.message, Failure)


def test_who_abandons_the_response_abandons_what_it_waits_for() -> None:
    abandoned: list[str] = []
    response = promised(then(Promise(lambda: abandoned.append("fetch")), str))
    assert response.on_abandoned is not None
    response.on_abandoned()
    assert abandoned == ["fetch"]


def test_a_promise_is_kept_once() -> None:
    promise = Promise()
    promise.keep(1)
    with pytest.raises(AssertionError, match="kept once"):
        promise.keep(2)
