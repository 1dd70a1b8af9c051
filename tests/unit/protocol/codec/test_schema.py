"""Declarations: what a class with wire() fields is, and what becomes of it at a version."""

from __future__ import annotations

import subprocess
import sys
from inspect import getdoc, getmodule
from itertools import pairwise
from typing import Any

import pytest
from minibroker.protocol.apis import APIS, Api, request_type, response_type
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.codec.schema import (
    ArrayOf,
    Int32,
    String,
    api_of,
    declaration_of,
    request,
    response,
    struct,
    wire,
    wire_at,
)
from minibroker.protocol.errors import EncodeError
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
)

from tests.support.records.messages import MESSAGES

EXAMPLE = Api(99, "Example", versions=(0, 4), flexible=3)


@struct
class Item:
    name: str = wire(String)
    weight: int = wire(Int32, since=2, default=-1)


@request(EXAMPLE)
class ExampleRequest:
    items: list[Item] | None = wire(ArrayOf(Item), nullable_since=2)
    old: int = wire(Int32, until=1, default=0)
    hint: str = wire(String, since=1, default="", ignorable=True)
    item: Item | None = wire(Item, since=3, tag=5, default=None)


@response(EXAMPLE)
class ExampleResponse:
    items: list[Item] = wire(ArrayOf(Item), default=[])
    node: int = wire(Int32, since=1, default=7)


def encoded(message: Any, version: int) -> bytes:
    return b"".join(encoder(type(message), version)(message))


def test_fields_are_keywords_and_all_that_objects_have() -> None:
    data = PartitionProduceData(index=3, records=b"")
    data.index = 4
    assert repr(data) == "PartitionProduceData(index=4, records=b'')"
    for wrong in ({"index": 3}, {"index": 3, "records": None, "name": ""}):
        with pytest.raises(TypeError):
            PartitionProduceData(**wrong)
    with pytest.raises(AttributeError):
        data.offset = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        hash(data)


def test_equal_are_objects_of_one_class_with_equal_fields() -> None:
    assert Item(name="a", weight=1) == Item(name="a", weight=1)
    assert Item(name="a", weight=1) != Item(name="a", weight=2)
    stranger: object = ExampleResponse()
    assert ExampleRequest(items=[]) != stranger


def test_two_objects_never_share_a_default_list() -> None:
    first = PartitionProduceResponse(index=0, error_code=0, base_offset=0)
    second = PartitionProduceResponse(index=0, error_code=0, base_offset=0)
    assert first.record_errors is not second.record_errors
    decode = decoder(ExampleResponse, 0)
    assert decode(bytes(4))[0].items is not decode(bytes(4))[0].items


def test_a_field_is_on_the_wire_from_since_to_until() -> None:
    sizes = {version: len(encoded(ExampleResponse(), version)) for version in range(5)}
    assert sizes == {0: 4, 1: 8, 2: 8, 3: 6, 4: 6}
    assert encoded(ExampleRequest(items=[], old=1), 0) == bytes.fromhex("00000000 00000001")
    assert encoded(ExampleRequest(items=[]), 2) == bytes.fromhex("00000000 0000")


def test_a_field_the_version_lacks_reads_as_its_default() -> None:
    message, _ = decoder(ExampleResponse, 0)(bytes.fromhex("00000001 0001 61"))
    assert message == ExampleResponse(items=[Item(name="a", weight=-1)], node=7)


def test_what_an_old_version_cannot_carry_is_dropped_from_responses() -> None:
    heavy = ExampleResponse(items=[Item(name="a", weight=5)], node=8)
    assert encoded(heavy, 0) == bytes.fromhex("00000001 0001 61")


def test_what_an_old_version_cannot_carry_is_refused_in_requests() -> None:
    for message, version, path in (
        (ExampleRequest(items=[Item(name="a", weight=5)]), 1, "items[0].weight"),
        (ExampleRequest(items=[], old=1), 2, "old"),
        (ExampleRequest(items=[], item=Item(name="a")), 2, "item"),
        (ExampleRequest(items=None), 1, "items"),
    ):
        with pytest.raises(EncodeError) as caught:
            encoded(message, version)
        assert caught.value.path == path
        assert caught.value.version == version


def test_an_ignorable_field_is_dropped_from_old_requests_too() -> None:
    assert encoded(ExampleRequest(items=[], hint="x"), 0) == bytes(8)


def test_null_is_a_value_from_nullable_since_on() -> None:
    assert encoded(ExampleRequest(items=None), 2)[:4] == b"\xff\xff\xff\xff"
    assert encoded(ExampleRequest(items=None), 3)[:1] == b"\0"


def test_a_tagged_field_is_written_only_where_it_says_something() -> None:
    assert encoded(ExampleRequest(items=[]), 3) == bytes.fromhex("01 01 00")
    tagged = ExampleRequest(items=[], item=Item(name="a"))
    assert encoded(tagged, 3) == bytes.fromhex("01 01 01 05 07 02 61 ffffffff 00")


@pytest.mark.parametrize("version", [-1, 2, 14])
def test_versions_outside_the_range_do_not_exist(version: int) -> None:
    with pytest.raises(ValueError, match="Produce has versions 3 to 13"):
        wire_at(ProduceRequest, version)


def test_a_struct_is_not_a_message() -> None:
    with pytest.raises(TypeError, match="part of a message"):
        api_of(PartitionProduceData)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_a_tree_has_the_fields_in_order_and_the_tags_last(message: type[Any]) -> None:
    for which in MESSAGES[message]:
        names = [member.name for member in which.tree.subcons]
        if api_of(message).is_flexible(which.version):
            assert names.pop() is None, which
        declared = [
            name
            for name, field in declaration_of(message).fields.items()
            if field.tag is None or which.version < field.since
        ]
        assert names == declared, which


def test_the_registry_is_in_api_key_order_and_finds_every_message() -> None:
    assert all(before < after for before, after in pairwise(APIS))
    for key, api in APIS.items():
        assert (key, api_of(request_type(key)), api_of(response_type(key))) == (api.key, api, api)


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
def test_a_message_file_says_its_key_and_versions(api: Api) -> None:
    first, last = api.versions
    documentation = getdoc(getmodule(request_type(api.key))) or ""
    assert documentation.startswith(f"{api.name} (key {api.key}), v{first}–v{last}.")
    if not api.is_kafkas:
        return
    assert f"Source: {api.name}Request.json," in documentation
    assert f"{api.name}Response.json" in documentation


def test_the_registry_alone_imports_neither_messages_nor_construct() -> None:
    code = """if True:
        import sys, minibroker.protocol.header
        loaded = [name for name in sys.modules if name.startswith("minibroker.protocol.messages.")]
        assert not loaded and "construct" not in sys.modules, loaded
    """
    subprocess.run([sys.executable, "-c", code], check=True)
