"""JAAS lines: `MODULE FLAG name="value" ...;`, as Kafka's sasl.jaas.config has them.

Source: JaasConfig.java of Kafka, which reads with Java's StreamTokenizer: values stand in double or
single quotes, with its escapes. Tests: tests/unit/broker/security/test_jaas.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config.properties import ConfigError, Secret

_TOKEN = re.compile(
    r"""\s*(?:"(?P<double>(?:\\.|[^"\\\n])*)"|'(?P<single>(?:\\.|[^'\\\n])*)'"""
    r"""|(?P<word>[A-Za-z0-9_.$-]+)|(?P<sign>[=;]))""",
    re.DOTALL,
)
_FLAGS = ("required", "requisite", "sufficient", "optional")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True, repr=False)
class LoginModule:
    """What a line says; its repr shows no option.

    Attributes:
        module: the Java class.
        options: the values by name.
    """

    module: str
    options: dict[str, str]

    def __repr__(self) -> str:
        return f"LoginModule({self.module})"


def parse_jaas(name: str, line: Secret) -> LoginModule:
    """The one login module of a line.

    Args:
        name: of the property, for messages.

    Raises:
        ConfigError: that is no such line; the text shows nothing of it.
    """
    tokens = _tokens(name, line.reveal())
    if len(tokens) < 3 or tokens[-1] != (";", True) or tokens[1][0].lower() not in _FLAGS:
        raise ConfigError(
            f'{name}: expected MODULE required name="value" ...; and the ; at its end'
        )
    options: dict[str, str] = {}
    rest = tokens[2:-1]
    while rest:
        if len(rest) < 3 or rest[0][1] or rest[1] != ("=", True) or rest[2][1]:
            raise ConfigError(f'{name}: option {len(options) + 1} is not name="value"')
        options[rest[0][0]] = rest[2][0]
        rest = rest[3:]
    return LoginModule(tokens[0][0], options)


def plain_users(name: str, line: Secret) -> dict[str, str]:
    """The passwords of a line of PLAIN, by user.

    Raises:
        ConfigError: that is no such line, or a user has no password.
    """
    options = parse_jaas(name, line).options
    users = {
        key.removeprefix("user_"): password
        for key, password in options.items()
        if key.startswith("user_")
    }
    if "" in users or "" in users.values():
        raise ConfigError(f'{name}: a user or a password is empty; expected user_NAME="PASSWORD"')
    return users


def _tokens(name: str, text: str) -> list[tuple[str, bool]]:
    """The words, values and signs of a line; whether each is a sign."""
    found, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigError(f"{name}: a quote is missing, or a character is out of place")
        position = match.end()
        quoted = match["double"] if match["double"] is not None else match["single"]
        if quoted is not None:
            found.append((re.sub(r"\\(.)", _unescaped, quoted, flags=re.DOTALL), False))
        else:
            found.append((match["word"] or match["sign"], match["word"] is None))
    return found


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])
