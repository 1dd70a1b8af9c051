"""Whose a partition's directory is: the file `partition.metadata` with the topic's id, as Kafka's.

Without it a directory would be taken for its topic's successor of the same name.
Source: PartitionMetadataFile.java, Uuid.toString.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from .storage import Storage

_DIRECTORY_NAME_MAX: Final = 255
METADATA_NAME: Final = "partition.metadata"
DELETED_SUFFIX: Final = "-delete"  # of a directory that is being removed
STRAY_SUFFIX: Final = "-stray"  # of a directory that nobody reads; for people to look at


def metadata_text(topic_id: bytes) -> bytes:
    """The content of the file, for a topic id of 16 bytes."""
    return b"version: 0\ntopic_id: " + base64.urlsafe_b64encode(topic_id).rstrip(b"=")


def read_topic_id(storage: Storage, directory: str) -> bytes | None:
    """Return the topic id (16 bytes) that a partition's directory was made for.

    None if it does not say: no such file, or one that a crash has left incomplete.
    Raises StorageError if the disk cannot be read.
    """
    path = f"{directory}/{METADATA_NAME}"
    if not storage.exists(path):
        return None
    encoded = storage.read_bytes(path).partition(b"topic_id: ")[2].strip()
    try:
        topic_id = base64.urlsafe_b64decode(encoded + b"==")
    except binascii.Error:
        return None
    return topic_id if len(topic_id) == 16 else None


def doomed_name(directory: str, topic_id: bytes) -> str:
    """What a partition's directory is called while it is removed; it fits into a file name."""
    topic, _, partition = directory.rpartition("-")
    rest = f"-{partition}.{topic_id.hex()}{DELETED_SUFFIX}"
    return topic[: _DIRECTORY_NAME_MAX - len(rest)] + rest
