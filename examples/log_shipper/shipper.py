"""A log shipper: lines of a growing, rotated file become records, each once, though it is killed.

app.log is written by somebody else, renamed to app.log.1 when it is large (app.log.1 to app.log.2,
and so on), and begun anew. A file is known by its inode and its first line, wherever it is renamed
to; the mark is the byte position behind a line. Keep rotated files until they are shipped.

    python shipper.py FILE SERVERS TOPIC SESSION
"""

import os
import signal
import sys
import threading
import zlib
from pathlib import Path

from minibroker.client.blocking import Producer

POLL_S = 0.1


def generations(file: Path) -> list[Path]:
    """The rotated files, the oldest first, and the one that is written."""
    rotated = [each for each in file.parent.glob(f"{file.name}.*") if each.suffix[1:].isdecimal()]
    return [*sorted(rotated, key=lambda each: -int(each.suffix[1:])), file]


def ship(file: Path, producer: Producer, topic: str, sent: dict[str, int]) -> None:
    """Send every whole line that is new.

    Args:
        sent: how far each file has been sent by this process; the marks follow a moment later.
    """
    for each in generations(file):
        try:
            lines = each.open("rb")
        except FileNotFoundError:
            continue  # renamed just now: the next look finds it
        with lines:
            first = lines.readline()
            if not first.endswith(b"\n"):
                continue
            # An inode is used again when a file is deleted: its first line tells them apart.
            source = f"{file.name} {os.fstat(lines.fileno()).st_ino} {zlib.crc32(first):08x}"
            position = lines.seek(sent.get(source, producer.session.marks.get(source, 0)))
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # somebody is writing it
                position += len(line)
                producer.send(topic, line[:-1], mark=(source, position))
            sent[source] = position


def main(file: str, servers: str, topic: str, session: str) -> None:
    """Ship until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sent: dict[str, int] = {}
    with Producer(servers, session=session) as producer:
        while not stop.wait(POLL_S):
            ship(Path(file), producer, topic, sent)
        ship(Path(file), producer, topic, sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
