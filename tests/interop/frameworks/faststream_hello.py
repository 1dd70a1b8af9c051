"""EDGE: FastStream's hello-world: a subscriber in a group that publishes what it makes of each.

Run as a program: BOOTSTRAP-SERVERS IN-TOPIC OUT-TOPIC GROUP COUNT. It ends after COUNT records.
"""

from __future__ import annotations

import asyncio
import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker


async def main(servers: str, source: str, target: str, group: str, count: int) -> None:
    """Handle `count` records, then stop cleanly."""
    broker = KafkaBroker(servers)
    app = FastStream(broker)
    handled = 0

    @broker.subscriber(source, group_id=group, auto_offset_reset="earliest")
    @broker.publisher(target)
    async def handle(text: str) -> str:
        nonlocal handled
        handled += 1
        if handled == count:
            app.exit()
        return text.upper()

    await app.run()


if __name__ == "__main__":
    SERVERS, SOURCE, TARGET, GROUP, COUNT = sys.argv[1:]
    asyncio.run(main(SERVERS, SOURCE, TARGET, GROUP, int(COUNT)))
