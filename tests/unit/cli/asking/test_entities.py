"""Whom the options of `minibroker configs` mean."""

from __future__ import annotations

import pytest
from minibroker.cli.asking.entities import entity_of
from minibroker.cli.parsers import parser_of
from minibroker.cli.terminal.running import WrongUsage
from minibroker.client import QuotaName


def entity(words: str) -> str:
    found = entity_of(parser_of("configs").parse_args(["describe", *words.split()]))
    return str(found.quota_entity)


def test_names_belong_to_types_in_order() -> None:
    both = "--entity-type users --entity-name alice --entity-type clients --entity-default"
    assert entity(both) == "user alice, client-id <default>"
    apart = "--entity-type clients --entity-type users --entity-name app --entity-name alice"
    assert entity(apart) == "user alice, client-id app"
    assert entity("--entity-type ips --entity-name 127.0.0.1") == "ip 127.0.0.1"


def test_a_name_may_be_that_of_the_default() -> None:
    args = parser_of("configs").parse_args(
        ["describe", "--entity-type", "users", "--entity-name", "<default>"]
    )
    assert entity_of(args).quota_names == {"user": "<default>"}


def test_without_a_name_all_are_meant() -> None:
    args = parser_of("configs").parse_args(["describe", "--entity-type", "users"])
    assert entity_of(args).quota_names == {"user": QuotaName.ANY}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--entity-type users", "needs an --entity-name"),
        ("--entity-type users --entity-type users", "stands once"),
        ("--entity-type users --entity-name a --entity-default", "give one"),
        ("--entity-type users --entity-type ips", "only users and clients"),
        ("--entity-type topics --entity-default", "topics have no default"),
    ],
)
def test_what_cannot_be_meant(words: str, why: str) -> None:
    with pytest.raises(WrongUsage, match=why):
        entity(words)
