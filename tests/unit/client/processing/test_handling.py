"""What handlers may give, and what a dead letter says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest
from minibroker.client import ConsumerRecord, Output
from minibroker.client.processing.dead_letters import dead_letter
from minibroker.client.processing.handling import Handling, outputs_in

A, B = Output("t", b"a"), Output("t", b"b", key=b"k")


def record(value: bytes | None = b"v", **more: Any) -> ConsumerRecord[Any, Any]:
    given = {"topic": "in", "partition": 3, "offset": 7, "timestamp": 5, "timestamp_type": 0}
    rest = {"key": b"k", "value": value, "headers": (("h", b"1"),), "leader_epoch": 0}
    return ConsumerRecord(**{**given, **rest, **more})


def gives_nothing(_: object) -> None:
    return None


def gives_one(_: object) -> Output:
    return A


def gives_a_list(_: object) -> list[Output]:
    return [A, B]


def generates(_: object) -> Iterator[Output]:
    yield A
    yield B


async def gives_one_later(_: object) -> Output:
    return A


async def gives_several_later(_: object) -> tuple[Output, ...]:
    return (A, B)


async def generates_later(_: object) -> AsyncIterator[Output]:
    yield A
    yield B


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (gives_nothing, []),
        (gives_one, [A]),
        (gives_a_list, [A, B]),
        (generates, [A, B]),
        (gives_one_later, [A]),
        (gives_several_later, [A, B]),
        (generates_later, [A, B]),
    ],
)
async def test_a_handler_gives(handler: Callable[[Any], Any], expected: list[Output]) -> None:
    assert await Handling(handler)([record()], ends_at_failure=True) == [expected]


@pytest.mark.parametrize("given", [b"v", "v", {"t": b"v"}, 7, [b"v"], [A, None]])
def test_what_is_no_output_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match="expected None, an Output, or an iterable of them"):
        outputs_in(given)


@pytest.mark.parametrize("ends_at_failure", [True, False])
async def test_what_a_handler_raises_is_an_outcome(ends_at_failure: bool) -> None:
    def handler(each: ConsumerRecord[Any, Any]) -> Output:
        return Output("t", b"%d" % (6 // int(each.value)))

    records = [record(b"1"), record(b"0"), record(b"2")]
    outcomes = await Handling(handler)(records, ends_at_failure=ends_at_failure)
    assert outcomes[0] == [Output("t", b"6")]
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert outcomes[2:] == ([] if ends_at_failure else [[Output("t", b"3")]])


def headers_of(letter: Output) -> dict[str, Any]:
    return dict(cast("list[tuple[str, Any]]", letter.headers))


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as each:
        return each


def test_a_dead_letter_says_what_was_wrong_and_where() -> None:
    letter = dead_letter("dead", record(), raised(KeyError("price")))
    assert (letter.topic, letter.key, letter.value) == ("dead", b"k", b"v")
    assert letter.timestamp_ms == 5
    headers = headers_of(letter)
    assert headers["h"] == b"1"
    assert headers["__streams.errors.exception"] == b"KeyError"
    assert headers["__streams.errors.message"] == b"'price'"
    assert headers["__streams.errors.topic"] == b"in"
    assert headers["__streams.errors.partition"] == b"3"
    assert headers["__streams.errors.offset"] == b"7"
    assert b"test_handling.py" in headers["__streams.errors.stacktrace"]


def test_a_dead_letter_that_fails_again_says_so_once() -> None:
    first = dead_letter("dead", record(), raised(ValueError("first")))
    again = record(topic="dead", headers=tuple(headers_of(first).items()))
    second = dead_letter("dead", again, raised(ValueError("second")))
    assert headers_of(second)["__streams.errors.message"] == b"second"
    assert len([*(second.headers or ())]) == len(headers_of(second))


def test_any_text_of_an_error_can_be_sent() -> None:
    letter = dead_letter("dead", record(timestamp=-1), raised(ValueError("\udcff" + "x" * 5_000)))
    message = headers_of(letter)["__streams.errors.message"]
    assert len(message) < 2_010
    assert letter.timestamp_ms is None
