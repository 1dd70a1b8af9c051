"""All scenarios, and how one of them is played on one broker.

By hand: `python -m tests.support.transactions.playing --help`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import NamedTuple

from tests.support.processes.kafka import RealKafka
from tests.support.transactions.brokers import kafka_peer, our_peer, wait_for_coordinators
from tests.support.transactions.rows import (
    adding,
    ending,
    expiry,
    first_requests,
    initialising,
    last_epochs,
    levels,
    markers_of_clients,
    members,
    offsets,
    prepare,
    produce_new,
    produce_old,
    readers,
    restarts,
    timeouts,
    told,
)
from tests.support.transactions.stage import Peer, Stage

DEFAULT_LEVEL = 2
Scenario = Callable[[Stage], Awaitable[None]]


class House(NamedTuple):
    """A broker, and the scenarios that are played on it, in this order.

    Attributes:
        settings: properties that Kafka and ours both have.
        level: the finalized transaction.version.
        is_fresh: nobody has asked it anything before.
    """

    scenarios: Mapping[str, Scenario]
    settings: Mapping[str, str] = {}
    level: int = DEFAULT_LEVEL
    is_fresh: bool = False

    @property
    def features(self) -> Mapping[str, int]:
        """What Kafka must be told when its storage is formatted."""
        return {} if self.level == DEFAULT_LEVEL else {levels.FEATURE: self.level}

    @property
    def our_settings(self) -> Mapping[str, str]:
        """The same with the level as a property, which it is of ours."""
        return {**self.settings, **{name: str(level) for name, level in self.features.items()}}


class Played(NamedTuple):
    """What came of a scenario: how many rows, and those that were answered otherwise."""

    row_count: int
    wrong: list[str]


def _named(*rooms: ModuleType) -> Mapping[str, Scenario]:
    return {
        f"{room.__name__.rpartition('.')[2]}.{scenario.__name__}": scenario
        for room in rooms
        for scenario in room.SCENARIOS
    }


HOUSES: Mapping[str, House] = {
    "common": House(
        _named(
            initialising,
            last_epochs,
            adding,
            offsets,
            members,
            produce_old,
            produce_new,
            ending,
            prepare,
            readers,
            timeouts,
            told,
            markers_of_clients,
        ),
        settings=timeouts.SETTINGS,
    ),
    "restarted": House(_named(restarts)),
    "forgetful": House(_named(first_requests, expiry), settings=expiry.SETTINGS, is_fresh=True),
    "level 2": House({"levels.level_2": levels.level_2}, settings=timeouts.SETTINGS),
    "level 1": House({"levels.level_1": levels.level_1}, settings=timeouts.SETTINGS, level=1),
    "level 0": House({"levels.level_0": levels.level_0}, settings=timeouts.SETTINGS, level=0),
}


async def play(scenario: Scenario, name: str, peer: Peer) -> Played:
    """Play a scenario to its end."""
    stage = Stage(peer, name.replace(".", "-").replace("_", "-"))
    try:
        await scenario(stage)
    finally:
        await stage.close()
    return Played(stage.row_count, stage.wrong)


@asynccontextmanager
async def kafka_of(house: House) -> AsyncIterator[Peer]:
    """A real Apache Kafka, as a house needs it."""
    with RealKafka(settings=house.settings, features=house.features) as kafka:
        peer = kafka_peer(kafka)
        if not house.is_fresh:
            await wait_for_coordinators(peer)
        yield peer


@asynccontextmanager
async def ours_of(house: House) -> AsyncIterator[Peer]:
    """Our broker, as a house needs it."""
    async with our_peer(house.our_settings) as peer:
        if not house.is_fresh:
            await wait_for_coordinators(peer)
        yield peer


class Tally:
    """What came of many scenarios, told as it goes."""

    def __init__(self) -> None:
        self.rows = self.wrong = self.broken = 0

    async def play(self, scenario: Scenario, name: str, peer: Peer) -> None:
        """Play one and print what is wrong."""
        began = time.monotonic()
        try:
            played = await play(scenario, name, peer)
        except Exception:
            self.broken += 1
            print(f"{name}: cannot go on", *traceback.format_exc().splitlines()[-6:], sep="\n   ")
            return
        self.rows += played.row_count
        self.wrong += len(played.wrong)
        print(f"{name}: {played.row_count} rows, {time.monotonic() - began:.2f} s")
        for each in played.wrong:
            print(f"   {each}")


async def main() -> int:
    """Play scenarios and tell what is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("kafka", "ours"))
    parser.add_argument("parts", nargs="*", help="of names")
    parser.add_argument("--at", metavar="HOST:PORT", help="a broker that runs")
    args = parser.parse_args()
    tally = Tally()
    for house in HOUSES.values():
        chosen = {
            name: scenario
            for name, scenario in house.scenarios.items()
            if not args.parts or any(part in name for part in args.parts)
        }
        if not chosen:
            continue
        if args.at:
            host, port = args.at.split(":")
            peer = Peer(host, int(port), is_kafka=args.kind == "kafka")
            await wait_for_coordinators(peer)
            for name, scenario in chosen.items():
                await tally.play(scenario, name, peer)
            continue
        async with (kafka_of if args.kind == "kafka" else ours_of)(house) as peer:
            for name, scenario in chosen.items():
                await tally.play(scenario, name, peer)
    print(f"{tally.rows} rows, {tally.wrong} wrong, {tally.broken} scenarios broken off")
    return tally.wrong + tally.broken


if __name__ == "__main__":
    sys.exit(bool(asyncio.run(main())))
