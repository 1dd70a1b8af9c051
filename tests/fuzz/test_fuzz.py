"""Bytes from nowhere and spoilt golden frames: only the documented errors come out.

A few seconds of what `make fuzz` does for minutes. Inputs that ever failed are in found/, named
<target>-<digest>.bin, and are tried first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minibroker.protocol.framing import frame

from tests.fuzz.mutations import repaired
from tests.fuzz.seeds import batches, request_frames
from tests.fuzz.socketless import Stage
from tests.fuzz.targets import SPOILT, TARGETS
from tests.support.sizes import size

FOUND = Path(__file__).parent / "found"
SEEDS_A_BROKER = 25
RANDOMS = st.randoms(use_true_random=False)


def examples(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.bin")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


def test_unspoilt_batches_pass() -> None:
    for seed in batches():
        TARGETS["batch"](bytes(seed))


def test_unspoilt_requests_pass() -> None:
    """Each on a connection of its own, some with one broker: making that is most of the work."""

    async def play(seeds: Sequence[bytes]) -> None:
        await Stage().play_each(seeds, Random(len(seeds)))

    seeds = [b"".join(frame([each])) for each in request_frames()]
    for begin in range(0, len(seeds), SEEDS_A_BROKER):
        asyncio.run(play(seeds[begin : begin + SEEDS_A_BROKER]))


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("connection", size(fast=60, whole=150)),
        ("codec", size(fast=200, whole=400)),
        ("batch", size(fast=200, whole=400)),
    ],
)
def test_spoilt_seeds_end_in_documented_errors(target: str, count: int) -> None:
    @examples(count)
    @given(rng=RANDOMS)
    def check(rng: Random) -> None:
        TARGETS[target](SPOILT[target](rng))

    check()


@pytest.mark.parametrize("target", TARGETS)
def test_bytes_from_nowhere_end_in_documented_errors(target: str) -> None:
    @examples(size(fast=50, whole=100))
    @given(data=st.binary(max_size=300))
    def check(data: bytes) -> None:
        TARGETS[target](data)

    check()


@examples(200)
@given(rest=st.binary(min_size=40, max_size=200))
def test_any_records_under_a_good_crc_end_in_documented_errors(rest: bytes) -> None:
    TARGETS["batch"](repaired(bytes(21) + rest))
