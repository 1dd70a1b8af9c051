"""A partition of another broker on a simulated disk: a start must name it, refuse and leave it."""

from __future__ import annotations

from random import Random

from minibroker.broker.log.identity import METADATA_NAME, metadata_text
from minibroker.protocol.batch.writing import build_batch
from minibroker.testing.simulated_disk import Directory, Node, SimulatedDisk, Write

STRANGER = "stranger-0"


def put_stranger(disk: SimulatedDisk, random: Random) -> dict[str, bytes]:
    """Put it there, durably; returns its files."""
    batch = build_batch([(None, b"theirs", (), 0)])
    files = {
        f"{0:020d}.log": batch,
        METADATA_NAME: metadata_text(random.randbytes(16)),
    }
    directory = Directory()
    for name, content in files.items():
        node = Node()
        node.change(Write(0, content))
        node.settle(1)
        directory.names[name] = directory.durable[name] = node
    disk.root.names[STRANGER] = disk.root.durable[STRANGER] = directory
    return files


def files_of_stranger(disk: SimulatedDisk) -> dict[str, bytes]:
    """Its files as they are now."""
    prefix = f"{STRANGER}/"
    return {
        path.removeprefix(prefix): bytes(node.data)
        for path, node in disk.files()
        if path.startswith(prefix)
    }


def take_stranger_away(disk: SimulatedDisk) -> None:
    """Somebody moves it where it belongs, durably."""
    del disk.root.names[STRANGER]
    del disk.root.durable[STRANGER]
