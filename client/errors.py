"""What the client raises, by what the caller may do next.

Retriable: nothing stands in the way of trying again. Abortable: do the whole transaction again.
Fatal: trying again will not help, or may store a record twice. Fenced: somebody newer has taken
over. DeliveryTimeout: time ran out.
Each has `code`, Kafka's error, and `possibly_persisted`: whether the broker may have stored the
records although the call failed. Only False makes it safe to send the same records again. What a
broker said besides its code is `reason`.
A connection that fails is Retriable (ConnectionFailed, RequestTimedOut), an API that the two sides
do not share is Fatal (UnsupportedApi). No public call raises anything else about brokers and wires;
what a caller hands over wrongly is TypeError or ValueError (door/door.py).
Tests: tests/system/client/test_client_failures.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..protocol.acls import AclOperation
from ..protocol.connection import UnsupportedApi as NoSharedVersion
from ..protocol.errors import ErrorCode
from .partitions import RecordMetadata

LACKING: Final = {
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: "topic",
    ErrorCode.GROUP_AUTHORIZATION_FAILED: "group",
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "cluster",
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
}
"""What somebody has too few rights on."""


def words(code: ErrorCode, needed: AclOperation | None = None, said: str | None = None) -> str:
    """What is told of a code: the broker's own words, or ours; of a missing right also which.

    Args:
        needed: the operation that what was asked for needs.
    """
    text = said or code.text
    if needed is None or code not in LACKING:
        return text
    return f"{text.rstrip('.')}; this user needs {needed.name} on the {LACKING[code]}"


class ClientError(Exception):
    """Base of what the client raises about records and topics.

    Args:
        text: one or two sentences naming topic-partition, producer id, epoch and sequence where
            they matter.
        code: Kafka's error.
        possibly_persisted: whether records may have been stored all the same.
        reason: what the broker said about it, in its own words; None where it only gave a code, or
            was not the one who said so.

    Attributes:
        outcomes: from send_many, what became of each record, in the order of the values.
    """

    def __init__(
        self,
        text: str,
        *,
        code: ErrorCode = ErrorCode.UNKNOWN_SERVER_ERROR,
        possibly_persisted: bool = False,
        reason: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.possibly_persisted = possibly_persisted
        self.reason = reason
        self.outcomes: Sequence[RecordMetadata | ClientError] = ()


class Retriable(ClientError):
    """It may work later; nothing has to be changed first."""


class Fatal(ClientError):
    """It will not work by trying again; see the text for what to change."""


class AuthenticationFailed(Fatal):
    """A broker refused the login, or one side does not trust the other's certificate."""


class LogTruncation(Fatal):
    """Records that were read are gone: a leader without them took over (KIP-320).

    Attributes:
        topic, partition: where.
        offset: of the next record that would have been read.
        divergent_offset: the first that is not what was read before; -1 where nobody can tell.
    """

    def __init__(self, topic: str, partition: int, offset: int, divergent_offset: int) -> None:
        found = "an unknown offset" if divergent_offset < 0 else f"offset {divergent_offset}"
        super().__init__(
            f"{topic}-{partition}: the log was cut, and differs from what was read from {found} "
            f"on (the next record to read was {offset}); auto_offset_reset is 'none': seek first",
            code=ErrorCode.OFFSET_OUT_OF_RANGE,
        )
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.divergent_offset = divergent_offset


class SessionInUse(Fatal):
    """Somebody else has the directory of a durable session; the text names the process."""


class JournalDamaged(Fatal):
    """The journal of a durable session is not what had been flushed; nothing was changed.

    Attributes:
        path: of the file.
        position: of the first byte that cannot be believed.
    """

    def __init__(self, path: str, position: int, why: str) -> None:
        super().__init__(
            f"{path}: damaged at byte {position}: {why}. What had been sent may have stood there, "
            "so nothing was changed. Put a good copy of the directory back, if nothing was sent "
            "since it was made; or set the directory aside and begin with a new one: then look "
            "into the topics first, for what was last sent may be missing, or be sent twice",
            possibly_persisted=True,
        )
        self.path = path
        self.position = position


class JournalTooNew(Fatal):
    """The journal of a durable session was written by a later version; nothing was changed."""

    def __init__(self, path: str, version: int, version_max: int) -> None:
        super().__init__(
            f"{path} has format {version}, and this version knows up to {version_max}: go on with "
            "the later version that wrote it"
        )


class JournalFailed(Fatal):
    """The journal of a durable session could not be written or flushed: nothing is sent any more.

    All that was sent is in the journal; a new producer with this session settles it and goes on.
    """


class JournalFull(JournalFailed):
    """There is no space left for the journal of a durable session."""


class StaleJournal(Fatal):
    """A partition holds more of a durable session than its journal: that is an old copy."""


class Abortable(ClientError):
    """The transaction cannot be committed: it is aborted, and a new one may do all of it again."""


class Fenced(ClientError):
    """A newer producer or member has taken this one's place."""


class DeliveryTimeout(ClientError):
    """The time given to a delivery or a call ran out."""


class ConnectionFailed(Retriable, ConnectionError):
    """The broker cannot be reached, or the connection to it ended; the text names the address."""

    def __init__(
        self,
        text: str,
        *,
        code: ErrorCode = ErrorCode.NETWORK_EXCEPTION,
        possibly_persisted: bool = False,
    ) -> None:
        super().__init__(text, code=code, possibly_persisted=possibly_persisted)


class RequestTimedOut(Retriable, TimeoutError):
    """No answer came in time; whether the broker acted on the request is unknown."""

    def __init__(
        self,
        text: str,
        *,
        code: ErrorCode = ErrorCode.REQUEST_TIMED_OUT,
        possibly_persisted: bool = True,
    ) -> None:
        super().__init__(text, code=code, possibly_persisted=possibly_persisted)


class UnsupportedApi(Fatal, NoSharedVersion):
    """Client and broker share no version of what is asked; the text names both ranges."""

    def __init__(
        self,
        text: str,
        *,
        code: ErrorCode = ErrorCode.UNSUPPORTED_VERSION,
        possibly_persisted: bool = False,
    ) -> None:
        super().__init__(text, code=code, possibly_persisted=possibly_persisted)


def defect(who: str, error: BaseException) -> ClientError:
    """What is said when something went wrong inside, as nothing should: a ClientError stays one.

    Args:
        who: "the producer" or the like.
    """
    if isinstance(error, ClientError):
        return error
    return Fatal(f"{who} failed and has ended: {error!r}")
