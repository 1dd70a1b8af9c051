"""Whom a quota is for, as Admin takes and returns it: frozen values.

Read next: access.py.
Tests: tests/system/rights/test_client_access.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

from ..door import door


class QuotaName(Enum):
    """What stands in place of a name."""

    DEFAULT = "<default>"
    """Whoever has no quota of its own."""
    ANY = "<any>"
    """Only asked for: every name, and the default."""


Named: TypeAlias = str | Literal[QuotaName.DEFAULT] | None
Asked: TypeAlias = str | QuotaName | None
KINDS: Final = {"user": "user", "client-id": "client_id", "ip": "ip"}
"""Kafka's words, and the fields that have them."""


@dataclass(frozen=True, slots=True)
class ClientQuotaEntity:
    """A user, a client id, both together, or an address. KIP-546.

    Args:
        user: without "User:".
        client_id: as clients call themselves.
        ip: an address; of these only connection_creation_rate is counted (KIP-612).

    Raises:
        TypeError, ValueError: there is no such entity.
    """

    user: Named = None
    client_id: Named = None
    ip: Named = None

    def __post_init__(self) -> None:
        parts = [*self.parts()]
        for kind, name in parts:
            if name is QuotaName.ANY:
                raise ValueError(f"{KINDS[kind]}=QuotaName.ANY: that is only asked for")
        if not parts:
            raise ValueError("an entity has a user, a client_id or an ip")
        if self.ip is not None and len(parts) > 1:
            raise ValueError("an ip stands alone, without user and client_id")

    def parts(self) -> Iterator[tuple[str, str | QuotaName]]:
        """(Kafka's word, name) of each part."""
        return named_parts(self.user, self.client_id, self.ip)

    def __str__(self) -> str:
        return ", ".join(
            f"{kind} {name.value if isinstance(name, QuotaName) else name}"
            for kind, name in self.parts()
        )


def named_parts(user: Asked, client_id: Asked, ip: Asked) -> Iterator[tuple[str, str | QuotaName]]:
    """(Kafka's word, name) of what is named. Raises TypeError, ValueError."""
    for (kind, field), name in zip(KINDS.items(), (user, client_id, ip), strict=True):
        if name is None:
            continue
        if not isinstance(name, QuotaName) and not door.text(field, name):
            raise ValueError(f"{field} is empty; QuotaName.DEFAULT stands for all others")
        yield kind, name
