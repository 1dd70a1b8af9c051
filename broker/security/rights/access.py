"""What a request must be allowed to, declared beside its handler; enforced before the handler runs.

A handler's module has ACCESS: rules, in the order in which they are asked. Each may refuse a
request, or take out of it what is refused; that part is answered by the module's own `refusal`, and
its items are put behind those of the handler's answer. A rule also hides in an answer what may not
be seen. So no handler knows of rights, and none can forget them: dispatch serves no API without.

    Whole   the one thing a request is about: a group, a transactional id
    Cluster the cluster
    Each    items of a list, one by one
    Free    nothing: what is told to everybody
What is peculiar to one API stands in its module, as a Rule of its own.
Source: KafkaApis.scala, AuthHelper.java; the table "Operations and Resources on Protocols".
Tests: tests/property/test_rights.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from copy import copy
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from ....protocol.acls import CLUSTER_NAME, AclOperation, AclResourceType
from ....protocol.codec.schema import ZERO_UUID
from ....protocol.errors import ApiError, ErrorCode
from .authorizer import Asked, Authorizer, Who

# Of each type: the code of a refusal, and its text. Source: Errors.java.
REFUSALS: Final = {
    AclResourceType.TOPIC: (
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        "Topic authorization failed.",
    ),
    AclResourceType.GROUP: (
        ErrorCode.GROUP_AUTHORIZATION_FAILED,
        "Group authorization failed.",
    ),
    AclResourceType.CLUSTER: (
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        "Cluster authorization failed.",
    ),
    AclResourceType.TRANSACTIONAL_ID: (
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        "Transactional Id authorization failed.",
    ),
}


class Topics(Protocol):
    """What is known of topics."""

    def name_of(self, topic_id: bytes) -> str | None:
        """The name of a topic; None for an id that nobody has."""

    def is_there(self, name: str) -> bool:
        """Whether there is a topic of that name."""

    def names(self) -> Iterable[str]:
        """All there are."""

    @property
    def creates(self) -> bool:
        """Whether one that is asked for and is not there is created."""


class Gate:
    """What the sender of one request may.

    Args:
        version: of the request.
        audit: told of each denial: (who, operation, type, name).
    """

    __slots__ = ("_audit", "_authorizer", "_who", "topics", "version")

    def __init__(
        self,
        authorizer: Authorizer,
        who: Who,
        topics: Topics,
        version: int,
        audit: Callable[[Who, AclOperation, AclResourceType, str], None],
    ) -> None:
        self._authorizer = authorizer
        self._who = who
        self._audit = audit
        self.topics = topics
        self.version = version

    def may(self, operation: AclOperation, resource_type: AclResourceType, name: str) -> bool:
        """Whether this is allowed; a denial is noted."""
        if self._authorizer.allows(self._who, operation, resource_type, name):
            return True
        self._audit(self._who, operation, resource_type, name)
        return False

    def sees(self, operation: AclOperation, resource_type: AclResourceType, name: str) -> bool:
        """As `may`, for what nobody has asked for by name: it is left out, and nothing is noted."""
        return self._authorizer.allows(self._who, operation, resource_type, name)

    def may_cluster(self, *operations: AclOperation) -> bool:
        """Whether one of these is allowed on the cluster."""
        if any(self.sees(each, AclResourceType.CLUSTER, CLUSTER_NAME) for each in operations):
            return True
        self._audit(self._who, operations[0], AclResourceType.CLUSTER, CLUSTER_NAME)
        return False

    def may_on_any(self, operation: AclOperation, resource_type: AclResourceType) -> bool:
        """Whether there could be something of this type on which it is allowed."""
        return self._authorizer.allows_on_any(self._who, operation, resource_type)

    def operations(
        self, resource_type: AclResourceType, name: str, candidates: Iterable[AclOperation]
    ) -> int:
        """`authorized_operations`: the bits of what is allowed."""
        return self._authorizer.operations(self._who, resource_type, name, candidates)


class Part(NamedTuple):
    """A part of a request that is refused.

    Args:
        message: the request with that part alone.
        answered: the list of the answer into which the refused items go; WHOLE if that is all.
    """

    message: Any
    answered: str
    code: ErrorCode
    why: str


Admitting = Generator[Any, Any, "tuple[Any, Sequence[Part]]"]
Revealing = Generator[Any, Any, Any]
ITEMS_A_STEP: Final = 500
WHOLE: Final = ""
"""As what is answered: the refusal as it is."""

T = TypeVar("T")


class Rule:
    """One thing that is asked before a handler runs, or hidden from what it answers.

    Both in steps, as there may be as many items as bytes.
    """

    def admit(self, gate: Gate, message: Any) -> Admitting:
        """What of a request goes on; None if nothing does. Raises ApiError to refuse all of it."""
        yield from ()
        return message, ()

    def reveal(self, gate: Gate, message: Any, response: Any) -> Revealing:
        """What of an answer is told."""
        yield from ()
        return response

    def is_known(self, message: Any, allowed: set[Asked], topics: Topics) -> bool:
        """Whether all it asks is known to be allowed: then `admit` need not be asked.

        Most requests end here, as a client asks for the same again and again.
        """
        return type(self).admit is Rule.admit

    @property
    def hides(self) -> bool:
        """Whether `reveal` does something."""
        return type(self).reveal is not Rule.reveal


Access = Sequence[Rule]
"""What a module declares."""


def refuse(resource_type: AclResourceType) -> ApiError:
    """The refusal of a request that is about one thing of a type."""
    return ApiError(*REFUSALS[resource_type])


def seen(
    gate: Gate,
    operation: AclOperation,
    resource_type: AclResourceType,
    items: Iterable[T],
    field: str,
) -> Generator[None, Any, list[T]]:
    """Of some items those on whose name an operation is allowed."""
    found, _ = yield from parted(
        items, lambda each: gate.sees(operation, resource_type, getattr(each, field))
    )
    return found


def parted(
    items: Iterable[T], is_allowed: Callable[[T], bool]
) -> Generator[None, Any, tuple[list[T], list[T]]]:
    """Some items in two: those that are allowed, and the others."""
    kept: list[T] = []
    refused: list[T] = []
    for number, each in enumerate(items, 1):
        (kept if is_allowed(each) else refused).append(each)
        if not number % ITEMS_A_STEP:
            yield
    return kept, refused


class Free(Rule):
    """Nothing is asked: the answer is for everybody. Why stands where it is declared."""


class Cluster(Rule):
    """One of some operations on the cluster."""

    def __init__(self, *operations: AclOperation) -> None:
        self._operations = operations

    def is_known(self, message: Any, allowed: set[Asked], topics: Topics) -> bool:
        """One of them is."""
        kind = int(AclResourceType.CLUSTER)
        return any((int(each), kind, CLUSTER_NAME) in allowed for each in self._operations)

    def admit(self, gate: Gate, message: Any) -> Admitting:
        """Refuse all or nothing."""
        yield from ()
        if not gate.may_cluster(*self._operations):
            raise refuse(AclResourceType.CLUSTER)
        return message, ()


class Whole(Rule):
    """An operation on the one thing that a request is about.

    Args:
        field: of the request, with its name; where it may be None, None needs no right here.
    """

    def __init__(self, operation: AclOperation, resource_type: AclResourceType, field: str) -> None:
        self._operation = operation
        self._type = resource_type
        self._field = field
        self._numbers = int(operation), int(resource_type)

    def is_known(self, message: Any, allowed: set[Asked], topics: Topics) -> bool:
        """It is, or there is no name."""
        name = getattr(message, self._field)
        return name is None or (*self._numbers, name) in allowed

    def admit(self, gate: Gate, message: Any) -> Admitting:
        """Refuse all or nothing."""
        yield from ()
        name = getattr(message, self._field)
        if name is not None and not gate.may(self._operation, self._type, name):
            raise refuse(self._type)
        return message, ()


class Each(Rule):
    """An operation on each item of a list.

    Args:
        asked, answered: the lists of request and answer.
        name: of an item, the field with its name; None where the item is its name.
        topic_id: of an item, the field that names it if it is not zero. An id that nobody has is
            nobody's: the handler says so.
    """

    def __init__(
        self,
        operation: AclOperation,
        resource_type: AclResourceType,
        asked: str,
        answered: str,
        *,
        name: str | None = "name",
        topic_id: str | None = None,
    ) -> None:
        self._operation = operation
        self._type = resource_type
        self._asked = asked
        self._answered = answered
        self._topic_id = topic_id
        self._numbers = int(operation), int(resource_type)
        self._items: Callable[[Any], Any] = attrgetter(asked)
        self._naming: Callable[[Any], str] | None = None if name is None else attrgetter(name)

    def is_known(self, message: Any, allowed: set[Asked], topics: Topics) -> bool:
        """Each of them is."""
        operation, kind = self._numbers
        naming = self._naming
        for item in self._items(message) or ():
            name = item if naming is None else naming(item)
            if not name:  # it may have an id instead
                name = self._name_of(item, topics)
            if name is not None and (operation, kind, name) not in allowed:
                return False
        return True

    def admit(self, gate: Gate, message: Any) -> Admitting:
        """Take out what is refused."""
        items = self._items(message) or ()
        kept, refused = yield from parted(items, lambda each: self._is_allowed(gate, each))
        if not refused:
            return message, ()
        code, why = REFUSALS[self._type]
        part = Part(with_field(message, self._asked, refused), self._answered, code, why)
        return with_field(message, self._asked, kept) if kept else None, (part,)

    def _is_allowed(self, gate: Gate, item: Any) -> bool:
        name = self._name_of(item, gate.topics)
        return name is None or gate.may(self._operation, self._type, name)

    def _name_of(self, item: Any, topics: Topics) -> str | None:
        """None: nobody's."""
        if self._topic_id is not None:
            topic_id = getattr(item, self._topic_id)
            if topic_id != ZERO_UUID:
                return topics.name_of(topic_id)
        return item if self._naming is None else self._naming(item)


def with_field(message: Any, field: str, value: Any) -> Any:
    """A message like another, but for one field."""
    made = copy(message)
    setattr(made, field, value)
    return made


Refusal = Callable[[Any, ErrorCode, str], Any]


def admitted(rules: Access, gate: Gate, message: Any) -> Admitting:
    """What of a request goes on (None: nothing), and what is refused of it.

    Raises:
        ApiError: all of it is refused.
    """
    refused: list[Part] = []
    for rule in rules:
        message, parts = yield from rule.admit(gate, message)
        refused += parts
        if message is None:
            break
    return message, refused


def with_refused(response: Any, parts: Sequence[Part], refusal: Refusal) -> Any:
    """An answer with the refused parts behind it; None: there is no other answer.

    Raises:
        CloseConnection: the protocol has no way to say so.
    """
    for part in parts:
        refused = refusal(part.message, part.code, part.why)
        if response is None:
            response = _quiet(refused) if part.answered else refused
        else:
            getattr(response, part.answered).extend(getattr(refused, part.answered))
    return response


def _quiet(response: Any) -> Any:
    """A refusal of all items as an answer of which nothing but the items is refused."""
    for field, value in (("error_code", 0), ("error_message", None)):
        if hasattr(response, field):
            setattr(response, field, value)
    return response
