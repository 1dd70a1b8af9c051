"""Whose a data directory is: `meta.properties`, with Kafka's fields and the format of ours.

A directory is taken if it bears that mark, if it is empty, or if it is one of version 0.1.0, which
had no mark and is known by its metadata log. Anything else belongs to somebody else: it is refused,
in words, and nothing in it is touched. The mark is written before anything else is.
Source: MetaProperties.java, KIP-631, KIP-858.
Tests: tests/system/directory/test_data_directories.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .names import CLEAN_STOP, META_PROPERTIES, METADATA_LOG, RECOVERY_POINTS
from .port import DirectoryRefused, Storage, StorageError, log_command

FORMAT_KEY: Final = "minibroker.format"
FORMAT_VERSION: Final = 1

# What file systems and desktops put into every directory, and our own first start, cut short.
_NO_CONTENT: Final = frozenset(
    (
        *("lost+found", ".snapshot", ".snapshots", ".zfs", ".Trashes", ".fseventsd", ".DS_Store"),
        *("System Volume Information", "$RECYCLE.BIN", ".gitkeep", ".gitignore", ".keep"),
        *(".lock", f"{META_PROPERTIES}.tmp"),
    )
)
_OF_KAFKA: Final = frozenset(
    (
        *("bootstrap.checkpoint", "cleaner-offset-checkpoint", "log-start-offset-checkpoint"),
        *("recovery-point-offset-checkpoint", "replication-offset-checkpoint"),
    )
)
_KAFKA_METADATA: Final = re.compile(r"quorum-state|leader-epoch-checkpoint|.*\.checkpoint")
_PARTITION: Final = re.compile(r".+-\d+")
_HEAD_BYTES: Final = 4096
_NAMES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class OwnerMark:
    """The mark of a data directory.

    Args:
        cluster_id, directory_id: 22 characters each.
    """

    cluster_id: str
    node_id: int
    directory_id: str


def owner_mark(storage: Storage) -> OwnerMark | None:
    """The mark of a directory of ours; None for an empty one, or one of 0.1.0.

    Raises:
        DirectoryRefused: it is somebody else's, or of a newer version; nothing was touched.
        StorageError: it cannot be read.
    """
    names = storage.list_dir("")
    if META_PROPERTIES in names:
        return _read_mark(storage, names)
    content = [name for name in names if name not in _NO_CONTENT]
    if content and not _is_ours(storage, content):
        raise DirectoryRefused(_foreign(storage, content))
    return None


def write_mark(storage: Storage, mark: OwnerMark) -> None:
    """Mark a directory as ours, durably. Raises StorageError."""
    lines = (
        "# A data directory of minibroker. Without this file it is taken for somebody else's.",
        "version=1",
        f"cluster.id={mark.cluster_id}",
        f"node.id={mark.node_id}",
        f"directory.id={mark.directory_id}",
        f"{FORMAT_KEY}={FORMAT_VERSION}",
    )
    storage.replace(META_PROPERTIES, "".join(f"{line}\n" for line in lines).encode())


def check_cluster(storage: Storage, mark: OwnerMark, cluster_id: str) -> None:
    """Raise DirectoryRefused if the metadata log is another cluster's than the directory."""
    if cluster_id in ("", mark.cluster_id):
        return
    root = storage.full_path("")
    raise DirectoryRefused(
        f"{storage.full_path(META_PROPERTIES)} says cluster {mark.cluster_id}, but the metadata "
        f"log in {METADATA_LOG} is that of cluster {cluster_id}. Put back the right one; or "
        f"take this log as it is: {log_command('adopt', root, METADATA_LOG)}; or start "
        f"without it: {log_command('set-aside', root, METADATA_LOG)}"
    )


def verify(storage: Storage) -> None:
    """Raise StorageError unless the directory that was opened is still there, with its metadata."""
    storage.verify()
    if not storage.is_dir(METADATA_LOG):
        why = "removed or moved away under the running broker"
        raise StorageError(storage.full_path(METADATA_LOG), why)


def _read_mark(storage: Storage, names: Sequence[str]) -> OwnerMark:
    path = storage.full_path(META_PROPERTIES)
    text = storage.read_bytes(META_PROPERTIES).decode("utf-8", "replace")
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    values = {name.strip(): value.strip() for name, _, value in pairs}
    version, node_id = values.get(FORMAT_KEY, ""), values.get("node.id", "")
    if not version and not _is_ours(storage, names):
        if not values.keys() & {"cluster.id", "node.id", "broker.id"}:
            raise DirectoryRefused(_foreign(storage, names))
        raise DirectoryRefused(_kafkas(storage.full_path(""), values.get("cluster.id", "?")))
    if version.isdecimal() and int(version) > FORMAT_VERSION:
        raise DirectoryRefused(
            f"{path}: the data directory has format {version}; this minibroker knows up to "
            f"{FORMAT_VERSION}: start the newer version that wrote it. Nothing was changed"
        )
    if version != str(FORMAT_VERSION) or not values.get("cluster.id") or not node_id.isdecimal():
        raise DirectoryRefused(
            f"{path} is damaged: it lacks a right {FORMAT_KEY}, cluster.id or node.id. Put back a "
            "good copy; or remove this one file: if the rest is a data directory of minibroker, "
            "the next start writes it anew. Nothing was changed"
        )
    return OwnerMark(values["cluster.id"], int(node_id), values.get("directory.id", ""))


def _is_ours(storage: Storage, content: Sequence[str]) -> bool:
    """Whether the files of a broker of ours are there, from before there was a mark."""
    for name, magic in ((RECOVERY_POINTS, b"minibroker "), (CLEAN_STOP, b"minibroker ")):
        if name in content and _head(storage, name).startswith(magic):
            return True
    if METADATA_LOG not in content or not storage.is_dir(METADATA_LOG):
        return False
    names = storage.list_dir(METADATA_LOG)
    if any(map(_KAFKA_METADATA.fullmatch, names)):
        return False
    logs = [f"{METADATA_LOG}/{name}" for name in names if name.endswith(".log")]
    if any(b'{"type":"' in _head(storage, path) for path in logs):
        return True
    # A first start that a crash has cut short has left this directory and nothing in it.
    return list(content) == [METADATA_LOG] and len(names) == len(logs) <= 1


def _head(storage: Storage, path: str) -> bytes:
    try:
        file = storage.open_file(path)
        try:
            return file.read(0, _HEAD_BYTES)
        finally:
            file.close()
    except StorageError:
        return b""  # a link that leads nowhere, a directory, a pipe: no file of ours


def _foreign(storage: Storage, content: Sequence[str]) -> str:
    root = storage.full_path("")
    metadata = storage.list_dir(METADATA_LOG) if METADATA_LOG in content else ()
    if _OF_KAFKA.intersection(content) or any(map(_KAFKA_METADATA.fullmatch, metadata)):
        return _kafkas(root, "?")
    shown = ", ".join(content[:_NAMES_SHOWN])
    if len(content) > _NAMES_SHOWN:
        shown += f" and {len(content) - _NAMES_SHOWN} more"
    text = (
        f"{root} is no data directory of minibroker ({META_PROPERTIES} is missing), and it is not "
        f"empty: {shown}. Nothing was changed. Give a new or an empty directory"
    )
    partitions = [name for name in content if _PARTITION.fullmatch(name) and storage.is_dir(name)]
    if partitions:
        return (
            f"{text}. To take over partitions that stand here: start on an empty directory, stop, "
            f"move them into it, and {log_command('adopt', 'DIR', '--all')} with that directory"
        )
    return text


def _kafkas(root: str, cluster_id: str) -> str:
    return (
        f"{root} is a data directory of Apache Kafka (cluster {cluster_id}), not of minibroker. "
        "Nothing was changed. Give a new or an empty directory; topics of that Kafka can be copied "
        "over the network, by a consumer and a producer"
    )
