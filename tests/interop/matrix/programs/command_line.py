"""The command line that every client program has, in whichever language:

    PROGRAM describe                                     {"version": …, "runs_on": …}
    PROGRAM write BOOTSTRAP TOPIC CODEC BATCH_BYTES      records on standard input, in this order,
                                                         to partition 0, acks=all, idempotent
                                                         where the client can be; then one line
                                                         {"offsets": […]} as acknowledged, or null
                                                         where the client does not tell them
    PROGRAM read BOOTSTRAP TOPIC COUNT                   COUNT records of partition 0 from offset 0
                                                         on, one a line, without a group
                                                         if the client can

Lines as in records.py; anything else goes to standard error. Exit code 0 means done. The variable
SECURITY holds options of the client's own for TLS and SASL as JSON, GROUP a group to read in.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from tests.interop.matrix.records import Written, as_line, from_line

DELIVERY_TIMEOUT_S = 120
READ_TIMEOUT_S = 60


PYTHON = f"Python {platform.python_version()}"
GROUP = os.environ.get("GROUP")


def security() -> dict[str, Any]:
    """Options of TLS and SASL; empty without."""
    options: dict[str, Any] = json.loads(os.environ.get("SECURITY", "{}"))
    return options


class Target(NamedTuple):
    """Where and how to write; codec is none, gzip, snappy, lz4 or zstd."""

    bootstrap: str
    topic: str
    codec: str
    batch_bytes: int


class Program(Protocol):
    """What one client does for each of the three commands."""

    def version(self) -> str: ...
    def runs_on(self) -> str: ...
    def write(self, target: Target, records: list[Written]) -> Sequence[int] | None: ...
    def read(self, bootstrap: str, topic: str, count: int) -> Iterable[tuple[int, Written]]: ...


def run(program: Program) -> None:
    """Do what the arguments of this process say."""
    match sys.argv[1:]:
        case ["describe"]:
            print(json.dumps({"version": program.version(), "runs_on": program.runs_on()}))
        case ["write", bootstrap, topic, codec, batch_bytes]:
            records = [from_line(line)[1] for line in sys.stdin]
            offsets = program.write(Target(bootstrap, topic, codec, int(batch_bytes)), records)
            print(json.dumps({"offsets": offsets}))
        case ["read", bootstrap, topic, count]:
            for offset, record in program.read(bootstrap, topic, int(count)):
                print(as_line(record, offset))
        case _:
            sys.exit(__doc__)
