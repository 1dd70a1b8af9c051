"""kcat as a matrix program: a run of ordinary records is one call, each odd record another.

kcat separates keys and records by delimiters and gives the same headers to all records of a call;
it tells no offsets. It is idempotent by librdkafka's setting, and by -E it goes on when a
connection is cut. READS says how a record is printed.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.interop.matrix.programs.command_line import (
    DELIVERY_TIMEOUT_S,
    GROUP,
    READ_TIMEOUT_S,
    Target,
    run,
    security,
)
from tests.interop.matrix.records import Written

KEY_DELIMITER = b"\x01\x02"
READS = "%o %K %S %h\n%k%s\n"  # offset, bytes of key and value or -1, headers; key, value
NULL_HEADER = b"NULL"


class Kcat:
    """Implements Program."""

    def version(self) -> str:
        """As installed, and the C library in it."""
        said = _kcat("-V").decode()
        found = re.search(r"Version (\S+).*?librdkafka (\S+)", said, re.DOTALL)
        return f"{found[1]}, librdkafka {found[2]}" if found else said

    def runs_on(self) -> str:
        """C."""
        return "the system"

    def write(self, target: Target, records: list[Written]) -> None:
        """One kcat after the other."""
        settings = {
            "enable.idempotence": "true",
            "batch.size": str(target.batch_bytes),
            "message.max.bytes": "1048588",
            "delivery.timeout.ms": str(DELIVERY_TIMEOUT_S * 1000),
            "reconnect.backoff.max.ms": "100",
        }
        options = [
            "-P",
            "-E",
            "-b",
            target.bootstrap,
            "-t",
            target.topic,
            "-p",
            "0",
            "-z",
            target.codec,
        ]
        for name, value in {**settings, **security()}.items():
            options += ["-X", f"{name}={value}"]
        for is_odd, run_of in itertools.groupby(records, _is_odd):
            if is_odd:
                for record in run_of:
                    _write_odd(options, record)
            else:
                lines = b"\n".join(map(_line, run_of))
                _kcat(*options, "-K", KEY_DELIMITER.decode(), stdin=lines)

    def read(self, bootstrap: str, topic: str, count: int) -> Iterator[tuple[int, Written]]:
        """One kcat from the beginning to the end of the partition."""
        shown = ["-c", str(count), "-q", "-f", READS]
        for name, value in security().items():
            shown += ["-X", f"{name}={value}"]
        if GROUP is None:
            how = ["-C", *shown, "-t", topic, "-p", "0", "-o", "beginning"]
        else:
            how = ["-G", GROUP, *shown, "-X", "auto.offset.reset=earliest", topic]
        printed = _kcat("-b", bootstrap, *how)
        position = 0
        while position < len(printed):
            end = printed.index(b"\n", position)
            offset, key_bytes, value_bytes, headers = printed[position:end].split(b" ", 3)
            key, position = _cut(printed, end + 1, int(key_bytes))
            value, position = _cut(printed, position, int(value_bytes))
            yield int(offset), Written(key, value, tuple(_headers(headers)))
            position += 1


def _is_odd(record: Written) -> bool:
    return bool(record.headers) or not record.value or b"\n" in record.value


def _line(record: Written) -> bytes:
    key = b"" if record.key is None else record.key + KEY_DELIMITER
    return key + (record.value or b"")


def _write_odd(options: list[str], record: Written) -> None:
    """A file is one whole value; an empty one is null by -Z."""
    odd = list(options) if record.value is not None else [*options, "-Z"]
    for name, value in record.headers:
        text = b"" if value is None else b"=" + value
        odd += ["-H", (name.encode() + text).decode(errors="surrogateescape")]
    if record.value and b"\n" in record.value:
        odd += ["-k", record.key.decode()] if record.key is not None else []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "value")
            file.write_bytes(record.value)
            _kcat(*odd, str(file))
    else:
        _kcat(*odd, "-K", KEY_DELIMITER.decode(), stdin=_line(record) + b"\n")


def _kcat(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["kcat", *arguments],
        input=stdin,
        capture_output=True,
        timeout=DELIVERY_TIMEOUT_S + READ_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"kcat: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _cut(printed: bytes, position: int, count: int) -> tuple[bytes | None, int]:
    if count < 0:
        return None, position
    return printed[position : position + count], position + count


def _headers(printed: bytes) -> Iterator[tuple[str, bytes | None]]:
    for each in printed.split(b",") if printed else []:
        name, _, value = each.partition(b"=")
        yield name.decode(), None if value == NULL_HEADER else value


if __name__ == "__main__":
    run(Kcat())
