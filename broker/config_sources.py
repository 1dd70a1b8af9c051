"""Where a configuration comes from: properties file, KAFKA_* environment, options; in that order.

A name that Kafka knows and that means nothing here warns; a name nobody knows is refused with the
nearest right one, except in the environment, where it only warns (other tools set KAFKA_* too).
Older spellings are folded into one (log.dir, broker.id, log.retention.hours, ...).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .config import BrokerConfig
from .kafka_names import WITHOUT_MEANING
from .listeners import Listener, parse_listeners
from .properties import ConfigError, Value, nearest

ENVIRONMENT_PREFIX = "KAFKA_"
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_ALIASES = {"log.dir": "log.dirs", "broker.id": "node.id"}
_IN_MS = {  # coarser spellings, the finest last: it wins
    "log.retention.hours": ("log.retention.ms", _HOUR_MS),
    "log.retention.minutes": ("log.retention.ms", _MINUTE_MS),
    "log.roll.hours": ("log.roll.ms", _HOUR_MS),
}
_FLUSH_MESSAGES, _FLUSH_MS = "log.flush.interval.messages", "log.flush.interval.ms"
_CONTROLLER_NAMES, _PROTOCOL_MAP = "controller.listener.names", "listener.security.protocol.map"
_FOLDED = frozenset((*_ALIASES, *_IN_MS, _FLUSH_MESSAGES, _FLUSH_MS))
_QUIET = frozenset(
    (
        _CONTROLLER_NAMES,
        _PROTOCOL_MAP,
        "process.roles",
        "inter.broker.listener.name",
        "security.inter.broker.protocol",
    )
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings.

    Args:
        where: named in messages ("server.properties", "environment", "--set").
        texts: property name -> text.
        forgiving: unknown names warn instead of being refused.
    """

    where: str
    texts: Mapping[str, str]
    forgiving: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the layers come to, and what the user should hear."""

    config: BrokerConfig
    listeners: tuple[Listener, ...]
    warnings: tuple[str, ...]


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """The KAFKA_* variables: `___` becomes `-`, `__` becomes `_`, `_` becomes `.`."""
    texts = {}
    for variable, text in environ.items():
        if variable.startswith(ENVIRONMENT_PREFIX):
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            name = name.replace("___", "-").replace("__", "\0").replace("_", ".")
            texts[name.replace("\0", "_")] = text
    return Layer("environment", texts, forgiving=True)


def parse_properties(text: str) -> dict[str, str]:
    """A server.properties file: `name=value` lines, `#` and `!` comments, `\\` continuations."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.replace("\\\n", "").splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#!":
            continue
        name, separator, value = stripped.partition("=")
        if not separator:
            raise ConfigError(f"line {number}: expected NAME=VALUE, not {stripped!r}")
        found[name.strip()] = value.strip()
    return found


def is_kafkas(name: str) -> bool:
    """Whether Kafka knows a broker property that has no value of its own here."""
    return name in WITHOUT_MEANING or name in _FOLDED or name in _QUIET


def load(layers: Sequence[Layer]) -> Loaded:
    """The configuration the layers come to; a later layer wins.

    Raises:
        ConfigError: an unknown name, a value out of bounds, or settings that contradict each
            other; the text names the layer.
    """
    values: dict[str, Value] = {}
    extra: dict[str, str] = {}
    warnings: list[str] = []
    for layer in layers:
        try:
            values |= _layer_values(layer, extra, warnings)
        except ConfigError as error:
            raise ConfigError(f"{layer.where}: {error}") from None
    _apply_flush_interval(values, extra)
    _drop_controllers(values, extra)
    config = BrokerConfig.of(values)
    protocols = dict(
        pair.split(":", 1) for pair in extra.get(_PROTOCOL_MAP, "").split(",") if ":" in pair
    )
    listeners = parse_listeners(config.listeners, config.advertised_listeners, protocols)
    return Loaded(config, listeners, tuple(warnings))


def _layer_values(layer: Layer, extra: dict[str, str], warnings: list[str]) -> dict[str, Value]:
    properties = BrokerConfig.properties()
    values: dict[str, Value] = {}
    for coarse, (name, factor) in _IN_MS.items():
        if coarse in layer.texts:
            count = properties[name].parse(layer.texts[coarse])
            assert isinstance(count, int)
            values[name] = count * factor if count >= 0 else count
    for name, text in layer.texts.items():
        canonical = _ALIASES.get(name, name)
        if canonical in properties:
            values[canonical] = properties[canonical].parse(text)
        elif name in _QUIET or name in _FOLDED:
            extra[name] = text
        elif name in WITHOUT_MEANING:
            warnings.append(f"{layer.where}: {name} is Kafka's and has no effect here")
        else:
            unknown = f"unknown property {name}{nearest(name, (*properties, *WITHOUT_MEANING))}"
            if not layer.forgiving:
                raise ConfigError(unknown)
            warnings.append(f"{layer.where}: {unknown}")
    return values


def _apply_flush_interval(values: dict[str, Value], extra: Mapping[str, str]) -> None:
    """Kafka's flush settings in our one word: every message means fsync, any other page-cache."""
    given = [name for name in (_FLUSH_MESSAGES, _FLUSH_MS) if name in extra]
    if not given:
        return
    meant = "fsync" if extra.get(_FLUSH_MESSAGES, "").strip() == "1" else "page-cache"
    if values.setdefault("durability", meant) != meant:
        setting = f"{given[0]}={extra[given[0]]}"
        raise ConfigError(
            f"{setting} means durability={meant}, which contradicts "
            f"durability={values['durability']}: drop one of the two"
        )


def _drop_controllers(values: dict[str, Value], extra: Mapping[str, str]) -> None:
    """A KRaft file also lists its controller's listener; there is no controller here."""
    names = {name.strip() for name in extra.get(_CONTROLLER_NAMES, "").split(",")}
    listeners = values.get("listeners")
    if isinstance(listeners, tuple):
        values["listeners"] = tuple(
            text for text in listeners if text.partition("://")[0] not in names
        )
