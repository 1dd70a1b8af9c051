"""How often somebody may try to log in: a few times at once, then one after another. Pure.

Who guesses passwords is slowed down; who knows one hardly is, as a login that succeeds gives back
the turn it took. Nobody is locked out: a turn comes after WAIT_MAX_S at most, or is refused with
the word when to come again, and time alone pays back what was taken.

Who has not failed lately takes a turn at once, whatever others do. Of all others those of all
addresses together are held back, too.
Bounded: ADDRESSES_MAX are told apart; further ones share one account.
Tests: tests/unit/console/guard/test_throttle.py
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

AT_ONCE = 5  # tries of an address before it has to wait
TURN_S = 2.0  # then one in this time
AT_ONCE_IN_ALL = 50
TURN_IN_ALL_S = 0.2
WAIT_MAX_S = 10.0
LATELY_S = 600.0
ADDRESSES_MAX = 4_096
OTHERS = "others"
PREFIX_BITS = 64  # of IPv6: what one household has


class TooOften(Exception):
    """No turn can be had now.

    Attributes:
        wait_s: when to come again.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            f"too many logins have failed from here; try again in {max(1, round(wait_s))} s"
        )
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Turn:
    """One try.

    Attributes:
        wait_s: how long to wait before it.
    """

    name: str
    taken_s: float
    wait_s: float
    is_first: bool


class Throttle:
    """Turns of those who log in; times are of any clock that does not go back, in seconds."""

    def __init__(self) -> None:
        self._paid_s: dict[str, float] = {}  # by address: when it owes nothing any more
        self._all_paid_s = 0.0

    def take(self, address: str, now_s: float) -> Turn:
        """Take a turn. Raises TooOften: none was taken."""
        name = self._name(address, now_s)
        known_s = self._paid_s.get(name)
        is_first = known_s is None or known_s + LATELY_S <= now_s
        paid_s = max(known_s or 0.0, now_s)
        all_paid_s = max(self._all_paid_s, now_s)
        all_due_s = now_s + (AT_ONCE_IN_ALL - 1) * TURN_IN_ALL_S
        wait_s = max(0.0, paid_s - now_s - (AT_ONCE - 1) * TURN_S)
        if not is_first:
            wait_s = max(wait_s, all_paid_s - all_due_s)
        if wait_s > WAIT_MAX_S:
            raise TooOften(wait_s - WAIT_MAX_S)
        self._paid_s[name] = paid_s + TURN_S
        self._all_paid_s = min(all_paid_s + TURN_IN_ALL_S, all_due_s + WAIT_MAX_S + TURN_IN_ALL_S)
        return Turn(name, now_s, wait_s, is_first)

    def give_back(self, turn: Turn) -> None:
        """It was no wrong guess: it is as if it had not been taken."""
        self._all_paid_s -= TURN_IN_ALL_S
        if turn.name not in self._paid_s:
            return  # paid back by time, and forgotten
        self._paid_s[turn.name] -= TURN_S
        if turn.is_first and self._paid_s[turn.name] <= turn.taken_s:
            del self._paid_s[turn.name]

    def _name(self, address: str, now_s: float) -> str:
        name = household(address)
        if name in self._paid_s or len(self._paid_s) < ADDRESSES_MAX:
            return name
        lately = {each: paid for each, paid in self._paid_s.items() if paid + LATELY_S > now_s}
        self._paid_s = lately
        return name if len(lately) < ADDRESSES_MAX else OTHERS


def household(address: str) -> str:
    """What counts as one address: of IPv6 the network, as who has one has all in it."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return OTHERS
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, PREFIX_BITS), strict=False))
    return str(found)
