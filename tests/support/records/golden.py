"""The committed frames of a foreign serializer, as tests want them."""

from __future__ import annotations

from typing import NamedTuple

from tests.golden.write_frames import FOLDER
from tests.support.records.messages import KAFKAS, Versioned


class Golden(NamedTuple):
    """One message body that kio wrote."""

    which: Versioned
    shape: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.which}-{self.shape}"


def golden_bodies() -> list[Golden]:
    """All of tests/golden/frames."""
    by_name = {(which.message.__name__, which.version): which for which in KAFKAS}
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                name, version, shape, body = line.split(" ")
                found.append(Golden(by_name[name, int(version)], shape, bytes.fromhex(body)))
    return found
