"""docs/configuration.md says what the declarations say."""

from __future__ import annotations

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.topic import TOPIC_PROPERTIES

from tests.support.pages.configuration_page import PAGE, written


def test_the_page_is_what_the_properties_say() -> None:
    told = "run: python -m tests.support.pages.configuration_page"
    assert PAGE.read_text(encoding="utf-8") == written(), told


def test_every_property_says_what_it_does() -> None:
    for each in (*BrokerConfig.properties().values(), *TOPIC_PROPERTIES.values()):
        assert len(each.documentation) > 10, each.name
