"""Every command and its typical mistakes, in a terminal of 80 columns, as tests/golden keeps them.

To keep what is shown now: python -m tests.system.commands.test_command_transcript
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from minibroker.testing import ChildBroker

from tests.support.processes.terminal import transcript

KEPT = Path(__file__).parents[2] / "golden" / "commands.txt"
COLUMNS = 80
STEPS: list[tuple[str, bytes]] = [
    ("", b""),
    ("--help", b""),
    ("prodce", b""),
    ("topics", b""),
    ("topics creat orders", b""),
    ("topics create orders --partitions 0", b""),
    ("topics create orders --partitions 2 --config retention.ms=60000", b""),
    ("topics create orders", b""),
    ("topics create orders --if-not-exists", b""),
    ("topics create or/ders", b""),
    ("topics create other --config retention.m=1", b""),
    ("topics list", b""),
    ("topics describe order", b""),
    ("topics alter orders", b""),
    ("topics alter orders --partitions 1", b""),
    ("produce orders --partition 0 --key-separator :", b"k1:one\nk2:two\nthree\n"),
    ("produce orders --linger-ms x", b"x\n"),
    ("produce orders --file DIR/nothing", b""),
    ("produce orders --transaction-lines 2", b"1\n"),
    ("produce orders --acks 2", b""),
    ("topics describe orders", b""),
    ("consume orders", b""),
    ("consume orders --json --max-messages 1", b""),
    ("consume orders --offset 99", b""),
    ("consume orders --partition 9", b""),
    ("consume orders --format %z", b""),
    ("consume nothing", b""),
    ("consume orders --group g --offset 1", b""),
    ("consume orders --group billing --max-messages 2", b""),
    ("groups list --verbose", b""),
    ("groups describe --group billing", b""),
    ("groups describe --group nobody", b""),
    ("groups reset-offsets --group billing --all-topics --to-earliest", b""),
    ("groups reset-offsets --group billing --all-topics", b""),
    ("groups reset-offsets --group billing --topic orders:x --to-latest", b""),
    ("groups delete --group nobody", b""),
    ("groups delete --group billing", b""),
    ("transactions list --state Ongoing,empty", b""),
    ("transactions describe", b""),
    ("transactions describe --transactional-id nobody", b""),
    ("transactions describe --topic orders --partition 2", b""),
    ("transactions find-hanging", b""),
    ("transactions find-hanging --max-transaction-timeout x", b""),
    ("transactions abort --transactional-id nobody", b""),
    ("transactions abort --topic orders --partition 0", b""),
    ("transactions abort --topic orders --partition 0 --start-offset 7", b""),
    ("consume orders --isolation read_commited", b""),
    ("configs describe --entity-type topics --entity-name orders", b""),
    ("configs alter --entity-type topics --entity-name orders --add-config a", b""),
    ("configs alter --entity-type topics --entity-name orders --add-config retention.ms=x", b""),
    ("configs describe --entity-type users", b""),
    ("configs alter --entity-type users --add-config producer_byte_rate=9", b""),
    ("acls list", b""),
    ("acls add --topic orders --allow-principal alice", b""),
    ("acls remove", b""),
    ("explain orders:0", b""),
    ("explain orders:0 --limit 0", b""),
    ("explain nothing", b""),
    ("healthcheck", b""),
    ("healthcheck --bootstrap-server 127.0.0.1:1", b""),
    ("topics list --bootstrap-server 127.0.0.1:1", b""),
    ("topics list --bootstrap-server ::1", b""),
    ("log dump DIR/nothing", b""),
    ("demo --picture 2", b""),
    ("serve --set num.partition=3", b""),
    ("serve --durability fsink", b""),
    ("proxy --faults DIR/none.yaml", b""),
    ("topics delete orders nothing", b""),
]


def played() -> str:
    with ChildBroker() as broker, tempfile.TemporaryDirectory() as directory:
        env = {"BOOTSTRAP_SERVERS": broker.bootstrap_servers, "NO_COLOR": "1", "TERM": "xterm"}
        return transcript(STEPS, env, COLUMNS, Path(directory))


def test_commands_say_what_was_kept() -> None:
    assert played() == KEPT.read_text(encoding="utf-8")


if __name__ == "__main__":
    KEPT.write_text(played(), encoding="utf-8")
