"""Who guesses is slowed down, who knows is not, and nobody is locked out."""

from __future__ import annotations

import pytest
from minibroker.console.guard.throttle import (
    ADDRESSES_MAX,
    AT_ONCE,
    AT_ONCE_IN_ALL,
    TURN_IN_ALL_S,
    TURN_S,
    WAIT_MAX_S,
    Throttle,
    TooOften,
    Turn,
    household,
)

HERE, THERE = "192.0.2.1", "192.0.2.2"


def fail_until_refused(throttle: Throttle, address: str, now_s: float) -> list[float]:
    """How long each of the tries had to wait that were not refused."""
    waits: list[float] = []
    while (turn := taken(throttle, address, now_s)) is not None:
        waits.append(turn.wait_s)
    return waits


def taken(throttle: Throttle, address: str, now_s: float) -> Turn | None:
    """A turn; None if it is refused."""
    try:
        return throttle.take(address, now_s)
    except TooOften:
        return None


def test_a_few_at_once_then_one_after_another() -> None:
    waits = fail_until_refused(Throttle(), HERE, 100.0)
    assert waits[:AT_ONCE] == [0.0] * AT_ONCE
    assert waits[AT_ONCE:] == [TURN_S * n for n in range(1, int(WAIT_MAX_S / TURN_S) + 1)]


def test_a_guesser_gets_no_more_than_a_try_a_turn() -> None:
    throttle, tries = Throttle(), 0
    for tenth in range(36_000):  # an hour, ten times a second
        tries += taken(throttle, HERE, tenth / 10) is not None
    assert tries <= AT_ONCE + (3_600 + WAIT_MAX_S) / TURN_S


def test_a_turn_comes_when_it_was_said() -> None:
    throttle = Throttle()
    fail_until_refused(throttle, HERE, 0.0)
    with pytest.raises(TooOften, match=r"try again in \d+ s") as refused:
        throttle.take(HERE, 0.0)
    assert throttle.take(HERE, refused.value.wait_s + 0.001).wait_s <= WAIT_MAX_S


def test_who_knows_the_password_never_waits() -> None:
    throttle = Throttle()
    for _ in range(10 * AT_ONCE):
        turn = throttle.take(HERE, 0.0)
        assert turn.wait_s == 0
        throttle.give_back(turn)


def test_a_login_of_ones_own_pays_for_no_guess_at_others() -> None:
    throttle, guesses = Throttle(), 0
    while taken(throttle, HERE, 0.0) is not None:
        guesses += 1
        own = taken(throttle, HERE, 0.0)
        if own is not None:
            throttle.give_back(own)
    assert guesses <= AT_ONCE + WAIT_MAX_S / TURN_S


def test_who_has_not_failed_does_not_wait_for_those_who_have() -> None:
    throttle = Throttle()
    for number in range(AT_ONCE_IN_ALL):
        fail_until_refused(throttle, f"198.51.100.{number}", 0.0)
    assert throttle.take(THERE, 0.0).wait_s == 0


def test_many_addresses_are_held_back_together() -> None:
    throttle = Throttle()
    addresses = [f"10.{n // 256}.{n % 256}.1" for n in range(1_000)]
    tries = 0
    for second in range(60):
        for address in addresses:
            tries += taken(throttle, address, float(second)) is not None
    first_ones = len(addresses)
    assert first_ones < tries <= first_ones + (60 + WAIT_MAX_S) / TURN_IN_ALL_S
    assert throttle.take(THERE, 60.0).wait_s == 0


def test_time_pays_all_back() -> None:
    throttle = Throttle()
    waits = fail_until_refused(throttle, HERE, 0.0)
    assert throttle.take(HERE, TURN_S * len(waits)).wait_s == 0
    assert fail_until_refused(throttle, HERE, 10_000.0) == waits


def test_memory_is_bounded_and_time_gives_it_back() -> None:
    throttle = Throttle()
    for number in range(ADDRESSES_MAX):
        throttle.take(f"10.1.{number // 256}.{number % 256}", 0.0)
    one, other = "203.0.113.1", "203.0.113.2"
    fail_until_refused(throttle, one, 0.0)
    with pytest.raises(TooOften):
        throttle.take(other, 0.0)  # no room to tell them apart
    assert throttle.take(one, 10_000.0).wait_s == 0
    assert len(throttle._paid_s) < ADDRESSES_MAX


def test_what_counts_as_one_address() -> None:
    assert household("2001:db8:1:2:3::4") == household("2001:db8:1:2:ffff::")
    assert household("2001:db8:1:2::1") != household("2001:db8:1:3::1")
    assert household("::ffff:192.0.2.1") == household("192.0.2.1")
    assert household("fe80::1%eth0") == household("fe80::2")
    assert household("nobody knows") == household("")
