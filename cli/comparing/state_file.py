"""EDGE: how far a comparison has come, on disk, so that one that was broken off goes on from there.

A JSON document, replaced as a whole (written beside it, flushed, renamed): whatever ends the
process leaves the one before or the one after. It holds only what is the same: a partition with a
difference is read again from its beginning. What belongs to other clusters, other topics or another
way to compare is refused, or passed over.
Tests: tests/unit/cli/comparing/test_state_file.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...client.partitions import TopicPartition
from ..terminal.running import WrongUsage
from .pairing import Verified

FORMAT = 1
NAME = "minibroker-compare"


def load(path: Path, key: Mapping[str, str]) -> dict[TopicPartition, tuple[str, Verified]]:
    """(topic ids, how far it is verified) of each partition; empty if there is no file.

    Args:
        key: what a state must belong to: cluster ids, and how is compared.
    Raises:
        WrongUsage: the file is of something else; it stays as it is.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WrongUsage(f"--state {path}: {error}") from None
    if not isinstance(document, dict) or document.get("kind") != NAME:
        raise WrongUsage(f"--state {path}: that is no state of a comparison; name another file")
    if document["format"] != FORMAT:
        raise WrongUsage(f"--state {path}: written by another version; name another file")
    if document["key"] != dict(key):
        said = ", ".join(f"{name} {value}" for name, value in document["key"].items())
        raise WrongUsage(f"--state {path}: is of another comparison ({said}); name another file")
    return {
        TopicPartition(topic, partition): (
            ids,
            Verified((a, b), records, [(x, y, z) for x, y, z in checkpoints], spacing),
        )
        for topic, partition, ids, a, b, records, checkpoints, spacing in document["partitions"]
    }


def save(
    path: Path,
    key: Mapping[str, str],
    verified: Mapping[TopicPartition, tuple[str, Verified]],
) -> None:
    """Replace the file. Raises WrongUsage: it cannot be written."""
    rows: list[list[Any]] = [
        [*place, ids, *each.next, each.records, each.checkpoints, each.spacing]
        for place, (ids, each) in verified.items()
    ]
    document = {"kind": NAME, "format": FORMAT, "key": dict(key), "partitions": rows}
    try:
        replace_text(path, json.dumps(document))
    except OSError as error:
        raise WrongUsage(f"--state {path}: {error.strerror}") from None


def replace_text(path: Path, text: str) -> None:
    """Write a file as a whole, durably. Raises OSError: it is as it was."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
