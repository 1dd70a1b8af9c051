"""EDGE: Faust's hello-world: an agent that reads one topic and sends to another.

Run as a program: BOOTSTRAP-SERVERS IN-TOPIC OUT-TOPIC GROUP COUNT. It ends after COUNT records.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator

import faust
from mode import Worker


def main(servers: str, source: str, target: str, group: str, count: int) -> None:
    """Handle `count` records, then stop cleanly."""
    app = faust.App(
        group,
        broker=f"kafka://{servers}",
        store="memory://",
        value_serializer="raw",
        topic_disable_leader=True,
        web_enabled=False,
    )
    texts = app.topic(source, value_type=bytes)
    upper = app.topic(target, value_type=bytes)
    worker = Worker(app, loglevel="warning")

    @app.agent(texts)
    async def handle(stream: faust.StreamT[bytes]) -> AsyncIterator[bytes]:
        handled = 0
        async for text in stream:
            await upper.send(value=text.upper())
            handled += 1
            if handled == count:
                os.kill(os.getpid(), signal.SIGTERM)  # as its operator would
            yield text

    worker.execute_from_commandline()


if __name__ == "__main__":
    SERVERS, SOURCE, TARGET, GROUP, COUNT = sys.argv[1:]
    main(SERVERS, SOURCE, TARGET, GROUP, int(COUNT))
