"""What Apache Kafka 4.3.1 answers to changes of configuration: rows for any broker.

As in admin_answers.py, with a topic `c` of their own. Texts of errors are not compared.
"""

from __future__ import annotations

from minibroker.protocol.messages import alter_configs, incremental_alter_configs
from minibroker.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)

from tests.support.answers.admin_answers import Row, create

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)
Operation = tuple[str, int, str | None]


def change(
    kind: int, name: str, *changes: Operation, times: int = 1, validate_only: bool = False
) -> incremental_alter_configs.IncrementalAlterConfigsRequest:
    """Single properties of one resource."""
    resource = incremental_alter_configs.AlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[
            incremental_alter_configs.AlterableConfig(
                name=key, config_operation=operation, value=value
            )
            for key, operation, value in changes
        ],
    )
    return incremental_alter_configs.IncrementalAlterConfigsRequest(
        resources=[resource] * times, validate_only=validate_only
    )


def replace(
    kind: int, name: str, *values: tuple[str, str | None], validate_only: bool = False
) -> alter_configs.AlterConfigsRequest:
    """All properties of one resource."""
    resource = alter_configs.AlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[alter_configs.AlterableConfig(name=key, value=value) for key, value in values],
    )
    return alter_configs.AlterConfigsRequest(resources=[resource], validate_only=validate_only)


def described(kind: int, name: str, *keys: str) -> DescribeConfigsRequest:
    """Some properties of one resource, with synonyms."""
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=list(keys)
    )
    return DescribeConfigsRequest(resources=[resource], include_synonyms=True)


def _set(key: str, value: str | None, name: str = "c") -> object:
    return change(TOPIC, name, (key, SET, value))


def _tell(*keys: str) -> DescribeConfigsRequest:
    return described(TOPIC, "c", *keys)


def _policy(operation: int, value: str | None) -> object:
    return change(TOPIC, "c", ("cleanup.policy", operation, value))


_POLICY = ("log.cleanup.policy", "delete")
_SEGMENT = "segment.bytes=1073741824/5/3[5:log.segment.bytes=1073741824]"
_RETENTION = "retention.ms={0}/1/5[1:retention.ms={0}]"
_LISTED = "cleanup.policy={0}/1/7[1:cleanup.policy={0} 5:log.cleanup.policy=delete]"
_DELETE = "cleanup.policy=delete/5/7[5:log.cleanup.policy=delete]"
_BROKER_OWN = "message.max.bytes=2000000/2/3[2:message.max.bytes=2000000"
_BROKER_ALL = "3:message.max.bytes=3000000 5:message.max.bytes=1048588]"
_ALL_ONLY = "message.max.bytes=3000000/3/3[3:message.max.bytes=3000000"
_MAX = "message.max.bytes"

ROWS = (
    Row("a topic to configure", create("c"), None, "0 partitions=1 factor=1"),
    Row("set", _set("retention.ms", "1000"), None, "0"),
    Row("an unknown one of its properties", _tell("nonsense"), None, "0 "),
    Row("set, told", _tell("retention.ms"), None, f"0 {_RETENTION.format(1000)}"),
    Row(
        "set, validate only",
        change(TOPIC, "c", ("retention.ms", SET, "2000"), validate_only=True),
        None,
        "0",
    ),
    Row("validate only, told", _tell("retention.ms"), None, f"0 {_RETENTION.format(1000)}"),
    Row("set, in v0", _set("retention.ms", "1500"), 0, "0"),
    Row("set of an unknown topic", _set("retention.ms", "1", "no"), None, "3"),
    Row("set of a badly named topic", _set("retention.ms", "1", "n o"), None, "17"),
    Row("set of a nameless topic", _set("retention.ms", "1", ""), None, "42"),
    Row("set to no number", _set("retention.ms", "x"), None, "40"),
    Row("set below the bound", _set("retention.ms", "-5"), None, "40"),
    Row("set a small segment", _set("segment.bytes", "14"), None, "40"),
    Row("set an unknown name", _set("nonsense", "1"), None, "40"),
    Row("delete an unknown name", change(TOPIC, "c", ("nonsense", DELETE, None)), None, "0"),
    Row("set to null", _set("retention.ms", None), None, "42"),
    Row(
        "set twice",
        change(TOPIC, "c", ("retention.ms", SET, "1"), ("retention.ms", SET, "2")),
        None,
        "42",
    ),
    Row(
        "a topic twice",
        change(TOPIC, "c", ("retention.ms", SET, "1"), times=2),
        None,
        "42,42",
    ),
    Row(
        "append to no list",
        change(TOPIC, "c", ("retention.ms", APPEND, "1")),
        None,
        "40",
    ),
    Row("append", _policy(APPEND, "compact"), None, "0"),
    Row("append, told", _tell("cleanup.policy"), None, f"0 {_LISTED.format('delete,compact')}"),
    Row("append again", _policy(APPEND, "compact"), None, "0"),
    Row("append what may not stand", _policy(APPEND, "nonsense"), None, "40"),
    Row("append null", _policy(APPEND, None), None, "42"),
    Row(
        "append again, told",
        _tell("cleanup.policy"),
        None,
        f"0 {_LISTED.format('delete,compact')}",
    ),
    Row("subtract", _policy(SUBTRACT, "delete"), None, "0"),
    Row("subtract, told", _tell("cleanup.policy"), None, f"0 {_LISTED.format('compact')}"),
    Row("subtract what is not there", _policy(SUBTRACT, "delete"), None, "0"),
    Row("subtract the last", _policy(SUBTRACT, "compact"), None, "0"),
    Row("subtract the last, told", _tell("cleanup.policy"), None, f"0 {_LISTED.format('')}"),
    Row("append several", _policy(APPEND, "compact,delete"), None, "0"),
    Row(
        "append several, told",
        _tell("cleanup.policy"),
        None,
        f"0 {_LISTED.format('compact,delete')}",
    ),
    Row("delete", _policy(DELETE, None), None, "0"),
    Row("delete, told", _tell("cleanup.policy"), None, f"0 {_DELETE}"),
    Row("delete what is not there", _policy(DELETE, "with a value"), None, "0"),
    Row("change nothing", change(TOPIC, "c"), None, "0"),
    Row(
        "set one well and one badly",
        change(TOPIC, "c", ("retention.ms", SET, "123"), ("segment.bytes", SET, "x")),
        None,
        "40",
    ),
    Row(
        "neither, told",
        _tell("retention.ms", "segment.bytes"),
        None,
        f"0 {_RETENTION.format(1500)} {_SEGMENT}",
    ),
    Row("set with spaces", _set("retention.ms", " 5000 "), None, "0"),
    Row("spaces, told", _tell("retention.ms"), None, f"0 {_RETENTION.format(5000)}"),
    Row("set of no kind", change(3, "c", ("retention.ms", SET, "1")), None, "42"),
    Row("replace", replace(TOPIC, "c", ("cleanup.policy", "compact")), None, "0"),
    Row(
        "replace, told",
        _tell("retention.ms", "cleanup.policy"),
        None,
        f"0 {_LISTED.format('compact')} retention.ms=604800000/5/5[]",
    ),
    Row(
        "replace, validate only",
        replace(TOPIC, "c", ("retention.ms", "7"), validate_only=True),
        None,
        "0",
    ),
    Row("replace by nothing, in v0", replace(TOPIC, "c"), 0, "0"),
    Row(
        "replace by nothing, told",
        _tell("retention.ms", "cleanup.policy"),
        None,
        f"0 {_DELETE} retention.ms=604800000/5/5[]",
    ),
    Row("replace by the unknown", replace(TOPIC, "c", ("nonsense", "1")), None, "40"),
    Row("replace by null", replace(TOPIC, "c", ("segment.ms", None)), None, "42"),
    Row("replace by no number", replace(TOPIC, "c", ("segment.ms", "x")), None, "40"),
    Row(
        "replace by two of a name",
        replace(TOPIC, "c", ("segment.ms", "1"), ("segment.ms", "2")),
        None,
        "42",
    ),
    Row("replace of an unknown topic", replace(TOPIC, "no", ("segment.ms", "1")), None, "3"),
    Row("replace of a badly named", replace(TOPIC, "n o", ("segment.ms", "1")), None, "17"),
    Row("replace of a nameless", replace(TOPIC, "", ("segment.ms", "1")), None, "42"),
    Row("replace of no kind", replace(3, "c", ("segment.ms", "1")), None, "42"),
    Row("set the broker's", change(BROKER, "1", (_MAX, SET, "2000000")), None, "0"),
    Row("set all brokers'", change(BROKER, "", (_MAX, SET, "3000000")), None, "0"),
    Row(
        "the broker's, told",
        described(BROKER, "1", _MAX),
        None,
        f"0 {_BROKER_OWN} {_BROKER_ALL}",
    ),
    Row(
        "the broker's, at a topic",
        _tell("max.message.bytes"),
        None,
        f"0 max.{_BROKER_OWN} {_BROKER_ALL}".replace("max.message.max", "max.message"),
    ),
    Row(
        "all brokers', told",
        described(BROKER, "", _MAX),
        None,
        f"0 {_ALL_ONLY}]",
    ),
    Row("delete the broker's", change(BROKER, "1", (_MAX, DELETE, "")), None, "0"),
    Row(
        "all brokers' remain",
        described(BROKER, "1", _MAX),
        None,
        f"0 {_ALL_ONLY} 5:message.max.bytes=1048588]",
    ),
    Row("append the broker's", change(BROKER, "1", (_POLICY[0], APPEND, "compact")), None, "0"),
    Row(
        "append the broker's, told",
        described(BROKER, "1", _POLICY[0]),
        None,
        "0 log.cleanup.policy=delete,compact/2/7[2:log.cleanup.policy=delete,compact "
        "5:log.cleanup.policy=delete]",
    ),
    Row("replace the broker's", replace(BROKER, "1", ("log.segment.bytes", "2000000")), None, "0"),
    Row(
        "replace the broker's, told",
        described(BROKER, "1", _POLICY[0], "log.segment.bytes"),
        None,
        "0 log.cleanup.policy=delete/5/7[5:log.cleanup.policy=delete] "
        "log.segment.bytes=2000000/2/3[2:log.segment.bytes=2000000 "
        "5:log.segment.bytes=1073741824]",
    ),
    Row("delete all brokers'", change(BROKER, "", (_MAX, DELETE, None)), None, "0"),
    Row("set what is fixed", change(BROKER, "1", ("num.partitions", SET, "3")), None, "42"),
    Row("set what is fixed for all", change(BROKER, "", ("node.id", SET, "3")), None, "42"),
    Row("replace by what is fixed", replace(BROKER, "1", ("num.partitions", "3")), None, "42"),
    Row("set all brokers' listeners", change(BROKER, "", ("listeners", SET, "x")), None, "42"),
    Row("set a coarser name", change(BROKER, "1", ("log.retention.hours", SET, "3")), None, "42"),
    Row("set the broker's badly", change(BROKER, "1", ("log.roll.ms", SET, "x")), None, "42"),
    Row("set the broker's to null", change(BROKER, "1", (_MAX, SET, None)), None, "42"),
    Row("set another broker's", change(BROKER, "9", (_MAX, SET, "3")), None, "42"),
    Row("set those of no broker", change(BROKER, "x", (_MAX, SET, "3")), None, "42"),
    Row("replace another broker's", replace(BROKER, "9", (_MAX, "3")), None, "42"),
    Row("delete the unknown", change(BROKER, "1", ("nonsense", DELETE, None)), None, "0"),
)
