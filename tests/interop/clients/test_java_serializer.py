"""EDGE: every message against Kafka's own serializer: Java reads what we write, and rewrites it.

The messages are those of tests/golden, decoded by us first, so no bytes but our own go to Java.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.codec.schema import api_of

from tests.support.processes.kafka import fetch, missing_tools
from tests.support.records.golden import Golden, golden_bodies

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
PROGRAM = Path(__file__).parents[1] / "java" / "RoundTrip.java"
TIMEOUT_S = 120


def test_java_reads_what_we_write_and_writes_the_same() -> None:
    golden = golden_bodies()
    ours = [_rewritten(each) for each in golden]
    lines = [_line(each, body) for each, body in zip(golden, ours, strict=True)]
    java = shutil.which("java")
    assert java is not None
    ended = subprocess.run(
        [java, "-cp", f"{fetch()}/*", str(PROGRAM)],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    answers = ended.stdout.splitlines()
    different = [
        f"{each}: {answer[:80]}"
        for each, body, answer in zip(golden, ours, answers, strict=True)
        if answer != body.hex()
    ]
    assert not different
    versions = {each.which for each in golden}
    print(f"{len(golden)} messages of {len(versions)} (message, version) pairs")


def _rewritten(golden: Golden) -> bytes:
    message, _ = decoder(golden.which.message, golden.which.version)(golden.body)
    return b"".join(encoder(golden.which.message, golden.which.version)(message))


def _line(golden: Golden, body: bytes) -> str:
    message = golden.which.message
    direction = "request" if message.__name__.endswith("Request") else "response"
    return f"{api_of(message).key} {golden.which.version} {direction} {body.hex()}"
