"""EDGE: a program that sends a source with a durable session, and goes on where it had died.

    python -m tests.crash.sessions.sending TASK        (a Task as JSON)

It prints where it begins, and "done" when every line is confirmed. An armed instant
(client/session/instants.py) has it kill itself there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, TypedDict

from minibroker.client import Producer, blocking
from minibroker.client.session import instants
from minibroker.client.session.instants import Instant
from minibroker.client.session.outcomes import Unsettled

from tests.crash.sessions.source import SOURCE, line, partitions_of

PAUSE_S = 0.02  # at most, between two helpings of lines


class Task(TypedDict):
    """What one life does.

    Attributes:
        seed: of the source: where each line belongs.
        life: the seed of this life's pace.
        is_blocking: which face.
        step: lines that go in one step, 0 for marks on each.
        instant: where to die, and when it is passed for the nth time; "" for nowhere.
    """

    servers: str
    directory: str
    topic: str
    count: int
    partitions: int
    seed: int
    life: int
    options: dict[str, Any]
    is_blocking: bool
    step: int
    instant: str
    nth: int


def arm(instant: Instant, nth: int) -> None:
    """Die at an instant."""
    left = nth

    def pass_by(passed: Instant) -> None:
        nonlocal left
        left -= passed is instant
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    instants.arm(pass_by)


def helpings(task: Task, begin: int) -> Iterator[tuple[range, float]]:
    """Lines that are sent in one go, and how long to pause behind them."""
    random = Random(task["life"])
    while begin < task["count"]:
        end = min(task["count"], begin + (task["step"] or random.randint(1, 60)))
        yield range(begin, end), random.choice((0.0, 0.0, random.uniform(0, PAUSE_S)))
        begin = end


def began(marks: Any) -> int:
    """Where to go on, said to who waits for it."""
    begin: int = marks.get(SOURCE, 0)
    print(begin, flush=True)
    return begin


async def send(task: Task) -> None:
    """By the asyncio face."""
    places = partitions_of(task["seed"], task["count"], task["partitions"])
    topic = task["topic"]
    async with Producer(task["servers"], session=task["directory"], **task["options"]) as producer:
        for numbers, pause_s in helpings(task, began(producer.session.marks)):
            if task["step"]:
                async with producer.session.step(SOURCE, numbers.stop):
                    for number in numbers:
                        await producer.send(topic, line(number), partition=places[number])
            else:
                for number in numbers:
                    mark = (SOURCE, number + 1)
                    await producer.send(topic, line(number), partition=places[number], mark=mark)
            await asyncio.sleep(pause_s)
        await producer.flush()
        told = producer.session.unsettled
    end(told)


def send_blocking(task: Task) -> None:
    """By the blocking face."""
    places = partitions_of(task["seed"], task["count"], task["partitions"])
    with blocking.Producer(
        task["servers"], session=task["directory"], **task["options"]
    ) as producer:
        for numbers, pause_s in helpings(task, began(producer.session.marks)):
            for number in numbers:
                mark = (SOURCE, number + 1)
                producer.send(task["topic"], line(number), partition=places[number], mark=mark)
            time.sleep(pause_s)
        producer.flush()
        told = producer.session.unsettled
    end(told)


def end(told: Sequence[Unsettled]) -> None:
    """Say that all is done, or why it is not."""
    if told:
        sys.exit("\n".join(f"unsettled: {each.reason}: {each.text}" for each in told))
    print("done", flush=True)


def main() -> None:
    """Run it."""
    task: Task = json.loads(sys.argv[1])
    if task["instant"]:
        arm(Instant(task["instant"]), task["nth"])
    if task["is_blocking"]:
        send_blocking(task)
    else:
        asyncio.run(send(task))


if __name__ == "__main__":
    main()
