"""SCRAM credentials of a data directory that no broker uses: the users there are before a start.

What a running broker does for AlterUserScramCredentials is done here with the same records; a
directory that is empty becomes one of ours. Each change is flushed before it is said to be made.
Tests: tests/unit/broker/directory/test_users.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from ...protocol.errors import Refused
from ...protocol.sasl.scram import salted_password
from ...protocol.sasl.scram_credentials import NUMBERS, ScramCredential
from ..cluster.metadata import ClusterMetadata, format_record
from ..cluster.records import MetadataRecord
from ..cluster.scram_changes import plan_deletion, plan_upsertion
from ..log.state_log import StateLog
from ..storage.data_directory import OwnerMark, check_cluster, owner_mark, write_mark
from ..storage.names import METADATA_LOG
from ..storage.port import Storage
from .restart import Restart
from .survey import drawn_id


class NotChanged(Exception):
    """A credential cannot be as asked; the text says why, and nothing was changed."""


class StoppedUsers:
    """The users of a directory.

    Args:
        storage: locked.
        node_id: of a broker that will start here, where nobody has yet.
        warn: takes one line for the operator.

    Raises:
        DirectoryRefused: it is no data directory of ours.
        DamagedLog, MetadataError, StorageError: its metadata cannot be read.
    """

    def __init__(
        self,
        storage: Storage,
        now_ms: int,
        random: Random,
        warn: Callable[[str], None],
        node_id: int = 1,
    ) -> None:
        self._storage = storage
        self._now_ms = now_ms
        self._random = random
        self._node_id = node_id
        self._mark = owner_mark(storage)
        self._state = ClusterMetadata()
        known = Restart(storage, warn).known(METADATA_LOG, None)
        self._log = StateLog(storage, METADATA_LOG, self._state, now_ms, known)
        if self._mark is not None:
            check_cluster(storage, self._mark, self._state.cluster_id)

    def credentials(self) -> Mapping[str, Mapping[str, ScramCredential]]:
        """What is kept, by user and mechanism."""
        return self._state.scram

    def add(
        self, user: str, password: str, *, mechanisms: Sequence[str], iterations: int, salt: bytes
    ) -> None:
        """Give a user a password, in place of what there was. Takes milliseconds a mechanism.

        Args:
            mechanisms: keys of NUMBERS.
            salt: drawn for this.

        Raises:
            NotChanged: an empty name or password, or too few or too many iterations.
            StorageError: nothing was changed.
        """
        if not password:
            raise NotChanged("a password cannot be empty")
        self._commit(
            plan_upsertion(
                user,
                NUMBERS[each],
                iterations,
                salt,
                salted_password(each, password, salt, iterations) if iterations > 0 else b"",
            )
            for each in mechanisms
        )

    def remove(self, user: str, mechanisms: Sequence[str]) -> None:
        """Take a user's credentials away.

        Raises:
            NotChanged: there is no such credential.
            StorageError: nothing was changed.
        """
        self._commit(plan_deletion(user, NUMBERS[each], self._state) for each in mechanisms)

    def _commit(self, planned: Iterable[MetadataRecord | Refused]) -> None:
        records: list[MetadataRecord] = []
        for each in planned:
            if isinstance(each, Refused):
                raise NotChanged(each.why)
            records.append(each)
        if not self._state.cluster_id:
            cluster_id = self._mark.cluster_id if self._mark else drawn_id(self._random)
            if self._mark is None:
                self._mark = OwnerMark(cluster_id, self._node_id, drawn_id(self._random))
                write_mark(self._storage, self._mark)
            records.insert(0, format_record(cluster_id))
        self._log.commit(records, self._now_ms)
        self._log.flush()

    def close(self) -> None:
        """Done with it."""
        self._log.log.close()
