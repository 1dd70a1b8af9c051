"""ssl.principal.mapping.rules: from a certificate's name to the name of a user.

    RULE:^CN=(.*?),OU=users.*$/$1/L, DEFAULT

The first rule that matches the whole name gives the user's; L and U make it small or large.
Source: SslPrincipalMapper.java; KIP-371. Tests: tests/unit/broker/security/test_principal_rules.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config.properties import ConfigError

_NAME = "ssl.principal.mapping.rules"
_RULE = re.compile(
    r"\s*(?:(?P<default>DEFAULT)"
    r"|RULE:(?P<pattern>(?:\\.|[^\\/])*)/(?P<replacement>(?:\\.|[^\\/])*)/(?P<case>[LU]?)"
    r"|(?P<nothing>))\s*(?:,|$)"
)
_GROUP = re.compile(r"\\(?P<escaped>.)|\$(?P<number>\d)")


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    replacement: str
    case: str

    def apply(self, name: str) -> str | None:
        match = self.pattern.fullmatch(name)
        if match is None:
            return None

        def filled(found: re.Match[str]) -> str:
            number = found["number"]
            if number is None:
                return found["escaped"]
            if int(number) > self.pattern.groups:
                return found[0]
            return match[int(number)] or ""

        result = _GROUP.sub(filled, self.replacement)
        if self.case:
            return result.lower() if self.case == "L" else result.upper()
        return result


class PrincipalRules:
    """The rules of a listener.

    Raises:
        ConfigError: a text that is no rule, or whose pattern is none.
    """

    def __init__(self, text: str) -> None:
        self._rules: list[_Rule | None] = []
        position = 0
        while position < len(text):
            match = _RULE.match(text, position)
            if match is None or match.end() == position:
                raise ConfigError(
                    f"{_NAME}={text}: at {text[position : position + 40]!r} stands no "
                    "RULE:pattern/replacement/[LU] and no DEFAULT"
                )
            position = match.end()
            if match["default"]:
                self._rules.append(None)
            elif match["pattern"] is not None:
                self._rules.append(_rule(match))
        if not self._rules:
            self._rules.append(None)

    def name_of(self, distinguished_name: str) -> str | None:
        """The user of a certificate; None if no rule matches, which lets nobody in."""
        for rule in self._rules:
            name = distinguished_name if rule is None else rule.apply(distinguished_name)
            if name is not None:
                return name
        return None


def _rule(match: re.Match[str]) -> _Rule:
    try:
        pattern = re.compile(match["pattern"].replace("\\/", "/"))
    except re.error as error:
        raise ConfigError(f"{_NAME}: {match['pattern']!r} is no pattern: {error}") from None
    return _Rule(pattern, match["replacement"], match["case"])
