"""EDGE: the layers of configuration that stand outside a command line: a file, the environment.

`serve` puts its options on top; `healthcheck` learns from them where the broker listens.
Tests: tests/unit/cli/commands/test_healthcheck.py
"""

from __future__ import annotations

import os
from pathlib import Path

from ..broker.config.properties import ConfigError
from ..broker.config.properties_file import parse_properties
from ..broker.config.sources import Layer, environment_layer

VARIABLE = "MINIBROKER_CONFIG"
"""Names the file that is read where --config names none: an image's defaults."""


def standing_layers(path: str | None) -> list[Layer]:
    """The file, if there is one, and the environment. Raises ConfigError naming the file."""
    path = path or os.environ.get(VARIABLE)
    environment = environment_layer(os.environ)
    if not path:
        return [environment]
    try:
        text = Path(path).read_text(encoding="utf-8")
        return [Layer(path, parse_properties(text)), environment]
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
