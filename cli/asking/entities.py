"""Whom `--entity-type`, `--entity-name` and `--entity-default` of `configs` mean.

As in kafka-configs the options may come several times, and the first name belongs to the first
type: `--entity-type users --entity-name alice --entity-type clients --entity-default`.
Source: ConfigCommand.scala.
Tests: tests/unit/cli/asking/test_entities.py
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import NamedTuple

from ...client.administer.quota_entities import ClientQuotaEntity, Named, QuotaName
from ..terminal.running import WrongUsage

PROPERTIES = ("topics", "brokers")
QUOTAS = {"users": "user", "clients": "client_id", "ips": "ip"}
KINDS = (*PROPERTIES, *QUOTAS)


class Default:
    """Stands in the place of a name."""


DEFAULT = Default()
Name = str | Default


class Entity(NamedTuple):
    """What is meant.

    Args:
        kinds: those that were named.
        names: of the first of them; fewer, or none: all there are.
    """

    kinds: tuple[str, ...]
    names: tuple[Name, ...]

    @property
    def has_quotas(self) -> bool:
        """Whether it has quotas, and no properties."""
        return self.kinds[0] in QUOTAS

    @property
    def kind(self) -> str:
        """Of one that has properties."""
        return self.kinds[0]

    @property
    def quota_names(self) -> dict[str, str | QuotaName]:
        """By field of ClientQuotaEntity; ANY where no name was given."""
        found: dict[str, str | QuotaName] = {QUOTAS[kind]: QuotaName.ANY for kind in self.kinds}
        for kind, name in zip(self.kinds, self.names, strict=False):
            found[QUOTAS[kind]] = QuotaName.DEFAULT if isinstance(name, Default) else name
        return found

    @property
    def quota_entity(self) -> ClientQuotaEntity:
        """The one that is meant. Raises WrongUsage."""
        if len(self.names) < len(self.kinds):
            raise WrongUsage("each --entity-type needs an --entity-name, or --entity-default")
        names: dict[str, Named] = {
            field: name if name is QuotaName.DEFAULT else str(name)
            for field, name in self.quota_names.items()
        }
        return ClientQuotaEntity(**names)


def add_entity(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--entity-type",
        choices=KINDS,
        metavar="TYPE",  # all of them do not fit into a line of the usage
        action="append",
        required=True,
        help=f"what it is about: {', '.join(KINDS)}; users and clients together are both at once",
    )
    parser.add_argument(
        "--entity-name",
        metavar="NAME",
        dest="entity_names",
        action="append",
        help="a topic, a broker's id, a user, a client id, an address",
    )
    parser.add_argument(
        "--entity-default",
        dest="entity_names",
        action="append_const",
        const=DEFAULT,
        help="what holds for every broker, or for whoever has no quota of its own",
    )


def entity_of(args: Namespace) -> Entity:
    """What is meant. Raises WrongUsage."""
    kinds, names = tuple(args.entity_type), tuple(args.entity_names or ())
    if len({*kinds}) < len(kinds):
        raise WrongUsage("each --entity-type stands once")
    if len(names) > len(kinds):
        raise WrongUsage("give one --entity-name or --entity-default for each --entity-type")
    if len(kinds) > 1 and {*kinds} != {"users", "clients"}:
        raise WrongUsage("only users and clients go together")
    if kinds == ("topics",) and DEFAULT in names:
        raise WrongUsage("topics have no default of their own; --entity-type brokers has")
    return Entity(kinds, names)
