"""The numbers of configuration requests: what has one, what is done, what a value is and whence.

Used by broker, client and commands alike. A peer may name numbers that stand in none of these.
Source: ConfigResource.Type, AlterConfigOp.OpType, DescribeConfigsResponse.ConfigSource and
DescribeConfigsResponse.ConfigType (Java).
Tests: tests/unit/broker/cluster/test_config_changes.py
"""

from enum import Enum, IntEnum


class ResourceType(IntEnum):
    """What a configuration belongs to. KIP-133, KIP-412, KIP-714, KIP-848."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class AlterOperation(IntEnum):
    """What is done to a property; the last two are for lists. KIP-339."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class ConfigSource(Enum):
    """Where a value comes from."""

    UNKNOWN = 0
    DYNAMIC_TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_BROKER_LOGGER_CONFIG = 6
    CLIENT_METRICS_CONFIG = 7
    GROUP_CONFIG = 8


class ConfigType(IntEnum):
    """What a value is; UNKNOWN where the broker does not tell. KIP-569."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9
