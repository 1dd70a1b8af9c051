"""Where a configuration comes from: properties file, KAFKA_* environment, options; in that order.

A name that Kafka knows and that means nothing here warns; a name nobody knows is refused with the
nearest right one, except in the environment, where it only warns (other tools set KAFKA_* too).
Older spellings are folded into one (log.dir, broker.id, log.retention.hours, ...).
Tests: tests/unit/broker/config/test_config.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...protocol.configs import ConfigType
from .broker import BrokerConfig
from .kafka_names import WITHOUT_MEANING
from .listener_security import PREFIX, listener_security, property_of, security_properties
from .listeners import Listener, parse_listeners
from .properties import LONG_MAX, ConfigError, Property, Value, nearest
from .topic import check_codec

ENVIRONMENT_PREFIX = "KAFKA_"
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_ALIASES = {"log.dir": "log.dirs", "broker.id": "node.id"}
_IN_MS = {  # coarser spellings, the finest last: it wins
    "log.retention.hours": ("log.retention.ms", _HOUR_MS),
    "log.retention.minutes": ("log.retention.ms", _MINUTE_MS),
    "log.roll.hours": ("log.roll.ms", _HOUR_MS),
}
_FLUSH_MESSAGES, _FLUSH_MS = "log.flush.interval.messages", "log.flush.interval.ms"
_INT, _LONG = ConfigType.INT, ConfigType.LONG
_FLUSH_INTERVALS: dict[Property, dict[Value, str]] = {
    Property(name=_FLUSH_MESSAGES, type=_LONG, default=LONG_MAX, documentation="", at_least=1): {
        1: "fsync",
        LONG_MAX: "page-cache",
    },
    Property(name=_FLUSH_MS, type=_LONG, default=None, documentation=""): {LONG_MAX: "page-cache"},
}
_PROPERTY_AT_START = re.compile(r"[a-z][a-z0-9.]*")
_HOST = re.compile(r"://(\[[^\]]*\]|[^:]*):")
# What would change what is stored, and is not done.
_NOT_DONE = {"remote.log.storage.system.enable": "true"}
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
        forgiving: the environment: unknown names warn instead of being refused.
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
    own: dict[str, Value] = {}
    warnings: list[str] = []
    origins: dict[str, str] = {}
    for layer in layers:
        try:
            found = _layer_values(layer, extra, own, warnings)
        except ConfigError as error:
            raise ConfigError(f"{layer.where}: {error}") from None
        values |= found
        origins |= dict.fromkeys((*found, *layer.texts), layer.where)
        if layer.forgiving:
            _derive_listeners(values, found)
    try:
        _apply_flush_interval(values, extra)
        _drop_controllers(values, extra)
        config = BrokerConfig.of(values)
        check_codec("compression.type", config.compression_type)
        listeners = parse_listeners(
            config.listeners,
            config.advertised_listeners,
            _protocols(extra),
            lambda name, protocol: listener_security(name, protocol, config, own),
        )
    except ConfigError as error:
        named = _PROPERTY_AT_START.match(str(error))
        where = origins.get(named[0]) if named is not None else None
        raise ConfigError(f"{where}: {error}" if where else str(error)) from None
    if "compact" in config.log_cleanup_policy:
        warnings.append("log.cleanup.policy: nothing is compacted here; every record stays")
    if config.min_insync_replicas > 1:
        warnings.append(
            f"min.insync.replicas={config.min_insync_replicas}: a partition has one replica here,"
            " and acks=all is answered when that one has the batch"
        )
    warnings += (text for each in listeners for text in each.security.warnings)
    warnings += _strays(own, listeners)
    return Loaded(config, listeners, tuple(warnings))


def _strays(own: Mapping[str, Value], listeners: Sequence[Listener]) -> Iterator[str]:
    """What is said of properties that belong to no listener."""
    prefixes = tuple(f"{PREFIX}{each.name.lower()}." for each in listeners)
    for name in own:
        if not name.startswith(prefixes):
            yield f"{name}: there is no such listener among {', '.join(e.name for e in listeners)}"


def _protocols(extra: Mapping[str, str]) -> dict[str, str]:
    pairs = (pair.strip() for pair in extra.get(_PROTOCOL_MAP, "").split(",") if ":" in pair)
    return dict(pair.split(":", 1) for pair in pairs)


def _derive_listeners(values: dict[str, Value], found: Mapping[str, Value]) -> None:
    """Where to listen by what is advertised, as the apache/kafka image has it: on any address.

    The environment names one of the two; a file below it has listeners of its own, which do not
    go with it.
    """
    advertised = found.get("advertised.listeners")
    if "listeners" in found:
        if advertised is None:
            values.pop("advertised.listeners", None)
    elif isinstance(advertised, tuple):
        values["listeners"] = tuple(_HOST.sub("://0.0.0.0:", text, 1) for text in advertised)


def _layer_values(
    layer: Layer, extra: dict[str, str], own: dict[str, Value], warnings: list[str]
) -> dict[str, Value]:
    properties = BrokerConfig.properties()
    values: dict[str, Value] = {}
    for coarse, (name, factor) in _IN_MS.items():
        if coarse in layer.texts:
            count = replace(properties[name], name=coarse, type=_INT).parse(layer.texts[coarse])
            assert isinstance(count, int)
            values[name] = count * factor if count >= 0 else count
    for name, text in layer.texts.items():
        canonical = _ALIASES.get(name, name)
        if canonical in properties:
            values[canonical] = properties[canonical].parse(text)
        elif name.startswith(PREFIX) and not _is_idle(name):
            try:
                behind = property_of(name)
            except ConfigError as error:
                if not layer.forgiving:
                    raise
                warnings.append(f"{layer.where}: {error}")
                continue
            own[name] = replace(properties[behind], name=name).parse(text)
        elif name in _QUIET or name in _FOLDED:
            extra[name] = text
        elif name in WITHOUT_MEANING or name.startswith(PREFIX):
            warnings.append(f"{layer.where}: {name} is Kafka's and has no effect here")
        else:
            known = (*properties, *WITHOUT_MEANING, *_FOLDED, *_QUIET)
            if not layer.forgiving:
                raise ConfigError(f"unknown property {name}{nearest(name, known)}")
            variable = _variable(name)
            hint = nearest(variable, [_variable(each) for each in known])
            warnings.append(f"{layer.where}: {variable} names no property{hint}")
        if name in _NOT_DONE and text.strip().lower() == _NOT_DONE[name]:
            raise ConfigError(f"{name}={text}: that is not done here; leave it out")
    return values


def _is_idle(name: str) -> bool:
    """Whether a property of one listener is Kafka's, and without meaning for one or at all."""
    parts = name.removeprefix(PREFIX).split(".")
    ends = {".".join(parts[at:]) for at in range(1, len(parts))}
    return not ends & security_properties().keys() and bool(
        ends & (WITHOUT_MEANING | BrokerConfig.properties().keys())
    )


def _variable(name: str) -> str:
    """The environment variable of a property."""
    name = name.replace("_", "__").replace("-", "___").replace(".", "_")
    return ENVIRONMENT_PREFIX + name.upper()


def _apply_flush_interval(values: dict[str, Value], extra: Mapping[str, str]) -> None:
    """Kafka's flush settings in our one word: every message means fsync, never page-cache."""
    for prop, meanings in _FLUSH_INTERVALS.items():
        if prop.name not in extra:
            continue
        count = prop.parse(extra[prop.name])
        if count not in meanings:
            raise ConfigError(
                f"{prop.name}={count}: here a flush comes before every acknowledgement"
                f" ({_FLUSH_MESSAGES}=1, which is durability=fsync) or never"
                f" ({LONG_MAX}, durability=page-cache)"
            )
        if values.setdefault("durability", meanings[count]) != meanings[count]:
            raise ConfigError(
                f"{prop.name}={count} means durability={meanings[count]}, which contradicts "
                f"durability={values['durability']}: drop one of the two"
            )


def _drop_controllers(values: dict[str, Value], extra: Mapping[str, str]) -> None:
    """A KRaft file also lists its controller's listener; there is no controller here."""
    names = {name.strip() for name in extra.get(_CONTROLLER_NAMES, "").split(",")}
    for prop in ("listeners", "advertised.listeners"):
        texts = values.get(prop)
        if isinstance(texts, tuple):
            values[prop] = tuple(text for text in texts if text.partition("://")[0] not in names)
