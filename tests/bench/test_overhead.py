"""What `make bench ARGS=--overhead` takes out of the broker is there to be taken out."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.bench.parts.overhead import TAKEN_OUT, code_without


@pytest.mark.parametrize(
    ("part", "module"), [(part, module) for part, some in TAKEN_OUT.items() for module in some]
)
def test_every_piece_is_there_once(part: str, module: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    assert code_without(part, module, spec.origin)
