"""EDGE: what rights and quotas cost: the generator's loads at ours without, and with 1,000 rules.

Nobody asks a real Kafka. Beside each stands the same build once more, without either: what differs
between those two is the machine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from minibroker.broker.config.broker import STANDARD_AUTHORIZER
from minibroker.client import (
    AclBinding,
    AclOperation,
    AclPermission,
    AclResourceType,
    Admin,
    ClientQuotaEntity,
    PatternType,
)
from rich.table import Table

from tests.bench.generator import fill, measure
from tests.bench.loads import PARTITIONS, READ_TOPIC, TOPIC, Load
from tests.bench.run import Run
from tests.bench.servers import Server, create_topics, our_broker, renew_topic
from tests.bench.tables import Rounds, cpu_shown, per_cpu_s, ratio_shown

LOADS = (
    Load("100 B, 50 in flight", 50),
    Load("100 B, one at a time", 1),
    Load("idempotent, 150 x 100 B, 5 in flight", 5, records=150, is_idempotent=True),
    Load("fetch of 10 KB, 10 in flight", 10, api="fetch", fetch_bytes=10_000),
)
RULES = 1_000
GUARDED = ("authorizer.class.name=" + STANDARD_AUTHORIZER, "allow.everyone.if.no.acl.found=true")
SERVERS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    "again": (),
    "guarded": GUARDED,
    "metered": (),
}


def measure_guarding(run: Run) -> dict[str, float]:
    """Print the table; no ratio to Kafka comes of it."""
    measured: dict[Load, Rounds] = {load: Rounds() for load in LOADS}
    for servers in _rounds(run):
        for load in LOADS:
            for server in servers:
                measured[load].add(server.name, measure(server, load, run.seconds))
                if load.api == "produce":
                    asyncio.run(renew_topic(server, TOPIC, PARTITIONS))
    table = Table(title=f"CPU for each request with {RULES} rules of access, and with quotas")
    compared = ("again", "guarded", "metered")
    table.add_column("load")
    for column in (*SERVERS, *(each for name in compared for each in (name, "min-max"))):
        table.add_column(column, justify="right")
    for load, rounds in measured.items():
        shown = [cpu_shown(rounds, name) for name in SERVERS]
        for name in compared:
            shown += ratio_shown(rounds, name, "plain", per_cpu_s)
        table.add_row(load.name, *shown)
    run.console.print(table)
    return {}


def _rounds(run: Run) -> Iterator[list[Server]]:
    """The servers of each round, in turning order; new processes in each."""
    for number in range(run.rounds):
        with ExitStack() as stack:
            servers = []
            for name, settings in SERVERS.items():
                options = ["--durability", "page-cache"]
                options += [word for each in settings for word in ("--set", each)]
                server = stack.enter_context(our_broker(name, run.commands, options))
                asyncio.run(create_topics(server, {TOPIC: PARTITIONS, READ_TOPIC: 1}))
                fill(server)
                if name in ("guarded", "metered"):
                    asyncio.run(_limit(server))
                servers.append(server)
            turn = number % len(servers)
            yield servers[turn:] + servers[:turn]


async def _limit(server: Server) -> None:
    """Rules of which some are about the topics of the loads; or quotas nobody reaches."""
    async with Admin(f"{server.host}:{server.port}") as admin:
        if server.name == "metered":
            everybody = ClientQuotaEntity(user="ANONYMOUS")
            rates = dict.fromkeys(("producer_byte_rate", "consumer_byte_rate"), 1e15)
            await admin.alter_client_quotas(everybody, {**rates, "request_percentage": 1e6})
            return
        topic, read = AclResourceType.TOPIC, AclOperation.READ
        prefixed = PatternType.PREFIXED
        rules = [
            AclBinding(topic, TOPIC[:3], "User:*", AclOperation.ALL, pattern_type=prefixed),
            AclBinding(topic, TOPIC, "User:eve", AclOperation.ALL, AclPermission.DENY),
            AclBinding(topic, "*", "User:*", AclOperation.DESCRIBE),
        ]
        for number in range(RULES - len(rules)):
            name = TOPIC if number % 10 == 0 else f"{TOPIC}-{number}"
            rules.append(AclBinding(topic, name, f"User:user-{number}", read))
        await admin.create_acls(rules)
