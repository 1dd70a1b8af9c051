"""Writes docs/configuration.md from the properties' declarations; a test holds them together.

python -m tests.support.pages.configuration_page
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.kafka_names import WITHOUT_MEANING
from minibroker.broker.config.properties import Property
from minibroker.broker.config.topic import TOPIC_PROPERTIES
from minibroker.protocol.configs import ConfigType

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"

OPENING = """# Configuration

Written from the code by `python -m tests.support.pages.configuration_page`; a test holds both
together.

Names, types and defaults are Apache Kafka's; `durability` and `replication.factor.lenient` are
ours, and so is `transaction.version` as a property: in Kafka it is a feature (`kafka-features.sh`).
Values come, each overriding those before, from

1. the defaults below,
2. a `server.properties` file (`--config FILE`, in Java's full syntax; the file of an Apache
   Kafka starts as it is),
3. the environment: `KAFKA_` and the name in capitals, `_` for `.`, `___` for `-`, `__` for `_`:
   `KAFKA_NUM_PARTITIONS=3`,
4. options: `--set NAME=VALUE`, and `--listeners`, `--advertised-listeners`, `--log-dirs`,
   `--durability`.

A misspelt name is refused with the nearest right one; in the environment it only warns, since
other tools set `KAFKA_*` too. A value that would change what is stored or acknowledged is done,
or refused. Topics override the properties of the second table (`minibroker topics create
--config`, `minibroker topics alter --config`). Those marked *dynamic* change while the broker
runs: `minibroker configs alter --entity-type brokers --entity-name 1 --add-config NAME=VALUE`;
such changes hold at once and after a restart.
"""
TOPICS = """ ## Properties of topics

"Default from" names the broker's property whose value a topic takes that has none of its own.
"""
NAMES = """ ## Names that mean nothing here

These are Apache Kafka's, belong to what one node without replication, security or a controller
quorum does not have, and are accepted with a warning:
"""


def written() -> str:
    """The page."""
    brokers = BrokerConfig.properties().values()
    parts = [
        OPENING,
        "\n## Properties of the broker\n\n",
        _table(
            ("Property", "Default", "Values", "Dynamic", "What it does"),
            (
                (
                    f"`{each.name}`",
                    _default(each),
                    _values(each),
                    "yes" if each.dynamic else "",
                    _does(each),
                )
                for each in sorted(brokers, key=lambda each: each.name)
            ),
        ),
        TOPICS,
        "\n",
        _table(
            ("Property", "Default", "Default from", "Values", "What it does"),
            (
                (
                    f"`{each.name}`",
                    _default(each),
                    f"`{each.broker_name}`" if each.broker_name else "",
                    _values(each),
                    _does(each),
                )
                for each in TOPIC_PROPERTIES.values()
            ),
        ),
        NAMES,
        "\n",
        ", ".join(f"`{name}`" for name in sorted(WITHOUT_MEANING)),
        ".\n",
    ]
    return "".join(parts)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    first = [*heads]
    lines = [first, ["---"] * len(first), *([*row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _default(prop: Property) -> str:
    text = prop.format(prop.default)
    return "none" if text in (None, "") else f"`{text}`"


def _values(prop: Property) -> str:
    if prop.choices:
        return ", ".join(f"`{each}`" for each in prop.choices)
    kind = prop.type.name.lower()
    if prop.type in (ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.LIST):
        return {"boolean": "`true`, `false`", "string": "text", "list": "texts, by commas"}[kind]
    low, high = _number(prop.at_least), _number(prop.at_most)
    bounds = (
        f"{low} to {high}"
        if low and high
        else f"{low} or more"
        if low
        else f"up to {high}"
        if high
        else kind
    )
    but = f", not {', '.join(map(str, prop.excluded))}" if prop.excluded else ""
    return bounds + but


def _number(bound: float | None) -> str:
    return "" if bound is None else f"{bound:g}" if bound != int(bound) else str(int(bound))


def _does(prop: Property) -> str:
    text = prop.documentation if prop.used else f"Nothing here. {prop.documentation}"
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
