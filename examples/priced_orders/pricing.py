"""Prices orders: each becomes one invoice or one dead letter, however often a worker is killed.

    python pricing.py SERVERS ORDERS INVOICES WORKER

Start as many workers as you like, each with a name of its own and, after a restart, the same one.
"""

import asyncio
import json
import signal
import sys

from minibroker.client import Consumer, ConsumerRecord, Output, Producer, Progress, process

PRICES = {"apple": 2, "pear": 3, "melon": 7}


def invoice(order: bytes) -> bytes:
    """What an order costs. Raises KeyError or ValueError for one that cannot be priced."""
    asked = json.loads(order)
    return json.dumps({"order": asked["order"], "euro": PRICES[asked["item"]]}).encode()


def tell(progress: Progress) -> None:
    """One line a batch."""
    behind = sum(progress.lag.values())
    print(f"priced {progress.outputs}, dead {progress.dead_letters}, behind {behind}", flush=True)


async def work(servers: str, orders: str, invoices: str, worker: str) -> None:
    """Price until SIGTERM comes."""

    async def price(record: ConsumerRecord) -> Output:
        await asyncio.sleep(0)  # here a price list would be asked
        return Output(invoices, invoice(record.value), key=record.key)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        Consumer(
            orders,
            bootstrap_servers=servers,
            group_id=f"{invoices} pricing",
            group_instance_id=worker,  # killed and back again, it gets its partitions at once
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
        ) as consumer,
        Producer(servers, transactional_id=f"{invoices} pricing {worker}") as producer,
    ):
        await process(
            consumer,
            producer,
            price,
            max_records=20,
            dead_letter_topic=f"{orders}.dead",
            stop=stop,
            on_progress=tell,
        )


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
