"""What a comparison keeps: whole or as before, and only ever used for what it is of."""

from __future__ import annotations

from pathlib import Path

import pytest
from minibroker.cli.comparing.pairing import Verified
from minibroker.cli.comparing.state_file import load, save
from minibroker.cli.terminal.running import WrongUsage
from minibroker.client import TopicPartition

KEY = {"a": "one", "b": "other", "by": "order"}
KEPT = {
    TopicPartition("t", 0): ("ids", Verified((7, 9), 7, [(3, 4, 3)], 2000)),
    TopicPartition("t", 1): ("ids", Verified((0, 0))),
}


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert load(path, KEY) == {}
    save(path, KEY, KEPT)
    assert load(path, KEY) == KEPT
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_what_is_of_something_else_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save(path, KEY, KEPT)
    with pytest.raises(WrongUsage, match="of another comparison"):
        load(path, {**KEY, "b": "third"})
    for text in ("", "{", "[]", '{"kind": "something"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(WrongUsage, match="--state"):
            load(path, KEY)
        assert path.read_text(encoding="utf-8") == text
    with pytest.raises(WrongUsage, match="--state"):
        save(tmp_path / "missing" / "state", KEY, KEPT)
