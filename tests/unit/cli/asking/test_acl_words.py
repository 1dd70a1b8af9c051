"""Which rules the words of `minibroker acls` mean."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest
from minibroker.cli.asking.acl_words import filters_of, parse_operation, parse_principal, rules_of
from minibroker.cli.parsers import parser_of
from minibroker.cli.terminal.running import WrongUsage
from minibroker.protocol.acls import AclOperation, PatternType


def rules(words: str) -> list[str]:
    return [str(each) for each in rules_of(parser_of("acls").parse_args(["add", *words.split()]))]


def found(words: str) -> list[tuple[object, ...]]:
    filters = filters_of(parser_of("acls").parse_args(words.split()))
    return [
        (each.resource_type.name, each.resource_name, each.principal, each.operation.name)
        for each in filters
    ]


def test_every_combination_is_a_rule() -> None:
    words = "--allow-principal User:a --deny-principal User:b --topic t --operation Read"
    assert rules(f"{words} --operation write --deny-host 10.0.0.1") == [
        "ALLOW User:a READ on topic t",
        "ALLOW User:a WRITE on topic t",
        "DENY User:b from 10.0.0.1 READ on topic t",
        "DENY User:b from 10.0.0.1 WRITE on topic t",
    ]


def test_without_an_operation_all_are_meant() -> None:
    words = "--allow-principal User:a --topic t --cluster --resource-pattern-type prefixed"
    assert rules(words) == [
        "ALLOW User:a ALL on topic t*",
        "ALLOW User:a ALL on cluster kafka-cluster",
    ]


def test_what_a_producer_and_a_consumer_need() -> None:
    assert rules("--allow-principal User:a --producer --topic t --transactional-id x") == [
        "ALLOW User:a WRITE on topic t",
        "ALLOW User:a DESCRIBE on topic t",
        "ALLOW User:a CREATE on topic t",
        "ALLOW User:a WRITE on transactional id x",
        "ALLOW User:a DESCRIBE on transactional id x",
    ]
    assert rules("--allow-principal User:a --consumer --topic t --group g") == [
        "ALLOW User:a READ on topic t",
        "ALLOW User:a DESCRIBE on topic t",
        "ALLOW User:a READ on group g",
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--allow-principal User:a", "say on what"),
        ("--topic t", "say who"),
        ("--topic t --allow-host 1.2.3.4 --deny-principal User:b", "--allow-principal"),
        ("--allow-principal User:a --consumer --topic t", "--consumer needs --group"),
        ("--allow-principal User:a --producer --topic t --group g", "nothing about a group"),
        ("--allow-principal User:a --producer --topic t --operation Read", "leave out"),
        ("--deny-principal User:a --producer --topic t", "--allow-principal alone"),
    ],
)
def test_words_that_do_not_go_together(words: str, why: str) -> None:
    with pytest.raises(WrongUsage, match=why):
        rules(words)


def test_what_is_looked_for() -> None:
    assert found("list") == [("ANY", None, None, "ANY")]
    assert found("list --topic t --group g --principal User:a") == [
        ("TOPIC", "t", "User:a", "ANY"),
        ("GROUP", "g", "User:a", "ANY"),
    ]
    (wanted,) = filters_of(parser_of("acls").parse_args(["list", "--topic", "t"]))
    assert wanted.pattern_type is PatternType.MATCH
    (wanted,) = filters_of(parser_of("acls").parse_args(["remove", "--topic", "t"]))
    assert wanted.pattern_type is PatternType.LITERAL
    with pytest.raises(WrongUsage, match="say of what"):
        found("remove --operation Read")


@pytest.mark.parametrize("text", ["DescribeConfigs", "describe_configs", "DESCRIBECONFIGS"])
def test_an_operation_may_be_written_as_anywhere(text: str) -> None:
    assert parse_operation(text) is AclOperation.DESCRIBE_CONFIGS


def test_what_is_none() -> None:
    with pytest.raises(ArgumentTypeError, match="choose from All, Read"):
        parse_operation("any")
    for text in ("alice", "", "User:", ":alice"):
        with pytest.raises(ArgumentTypeError, match="as in User:"):
            parse_principal(text)
