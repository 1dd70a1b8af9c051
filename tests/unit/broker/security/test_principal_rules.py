"""ssl.principal.mapping.rules: the first rule that matches the whole name."""

from __future__ import annotations

import pytest
from minibroker.broker.config.properties import ConfigError
from minibroker.broker.security.principal_rules import PrincipalRules

NAME = "CN=Duke,OU=ServiceUsers,O=Org,C=US"


@pytest.mark.parametrize(
    ("rules", "user"),
    [
        ("DEFAULT", NAME),
        ("", NAME),
        ("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "Duke"),
        ("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L", "duke"),
        ("RULE:^CN=(.*?),.*$/$1@org/U", "DUKE@ORG"),
        ("RULE:CN=/x/,DEFAULT", NAME),  # it must match all of the name
        (
            "RULE:^CN=x$/x/ , RULE:^CN=(.*?), *OU=(.*?), *O=.*$/$1@$2/ , DEFAULT",
            "Duke@ServiceUsers",
        ),
        ("RULE:^.*$/a\\/b$7/", "a/b$7"),
        ("RULE:^CN=x$/x/", None),
    ],
)
def test_a_name_becomes_a_user(rules: str, user: str | None) -> None:
    assert PrincipalRules(rules).name_of(NAME) == user


@pytest.mark.parametrize("rules", ["garbage", "RULE:a", "RULE:a/b/X", "DEFAULT RULE:", "RULE:(/b/"])
def test_what_is_no_rule_is_refused(rules: str) -> None:
    with pytest.raises(ConfigError, match="mapping"):
        PrincipalRules(rules)
