"""The vocabulary that messages are declared in, and what a declaration becomes at one version.

A message is a class whose fields say what they are on the wire:

    @struct
    class PartitionProduceData:
        index: int = wire(Int32)
        records: memoryview | bytes | None = wire(Records)

One class serves all versions. mypy and editors see a slotted, keyword-only dataclass and check
annotation against wire type; wire_at(message, version) gives the construct tree of one version;
compiler.py turns that into code. Read messages/produce.py next.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, dataclass_transform, overload

from construct import Bytes as FixedBytes
from construct import Construct, Flag, Float64b, Int8sb, Int16sb, Int16ub, Int32sb, Int64sb

from ..apis import Api
from .wire import (
    Absent,
    Array,
    Blob,
    CompactLength,
    Lengthed,
    Optional,
    RecordBytes,
    Tags,
    Text,
    TypedStruct,
)

T = TypeVar("T")
D = TypeVar("D")

ZERO_UUID = bytes(16)
_REQUIRED: Any = object()


class Layout(NamedTuple):
    """What a version decides about every field.

    Attributes:
        version: of the API.
        flexible: compact lengths, and a tag section at the end of every struct.
        lossy: a value that the version has no field for is dropped (responses), not refused.
    """

    version: int
    flexible: bool
    lossy: bool


class Kind(Generic[T]):
    """What a field is declared as; `T` is the Python type of its values."""

    __slots__ = ()

    def at(self, layout: Layout, *, nullable: bool) -> Construct:
        """The construct for one version; `nullable` comes from the field, not from the kind."""
        raise NotImplementedError


class Fixed(Kind[T]):
    """A kind that is the same in all versions."""

    __slots__ = ("construct",)

    def __init__(self, construct: Construct) -> None:
        self.construct = construct

    def at(self, layout: Layout, *, nullable: bool) -> Construct:
        assert not nullable, "numbers are never null"
        return self.construct


class Sized(Kind[T]):
    """A string or bytes: the length before it is compact in flexible versions."""

    __slots__ = ("legacy_length", "node", "nullable")

    def __init__(self, node: type[Lengthed], legacy_length: Construct, *, nullable: bool) -> None:
        self.node = node
        self.legacy_length = legacy_length
        self.nullable = nullable

    def at(self, layout: Layout, *, nullable: bool) -> Construct:
        length = CompactLength() if layout.flexible else self.legacy_length
        return self.node(length, nullable=nullable or self.nullable)


class ArrayOf(Kind[list[T]]):
    """An array of a kind or of a struct."""

    __slots__ = ("element",)
    nullable = False

    def __init__(self, element: Kind[T] | type[T]) -> None:
        self.element = element

    def at(self, layout: Layout, *, nullable: bool) -> Construct:
        length = CompactLength() if layout.flexible else Int32sb
        element = _construct_of(self.element, layout, nullable=False)
        return Array(length, element, nullable=nullable)


class NullableArrayOf(Kind[list[T] | None]):
    """An array that may be null in every version that has it."""

    __slots__ = ("array",)

    def __init__(self, element: Kind[T] | type[T]) -> None:
        self.array = ArrayOf(element)

    def at(self, layout: Layout, *, nullable: bool) -> Construct:
        return self.array.at(layout, nullable=True)


class NullableStruct(Kind[T | None]):
    """A struct that may be null, outside of the tags."""

    __slots__ = ("struct",)

    def __init__(self, struct: type[T]) -> None:
        self.struct = struct

    def at(self, layout: Layout, *, nullable: bool) -> Construct:
        return Optional(_struct_at(self.struct, layout))


Bool: Kind[bool] = Fixed(Flag)
Int8: Kind[int] = Fixed(Int8sb)
Int16: Kind[int] = Fixed(Int16sb)
UInt16: Kind[int] = Fixed(Int16ub)
Int32: Kind[int] = Fixed(Int32sb)
Int64: Kind[int] = Fixed(Int64sb)
Float64: Kind[float] = Fixed(Float64b)
Uuid: Kind[bytes] = Fixed(FixedBytes(16))
String: Kind[str] = Sized(Text, Int16sb, nullable=False)
NullableString: Kind[str | None] = Sized(Text, Int16sb, nullable=True)
Bytes: Kind[bytes] = Sized(Blob, Int32sb, nullable=False)
NullableBytes: Kind[bytes | None] = Sized(Blob, Int32sb, nullable=True)
Records: Kind[bytes | memoryview | None] = Sized(RecordBytes, Int32sb, nullable=True)


class Field(NamedTuple):
    """One field of a declared struct: the arguments of wire()."""

    kind: Kind[Any] | type[Any]
    since: int
    until: int | None
    tag: int | None
    default: Any
    nullable_since: int | None
    ignorable: bool


@overload
def wire(kind: Kind[T] | type[T], *, nullable_since: int) -> T | None: ...
@overload
def wire(
    kind: Kind[T] | type[T],
    *,
    default: D,
    since: int = 0,
    until: int | None = None,
    tag: int | None = None,
    nullable_since: int | None = None,
    ignorable: bool = False,
) -> T | D: ...
@overload
def wire(kind: Kind[T] | type[T]) -> T: ...
def wire(
    kind: Any,
    *,
    since: int = 0,
    until: int | None = None,
    tag: int | None = None,
    default: Any = _REQUIRED,
    nullable_since: int | None = None,
    ignorable: bool = False,
) -> Any:
    """Declare a field.

    Args:
        kind: a kind above, or a struct class.
        since, until: first and last version that has the field, inclusive.
        tag: the number of a tagged field; it is left out where it equals the default.
        default: what a version without the field yields, and what __init__ assumes. Every field
            that some version lacks has one. For an inline struct that is tagged it is None.
        nullable_since: first version in which null is allowed, where that is not all of them.
        ignorable: a request drops the value in versions without the field, instead of raising
            EncodeError. Responses always drop. Kafka's JSON has the same word.
    """
    return Field(kind, since, until, tag, default, nullable_since, ignorable)


class Declaration(NamedTuple):
    """What the decorators know of a class; stored as its `__wire__`.

    `api` is None and `lossy` of no meaning for structs inside messages. The two caches hold the
    compiled functions by version.
    """

    fields: dict[str, Field]
    api: Api | None
    lossy: bool
    decoders: dict[tuple[int, bool], Callable[..., Any]]  # by version, and whether in steps
    encoders: dict[tuple[int, bool], Callable[..., Any]]


@dataclass_transform(kw_only_default=True, field_specifiers=(wire,))
def struct(cls: type[T]) -> type[T]:
    """Make a struct that messages contain."""
    return _declared(cls, None, lossy=False)


@dataclass_transform(kw_only_default=True, field_specifiers=(wire,))
def request(api: Api) -> Callable[[type[T]], type[T]]:
    """Make the request of an API."""
    return lambda cls: _declared(cls, api, lossy=False)


@dataclass_transform(kw_only_default=True, field_specifiers=(wire,))
def response(api: Api) -> Callable[[type[T]], type[T]]:
    """Make the response of an API."""
    return lambda cls: _declared(cls, api, lossy=True)


def declaration_of(message: type[Any]) -> Declaration:
    """What was declared for a class made by struct, request or response."""
    declaration: Declaration = message.__dict__["__wire__"]
    return declaration


def api_of(message: type[Any]) -> Api:
    """The API of a request or response class. Raises TypeError for a struct inside one."""
    api = declaration_of(message).api
    if api is None:
        raise TypeError(f"{message.__name__} is part of a message, not one")
    return api


def wire_at(message: type[Any], version: int) -> TypedStruct:
    """The construct tree of one version of a request or response.

    Raises:
        ValueError: the API has no such version.
    """
    api = api_of(message)
    first, last = api.versions
    if not first <= version <= last:
        raise ValueError(f"{api.name} has versions {first} to {last}, not {version}")
    lossy = declaration_of(message).lossy
    return _struct_at(message, Layout(version, api.is_flexible(version), lossy))


def _struct_at(message: type[Any], layout: Layout) -> TypedStruct:
    members: list[Construct] = []
    tagged: dict[int, tuple[Construct, Any]] = {}
    for name, field in declaration_of(message).fields.items():
        if layout.version < field.since or (
            field.until is not None and layout.version > field.until
        ):
            refuses = not (layout.lossy or field.ignorable)
            members.append(name / Absent(field.default, refuses=refuses))
            continue
        nullable = field.nullable_since is not None and layout.version >= field.nullable_since
        member = name / _construct_of(field.kind, layout, nullable=nullable)
        if field.tag is None:
            members.append(member)
        else:
            tagged[field.tag] = (member, field.default)
    if layout.flexible:
        members.append(Tags(dict(sorted(tagged.items()))))
    return TypedStruct(message, *members)


def _construct_of(kind: Kind[Any] | type[Any], layout: Layout, *, nullable: bool) -> Construct:
    if isinstance(kind, Kind):
        return kind.at(layout, nullable=nullable)
    assert not nullable, "nullable structs are not written yet"
    return _struct_at(kind, layout)


def _declared(cls: type[T], api: Api | None, *, lossy: bool) -> type[T]:
    """The class again, with slots for its fields. Cheap: __init__ is written on first use."""
    fields = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
    body = {
        name: value
        for name, value in vars(cls).items()
        if name not in fields and name not in ("__dict__", "__weakref__")
    }
    body |= {
        "__slots__": tuple(fields),
        "__wire__": Declaration(fields, api, lossy, {}, {}),
        "__init__": _InitOnFirstUse(),
        "__repr__": _repr,
        "__eq__": _eq,
        "__hash__": None,
    }
    return type(cls.__name__, cls.__bases__, body)


class _InitOnFirstUse:
    """Stands in for __init__ until somebody makes the first object of the class."""

    def __get__(self, instance: Any, owner: type[Any]) -> Callable[..., None]:
        # inspect.signature of Python 3.13 binds __init__ to the class as if it were the object.
        message = instance if isinstance(instance, type) else owner
        init = _init_for(declaration_of(message).fields)
        message.__init__ = init  # type: ignore[misc]
        bound: Callable[..., None] = init.__get__(instance, owner)
        return bound


def _init_for(fields: dict[str, Field]) -> Callable[..., None]:
    """The __init__ that @dataclass(kw_only=True) would write, except that lists are copied."""
    defaults = {f"_{name}": field.default for name, field in fields.items()}
    parameters = [
        name if field.default is _REQUIRED else f"{name}=_{name}" for name, field in fields.items()
    ]
    body = [
        f"    self.{name} = [] if {name} is _{name} else {name}"
        if isinstance(field.default, list)
        else f"    self.{name} = {name}"
        for name, field in fields.items()
    ]
    source = "\n".join([f"def __init__(self, *, {', '.join(parameters)}):", *body])
    exec(source, defaults)  # noqa: S102  # written above from names in our own class bodies
    init: Callable[..., None] = defaults["__init__"]
    return init


def _repr(self: Any) -> str:
    names = declaration_of(type(self)).fields
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
    return f"{type(self).__name__}({fields})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    names = declaration_of(type(self)).fields
    return not any(getattr(self, name) != getattr(other, name) for name in names)
