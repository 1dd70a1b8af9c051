"""Fast decoders and encoders: a construct tree, compiled once into one flat function.

decoder() and encoder() are what the rest of the code uses. The first call for a message and
version writes, compiles and keeps the function; later calls find it. The written code only
detects that something is wrong; then the same bytes (or the same message) go through the tree,
whose error names the field. tests/property/test_codec_parity.py proves the two equal.

`python -m minibroker.protocol.codec.compiler Produce 9` prints tree and code of both directions.
"""

import io
import sys
from collections.abc import Callable, Generator
from functools import cache
from typing import Any, Protocol, TypeVar

from construct import Bytes, Construct, ConstructError, Flag

from ..apis import APIS, request_type, response_type
from ..errors import DecodeError, EncodeError
from .emit_decode import TooManyElements, decode_source, malformed_errors
from .emit_encode import encode_source, unwritable_errors
from .schema import declaration_of, wire_at
from .source import Source, unnamed
from .wire import Absent, Array, Lengthed, Optional, Tags, TypedStruct

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)
Buffer = bytes | memoryview

REQUEST_ELEMENTS_MAX = 131_072
"""What a request may make a broker hold as objects: about 30 MB. As many partitions as a broker has
in all fit; what is not done in steps (to refuse them all) takes a tenth of a second."""

EXPLANATION_READS_MAX = 10_000
"""Reads the tree may make to explain an error: a hostile message must not cost minutes of it."""


class Decode(Protocol[M_co]):
    """What decoder() returns."""

    def __call__(self, buf: Buffer, position: int = 0, /) -> tuple[M_co, int]: ...


def decoder(message: type[M], version: int) -> Decode[M]:
    """The function `decode(buf, position=0) -> (message, end position)` for one version.

    It raises DecodeError on bytes that are not the message. Bytes after the message are left to
    the caller. Records fields of the result are memoryviews of `buf`.

    Raises:
        ValueError: the API has no such version.
    """
    found = declaration_of(message).decoders.get((version, False))
    return found if found is not None else _make_decoder(message, version, in_steps=False)


def decoder_in_steps(
    message: type[M], version: int
) -> Callable[[Buffer, int], Generator[None, None, tuple[M, int]]]:
    """The same as a generator, which yields about every millisecond and returns what decode() does.

    For long messages: others go on between its steps. Nobody may change `buf` meanwhile.
    """
    found = declaration_of(message).decoders.get((version, True))
    return found if found is not None else _make_decoder(message, version, in_steps=True)


def _make_decoder(message: type[M], version: int, *, in_steps: bool) -> Callable[..., Any]:
    tree = wire_at(message, version)

    def explain(buf: memoryview, start: int, error: Exception) -> DecodeError:
        if isinstance(error, TooManyElements):
            why = f"its arrays hold more than {REQUEST_ELEMENTS_MAX} elements in all"
            return DecodeError(tree.message.__name__, version, "", start, why)
        return _decode_error(tree, version, buf[start:], start, error)

    def make(*, mends_text: bool) -> Callable[..., Any]:
        source = decode_source(tree, _elements_max(tree), in_steps=in_steps, mends_text=mends_text)
        source.bind("explain", explain)
        source.bind("malformed", malformed_errors())
        source.bind("mending", mending)
        return _function(source, "decode", f"{message.__name__} v{version}")

    @cache
    def mender() -> Callable[..., Any]:
        return make(mends_text=True)

    def mending(buf: memoryview, start: int) -> Any:
        return mender()(buf, start)

    made = make(mends_text=False)
    declaration_of(message).decoders[version, in_steps] = made
    return made


def _elements_max(tree: TypedStruct) -> int | None:
    """Requests are bounded; a response may describe a cluster of any size."""
    return None if declaration_of(tree.message).lossy else REQUEST_ELEMENTS_MAX


def encoder(message: type[M], version: int) -> Callable[[M], list[Buffer]]:
    """The function `encode(message) -> buffers` for one version.

    The buffers belong one after the other. There is one, unless the message carries record
    bytes, each of which is a buffer of its own: the caller's object, not a copy. The function
    raises EncodeError for a value that does not fit its field, or (requests only, if the field is
    not ignorable) that the version has no field for.

    Raises:
        ValueError: the API has no such version.
    """
    found = declaration_of(message).encoders.get((version, False))
    return found if found is not None else _make_encoder(message, version, in_steps=False)


def encoder_in_steps(
    message: type[M], version: int
) -> Callable[[M], Generator[int, None, list[Buffer]]]:
    """The same as a generator, which yields about every millisecond and returns the buffers.

    For long messages: others go on between its steps. Nobody may change the message meanwhile. It
    yields how many bytes a step has made, those of records left out.
    """
    found = declaration_of(message).encoders.get((version, True))
    return found if found is not None else _make_encoder(message, version, in_steps=True)


def _make_encoder(message: type[M], version: int, *, in_steps: bool) -> Callable[..., Any]:
    tree = wire_at(message, version)

    def explain(value: M, error: Exception) -> EncodeError:
        return _encode_error(tree, version, value, error)

    source = encode_source(tree, in_steps=in_steps)
    source.bind("explain", explain)
    source.bind("unwritable", unwritable_errors())
    made = _function(source, "encode", f"{message.__name__} v{version}")
    declaration_of(message).encoders[version, in_steps] = made
    return made


def _function(source: Source, name: str, title: str) -> Callable[..., Any]:
    code = compile(source.text(), f"<{name} {title}>", "exec")
    exec(code, source.names)  # noqa: S102  # written by our emitters from our own schemas
    function: Callable[..., Any] = source.names[name]
    return function


class _BoundedReader:
    """A stream over a buffer, without copying, that gives up after many reads."""

    def __init__(self, buf: Buffer) -> None:
        self._buf = buf
        self._position = 0
        self._reads = 0

    def read(self, count: int) -> Buffer:
        self._reads += 1
        if self._reads > EXPLANATION_READS_MAX:
            raise _TooLongToExplain
        part = self._buf[self._position : self._position + count]
        self._position += len(part)
        return part

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (len(self._buf) if whence == io.SEEK_END else 0)
        return self._position


class _TooLongToExplain(BaseException):
    """Passes through construct, which turns any Exception of a stream into its own."""


def _decode_error(
    tree: TypedStruct, version: int, buf: Buffer, start: int, error: Exception
) -> DecodeError:
    name = tree.message.__name__
    stream = _BoundedReader(buf)
    try:
        tree.parse_stream(stream)
    except ConstructError as found:
        return DecodeError(name, version, _path(found), start + stream.tell(), _why(found))
    except _TooLongToExplain:
        why = f"malformed somewhere after the first {EXPLANATION_READS_MAX} reads"
        return DecodeError(name, version, "", start + stream.tell(), why)
    return DecodeError(name, version, "", start, f"refused by compiled code only: {error!r}")


def _encode_error(tree: TypedStruct, version: int, value: Any, error: Exception) -> EncodeError:
    name = tree.message.__name__
    try:
        tree.build(value)
    except ConstructError as found:
        return EncodeError(name, version, _path(found), _why(found))
    except unwritable_errors() as found:
        return EncodeError(name, version, "", f"{type(found).__name__}: {found}")
    return EncodeError(name, version, "", f"refused by compiled code only: {error!r}")


def _path(error: ConstructError) -> str:
    """ "(parsing) -> topics[0] -> name" as "topics[0].name"."""
    return ".".join((error.path or "").split(" -> ")[1:])


def _why(error: ConstructError) -> str:
    """The clause after the line in which construct says the path."""
    return str(error).rpartition("\n")[2]


def describe(node: Construct, depth: int = 0) -> str:
    """A construct tree as text, one field a line, nested by indentation."""
    pad = "  " * depth
    name = f"{node.name}: " if node.name else ""
    inner = unnamed(node)
    if isinstance(inner, TypedStruct):
        lines = [f"{pad}{name}{inner.message.__name__}"]
        return "\n".join(lines + [describe(member, depth + 1) for member in inner.subcons])
    if isinstance(inner, Optional):
        return f"{pad}{name}nullable\n{describe(inner.present, depth + 1)}"
    if isinstance(inner, Array):
        head = f"{pad}{name}{_lengthed_text(inner)} of"
        return f"{head}\n{describe(inner.element, depth + 1)}"
    if isinstance(inner, Tags):
        lines = [f"{pad}tags, {len(inner.fields)} known"]
        for tag, (field, default) in inner.fields.items():
            lines.append(f"{pad}  {tag}, left out if {default!r}:")
            lines.append(describe(field, depth + 2))
        return "\n".join(lines)
    if isinstance(inner, Absent):
        rule = "refused" if inner.refuses else "dropped"
        return f"{pad}{name}absent, {inner.default!r}, another value is {rule}"
    if isinstance(inner, Lengthed):
        return f"{pad}{name}{_lengthed_text(inner)}"
    return f"{pad}{name}{_fixed_text(inner)}"


def _lengthed_text(node: Lengthed) -> str:
    length = "compact" if node.compact else _fixed_text(node.length)
    return f"{'nullable ' if node.nullable else ''}{type(node).__name__}[{length}]"


def _fixed_text(node: Construct) -> str:
    if node is Flag:
        return "bool"
    return f"{node.length} bytes" if isinstance(node, Bytes) else f"int{8 * node.sizeof()}"


def main(arguments: list[str]) -> int:
    """Print tree and code of `API VERSION`. Returns the exit code."""
    keys = {api.name: key for key, api in APIS.items()}
    try:
        name, version = arguments
        key = keys[name]
        messages = [request_type(key), response_type(key)]
        trees = [wire_at(message, int(version)) for message in messages]
    except (KeyError, ValueError) as error:
        known = ", ".join(
            f"{api.name} {api.versions[0]}-{api.versions[1]}" for api in APIS.values()
        )
        sys.stderr.write(f"usage: compiler API VERSION ({error})\nAPIs: {known}\n")
        return 2
    for tree in trees:
        decode = decode_source(tree, _elements_max(tree))
        parts = [describe(tree), decode.text(), encode_source(tree).text()]
        sys.stdout.write("\n\n".join(parts) + "\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
