"""The numbers of access control: on what, how named, what is done, allowed or denied.

Used by broker, client and commands alike. A peer may name numbers that stand in none of these;
UNKNOWN is what they become where they are shown, and is never sent.
Source: ResourceType, PatternType, AclOperation, AclPermissionType (Java); KIP-11, KIP-290.
Tests: tests/unit/broker/cluster/test_acls.py
"""

from enum import IntEnum


class AclResourceType(IntEnum):
    """What a right is about."""

    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class PatternType(IntEnum):
    """How names are told; ANY and MATCH only in filters."""

    UNKNOWN = 0
    ANY = 1
    MATCH = 2  # every pattern that is about the name: itself, its prefixes, "*"
    LITERAL = 3  # the name itself; "*" is every name
    PREFIXED = 4


class AclOperation(IntEnum):
    """What is done; also the bits of `authorized_operations`."""

    UNKNOWN = 0
    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14
    TWO_PHASE_COMMIT = 15


class AclPermission(IntEnum):
    """Whether a rule allows or denies."""

    UNKNOWN = 0
    ANY = 1
    DENY = 2
    ALLOW = 3


CLUSTER_NAME = "kafka-cluster"
"""The only name that a CLUSTER resource has."""
WILDCARD = "*"
"""As a literal name: every name. As a host: every host."""
EVERYBODY = "User:*"
