"""Whose a partition's directory is: the file `partition.metadata` with the topic's id, as Kafka's.

Without it a directory would be taken for its topic's successor of the same name.
Source: PartitionMetadataFile.java, Uuid.toString.
Tests: tests/unit/broker/log/test_log.py
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from ..storage.port import Storage, StorageError

_DIRECTORY_NAME_MAX: Final = 255
_DOOMED: Final = re.compile(r".+-\d+\.([0-9a-f]{32})-delete", re.DOTALL)
_OF_LOG: Final = re.compile(r"\d{20}\..+|partition\.metadata(\.tmp)?")
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


def is_of_log(name: str) -> bool:
    """Whether a file in a log's directory can be ours; nothing else is ever removed from it."""
    return _OF_LOG.fullmatch(name) is not None


def refuse_what_stands(storage: Storage, directory: str, topic_id: bytes | None) -> None:
    """Raise StorageError if a directory is there, with what is not of the log that begins now.

    It would be written into, and one day be removed with its topic.
    """
    names = storage.list_dir(directory)
    theirs = [each for each in names if each.endswith(".log") or not is_of_log(each)]
    bears_id = read_topic_id(storage, directory) if METADATA_NAME in names else None
    if topic_id and bears_id not in (None, topic_id):
        theirs.append(METADATA_NAME)
    if theirs:
        why = f"is there already, with what is not of this topic ({theirs[0]}): move it away"
        raise StorageError(storage.full_path(directory), why)


def deleted_id(name: str) -> bytes | None:
    """The topic id in a name that doomed_name() has made; None for any other name."""
    found = _DOOMED.fullmatch(name)
    return bytes.fromhex(found[1]) if found else None


def doomed_name(directory: str, topic_id: bytes) -> str:
    """What a partition's directory is called while it is removed; it fits into a file name."""
    topic, _, partition = directory.rpartition("-")
    rest = f"-{partition}.{topic_id.hex()}{DELETED_SUFFIX}"
    return topic[: _DIRECTORY_NAME_MAX - len(rest)] + rest
