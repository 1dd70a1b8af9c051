"""Kafka's error codes, and the four ways this code says that something went wrong.

ErrorCode is the number that travels in responses. DecodeError and EncodeError blame bytes and
messages: the peer broke the protocol, or we tried to. Refused is a refusal as a value, for one
partition or one topic; ApiError ends a whole request and is caught once, where requests are
dispatched. Client exceptions live with the client.

Each row of ErrorCode is name = code, text, and what a client may do next: nothing said (give
up or act on the code), _RETRY (send it again), _REFRESH (fetch metadata, then send it again).
Source: clients/src/main/java/org/apache/kafka/common/protocol/Errors.java.
"""

from dataclasses import dataclass
from enum import IntEnum

_STOP, _RETRY, _REFRESH = range(3)


class ErrorCode(IntEnum):
    """A Kafka error code, -1 to 136, by Kafka's name.

    `text` is one plain sentence; `retriable` says that the same request may succeed later;
    `refreshes_metadata` that the client's view of the cluster is stale (implies retriable).
    """

    text: str
    retriable: bool
    refreshes_metadata: bool

    def __new__(cls, code: int, text: str, then: int = _STOP) -> "ErrorCode":
        member = int.__new__(cls, code)
        member._value_ = code
        member.text = text
        member.retriable = then != _STOP
        member.refreshes_metadata = then == _REFRESH
        return member

    UNKNOWN_SERVER_ERROR = -1, "The broker met an error that it has no code for."
    NONE = 0, "There was no error."
    OFFSET_OUT_OF_RANGE = 1, "The offset lies outside what the partition holds."
    CORRUPT_MESSAGE = 2, "The batch fails its CRC or has an impossible size.", _RETRY
    UNKNOWN_TOPIC_OR_PARTITION = 3, "This broker has no such topic or partition.", _REFRESH
    INVALID_FETCH_SIZE = 4, "The fetch asks for an impossible number of bytes."
    LEADER_NOT_AVAILABLE = 5, "The partition has no leader at the moment.", _REFRESH
    NOT_LEADER_OR_FOLLOWER = 6, "This broker does not hold the partition's leader.", _REFRESH
    REQUEST_TIMED_OUT = 7, "The request ran out of time; it may have taken effect.", _RETRY
    BROKER_NOT_AVAILABLE = 8, "The broker cannot serve at the moment."
    REPLICA_NOT_AVAILABLE = 9, "The replica cannot be read at the moment.", _REFRESH
    MESSAGE_TOO_LARGE = 10, "The batch is larger than max.message.bytes allows."
    STALE_CONTROLLER_EPOCH = 11, "The controller has moved on to a newer epoch."
    OFFSET_METADATA_TOO_LARGE = 12, "The metadata string of the committed offset is too long."
    NETWORK_EXCEPTION = 13, "The connection broke before an answer came.", _REFRESH
    COORDINATOR_LOAD_IN_PROGRESS = 14, "The coordinator is still reading its log.", _RETRY
    COORDINATOR_NOT_AVAILABLE = 15, "No coordinator can be named at the moment.", _RETRY
    NOT_COORDINATOR = 16, "Another broker coordinates this group or transaction.", _RETRY
    INVALID_TOPIC_EXCEPTION = 17, "The topic name is not allowed."
    RECORD_LIST_TOO_LARGE = 18, "The batch is larger than a log segment."
    NOT_ENOUGH_REPLICAS = 19, "Too few replicas are in sync, nothing was stored.", _RETRY
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, "Stored, but on too few in-sync replicas.", _RETRY
    INVALID_REQUIRED_ACKS = 21, "acks must be -1, 0 or 1."
    ILLEGAL_GENERATION = 22, "The group has moved on to another generation."
    INCONSISTENT_GROUP_PROTOCOL = 23, "The member shares no assignment protocol with the group."
    INVALID_GROUP_ID = 24, "The group id is not allowed."
    UNKNOWN_MEMBER_ID = 25, "The group has no member with this id."
    INVALID_SESSION_TIMEOUT = 26, "The session timeout lies outside the broker's bounds."
    REBALANCE_IN_PROGRESS = 27, "The group is rebalancing, the member must join again."
    INVALID_COMMIT_OFFSET_SIZE = 28, "The offset commit would be too large to store."
    TOPIC_AUTHORIZATION_FAILED = 29, "The client may not do this to the topic."
    GROUP_AUTHORIZATION_FAILED = 30, "The client may not use the group."
    CLUSTER_AUTHORIZATION_FAILED = 31, "The client may not do this to the cluster."
    INVALID_TIMESTAMP = 32, "A record's timestamp lies outside the allowed range."
    UNSUPPORTED_SASL_MECHANISM = 33, "The broker does not offer this SASL mechanism."
    ILLEGAL_SASL_STATE = 34, "The request does not fit this point of the SASL exchange."
    UNSUPPORTED_VERSION = 35, "The broker does not serve this version of the API."
    TOPIC_ALREADY_EXISTS = 36, "A topic of this name exists already."
    INVALID_PARTITIONS = 37, "The number of partitions is not allowed."
    INVALID_REPLICATION_FACTOR = 38, "The replication factor does not fit the cluster."
    INVALID_REPLICA_ASSIGNMENT = 39, "The replica assignment makes no sense for the cluster."
    INVALID_CONFIG = 40, "A configuration name or value is not allowed."
    NOT_CONTROLLER = 41, "This broker is not the controller.", _RETRY
    INVALID_REQUEST = 42, "The request can be read but contradicts itself."
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, "The stored message format cannot do this."
    POLICY_VIOLATION = 44, "A policy of the broker forbids these values."
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "The batch does not follow on its producer's last one."
    DUPLICATE_SEQUENCE_NUMBER = 46, "The batch was stored before."
    INVALID_PRODUCER_EPOCH = 47, "The producer's epoch is older than one seen before."
    INVALID_TXN_STATE = 48, "The transaction is in a state that does not allow this."
    INVALID_PRODUCER_ID_MAPPING = 49, "The producer id does not belong to the transactional id."
    INVALID_TRANSACTION_TIMEOUT = 50, "The transaction timeout is above the broker's maximum."
    CONCURRENT_TRANSACTIONS = 51, "An earlier transaction is still being completed.", _RETRY
    TRANSACTION_COORDINATOR_FENCED = 52, "A newer coordinator has taken the transaction over."
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "The client may not use the transactional id."
    SECURITY_DISABLED = 54, "The broker has no security set up."
    OPERATION_NOT_ATTEMPTED = 55, "Not tried, because another part of the request failed."
    KAFKA_STORAGE_ERROR = 56, "The log could not be written to or read from disk.", _REFRESH
    LOG_DIR_NOT_FOUND = 57, "The broker has no such log directory."
    SASL_AUTHENTICATION_FAILED = 58, "The credentials were not accepted."
    UNKNOWN_PRODUCER_ID = 59, "The partition knows nothing of this producer id."
    REASSIGNMENT_IN_PROGRESS = 60, "The partition is already being reassigned."
    DELEGATION_TOKEN_AUTH_DISABLED = 61, "The broker does not offer delegation tokens."
    DELEGATION_TOKEN_NOT_FOUND = 62, "The broker has no such delegation token."
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, "The delegation token belongs to somebody else."
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, "Tokens cannot be asked for on this connection."
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, "The client may not use the delegation token."
    DELEGATION_TOKEN_EXPIRED = 66, "The delegation token has expired."
    INVALID_PRINCIPAL_TYPE = 67, "This type of principal is not known."
    NON_EMPTY_GROUP = 68, "The group still has members."
    GROUP_ID_NOT_FOUND = 69, "There is no such group."
    FETCH_SESSION_ID_NOT_FOUND = 70, "The broker has no such fetch session.", _RETRY
    INVALID_FETCH_SESSION_EPOCH = 71, "The epoch of the fetch session does not follow on.", _RETRY
    LISTENER_NOT_FOUND = 72, "The leader has no listener of this name.", _REFRESH
    TOPIC_DELETION_DISABLED = 73, "The broker is set up not to delete topics."
    FENCED_LEADER_EPOCH = 74, "The client's leader epoch is older than the broker's.", _REFRESH
    UNKNOWN_LEADER_EPOCH = 75, "The client's leader epoch is newer than the broker's.", _RETRY
    UNSUPPORTED_COMPRESSION_TYPE = 76, "This version of the API cannot carry the compression."
    STALE_BROKER_EPOCH = 77, "The broker has registered again since."
    OFFSET_NOT_AVAILABLE = 78, "The leader is new and does not know its offsets yet.", _RETRY
    MEMBER_ID_REQUIRED = 79, "The member must join again with the id it was given."
    PREFERRED_LEADER_NOT_AVAILABLE = 80, "The preferred leader is not available.", _REFRESH
    GROUP_MAX_SIZE_REACHED = 81, "The group has as many members as it may have."
    FENCED_INSTANCE_ID = 82, "Another member has taken over this group instance id."
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, "No replica may become leader now.", _REFRESH
    ELECTION_NOT_NEEDED = 84, "The partition has the wanted leader already.", _REFRESH
    NO_REASSIGNMENT_IN_PROGRESS = 85, "The partition is not being reassigned."
    GROUP_SUBSCRIBED_TO_TOPIC = 86, "The group still consumes the topic."
    INVALID_RECORD = 87, "A record or its batch breaks a rule of the format or the topic."
    UNSTABLE_OFFSET_COMMIT = 88, "A transaction's offset commit is still pending.", _RETRY
    THROTTLING_QUOTA_EXCEEDED = 89, "The client has used up its quota for now.", _RETRY
    PRODUCER_FENCED = 90, "A newer producer uses the same transactional id."
    RESOURCE_NOT_FOUND = 91, "The named resource does not exist."
    DUPLICATE_RESOURCE = 92, "The request names the same resource twice."
    UNACCEPTABLE_CREDENTIAL = 93, "The new credential does not meet the requirements."
    INCONSISTENT_VOTER_SET = 94, "Sender and receiver disagree about who may vote."
    INVALID_UPDATE_VERSION = 95, "The update carries a version that is not the next one."
    FEATURE_UPDATE_FAILED = 96, "The feature levels could not be changed."
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, "The forwarded principal could not be read."
    SNAPSHOT_NOT_FOUND = 98, "There is no such snapshot."
    POSITION_OUT_OF_RANGE = 99, "The position lies outside the snapshot."
    UNKNOWN_TOPIC_ID = 100, "This broker has no topic with this id.", _REFRESH
    DUPLICATE_BROKER_REGISTRATION = 101, "A live broker uses this node id."
    BROKER_ID_NOT_REGISTERED = 102, "No broker with this node id is registered."
    INCONSISTENT_TOPIC_ID = 103, "The topic's id is not the one in the request.", _REFRESH
    INCONSISTENT_CLUSTER_ID = 104, "The request is meant for another cluster."
    TRANSACTIONAL_ID_NOT_FOUND = 105, "There is no such transactional id."
    FETCH_SESSION_TOPIC_ID_ERROR = 106, "The session mixes topic names and ids.", _RETRY
    INELIGIBLE_REPLICA = 107, "The replica may not join the in-sync set."
    NEW_LEADER_ELECTED = 108, "The change was made, and another leader was chosen by it."
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, "The offset is now held by tiered storage only."
    FENCED_MEMBER_EPOCH = 110, "The member's epoch was fenced, it must join again."
    UNRELEASED_INSTANCE_ID = 111, "Another member still holds this group instance id."
    UNSUPPORTED_ASSIGNOR = 112, "The broker has no assignor of this name."
    STALE_MEMBER_EPOCH = 113, "The member's epoch is old, it must wait for the next heartbeat."
    MISMATCHED_ENDPOINT_TYPE = 114, "The request went to the wrong kind of endpoint."
    UNSUPPORTED_ENDPOINT_TYPE = 115, "This kind of endpoint is not known."
    UNKNOWN_CONTROLLER_ID = 116, "There is no controller with this id."
    UNKNOWN_SUBSCRIPTION_ID = 117, "The telemetry subscription has changed since."
    TELEMETRY_TOO_LARGE = 118, "The telemetry is larger than the broker takes."
    INVALID_REGISTRATION = 119, "The controller does not accept the broker's registration."
    TRANSACTION_ABORTABLE = 120, "The transaction cannot go on and must be aborted."
    INVALID_RECORD_STATE = 121, "The shared record is not in a state that allows this."
    SHARE_SESSION_NOT_FOUND = 122, "The broker has no such share session.", _RETRY
    INVALID_SHARE_SESSION_EPOCH = 123, "The epoch of the share session is wrong.", _RETRY
    FENCED_STATE_EPOCH = 124, "The share coordinator has seen a newer state epoch."
    INVALID_VOTER_KEY = 125, "The voter's key is not the receiving replica's."
    DUPLICATE_VOTER = 126, "The voter is in the set already."
    VOTER_NOT_FOUND = 127, "The voter is not in the set."
    INVALID_REGULAR_EXPRESSION = 128, "The regular expression cannot be read."
    REBOOTSTRAP_REQUIRED = 129, "The client must start over from its bootstrap servers."
    STREAMS_INVALID_TOPOLOGY = 130, "The topology of the streams group is not valid."
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, "The epoch of the streams topology is wrong."
    STREAMS_TOPOLOGY_FENCED = 132, "The epoch of the streams topology is an old one."
    SHARE_SESSION_LIMIT_REACHED = 133, "The broker holds no more share sessions.", _RETRY
    GROUP_DELETION_FAILED = 134, "The group could not be deleted."
    STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135, "The topology text was not stored."
    CONTROLLER_ID_NOT_REGISTERED = 136, "No controller with this id is registered."


TEXT_LENGTH_MAX = 500  # characters of an error text; four bytes each at most
_BY_NUMBER = {code.value: code for code in ErrorCode}


def error_code(number: int) -> ErrorCode:
    """The code with this number; UNKNOWN_SERVER_ERROR for one that is not in the table."""
    return _BY_NUMBER.get(number, ErrorCode.UNKNOWN_SERVER_ERROR)


class DecodeError(ValueError):
    """Bytes that are not the message they claim to be: the peer broke the protocol.

    Attributes:
        api: name of Kafka's schema file, such as "ProduceRequest".
        version: the version it was read as.
        path: the field, such as "topic_data[0].name"; empty for the message as a whole.
        at: position in the buffer, in bytes, at or near which reading failed.
        why: one clause for people.
    """

    def __init__(self, api: str, version: int, path: str, at: int, why: str) -> None:
        super().__init__(f"{api} v{version}: {path or 'message'} at byte {at}: {why}")
        self.api = api
        self.version = version
        self.path = path
        self.at = at
        self.why = why


class EncodeError(ValueError):
    """A message that cannot be written in this version: the caller's mistake.

    Attributes: `api`, `version`, `path` and `why`, as for DecodeError.
    """

    def __init__(self, api: str, version: int, path: str, why: str) -> None:
        super().__init__(f"{api} v{version}: {path or 'message'}: {why}")
        self.api = api
        self.version = version
        self.path = path
        self.why = why


def shortened(text: str, characters_max: int = TEXT_LENGTH_MAX) -> str:
    """A text that may quote what a peer sent, at a length that answers and log lines can carry.

    A name may have 32,767 bytes, and so may an answer's text: with the name in it, it has more.
    Returns: `text`, or its beginning and how much was left out.
    """
    if len(text) <= characters_max:
        return text
    return f"{text[:characters_max]}… ({len(text) - characters_max} more)"


class ApiError(Exception):
    """Ends a whole request with `code`; `text` goes to the log and, where there is room, the peer.

    Args:
        code: what the response carries.
        text: one sentence naming the facts; the code's own sentence when left out.
    """

    def __init__(self, code: ErrorCode, text: str = "") -> None:
        self.code = code
        self.text = shortened(text or code.text)
        super().__init__(f"{code.name}: {self.text}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal the protocol can express, for one partition, topic or member.

    `why` names the facts (topic-partition, producer id, epoch, sequence) in one sentence. What it
    quotes may be as long as a peer likes; it is `shortened` here.
    """

    code: ErrorCode
    why: str

    def __post_init__(self) -> None:
        if len(self.why) > TEXT_LENGTH_MAX:
            object.__setattr__(self, "why", shortened(self.why))
