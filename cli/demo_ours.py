"""EDGE: the demo's producer, as a process of its own: minibroker.client's Producer as it comes.

Reads one JSON object from standard input: bootstrap_servers, topic, idempotent, lines. Sends every
line as one record, one after the other, and prints the offset of each once it is acknowledged.
Started by demo.py.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

from ..client.producer import Producer

DELIVERY_TIMEOUT_MS = 30_000


async def _send_all(
    servers: str, topic: str, lines: Sequence[str], *, enable_idempotence: bool
) -> None:
    async with Producer(
        servers,
        enable_idempotence=enable_idempotence,
        linger_ms=0,
        delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
        reconnect_backoff_max_ms=200,  # the broker is away for a moment only
    ) as producer:
        for line in lines:
            receipt = await producer.send_and_wait(topic, line.encode(), partition=0)
            print(receipt.offset, flush=True)


def main() -> None:
    """Send the lines."""
    task = json.load(sys.stdin)
    asyncio.run(
        _send_all(
            task["bootstrap_servers"],
            task["topic"],
            task["lines"],
            enable_idempotence=task["idempotent"],
        )
    )


if __name__ == "__main__":
    main()
