"""EDGE: the directory of a graduation: how far it has come, and what it has written.

    plan.json          which clusters, which step is done, where the logs ended at the switch
    verified.json      how far all is the same (comparing/state_file.py)
    mirror.properties  for MirrorMaker
    secrets.properties what is secret of it, if anything is

The last two are their owner's alone. Each file is replaced as a whole: whatever ends the process,
the step is done or is not.
Tests: tests/system/commands/test_graduate.py
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from ..comparing.state_file import replace_text
from ..terminal.running import CommandFailed, WrongUsage
from .mirror_properties import MirrorFiles

FORMAT = 1
OWNERS_ALONE = 0o600


class Step(StrEnum):
    """What has been done last."""

    NOTHING = "nothing"
    MIRRORED = "mirrored"  # the mirror has caught up at least once
    SWITCHED = "switched"  # producers may write to the new cluster
    MOVED = "moved"  # groups stand in the new cluster


@dataclass(slots=True)
class Plan:
    """A graduation that is on its way.

    Attributes:
        old, new: ids of the clusters.
        ends: of each partition that was mirrored, [topic, number, end]: where it ended in the old
            cluster at the switch.
        groups: that have been moved.
        topics: that are mirrored.
        only_topics, only_groups: those that were named at the beginning; None for all.
    """

    old: str
    new: str
    step: Step = Step.NOTHING
    ends: list[tuple[str, int, int]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    only_topics: list[str] | None = None
    only_groups: list[str] | None = None


class Kept:
    """The files of one graduation.

    Raises:
        WrongUsage: the directory holds another one.
    """

    def __init__(self, directory: Path, old: str, new: str) -> None:
        self._directory = directory
        self._path = directory / "plan.json"
        self.verified = directory / "verified.json"
        self.mirror = directory / "mirror.properties"
        self.secrets = directory.absolute() / "secrets.properties"
        self.plan = Plan(old, new)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise WrongUsage(f"--directory {directory}: {error}") from None
        if document.pop("format", None) != FORMAT:
            raise WrongUsage(f"--directory {directory}: plan.json is of another version")
        if (document["old"], document["new"]) != (old, new):
            raise WrongUsage(
                f"--directory {directory}: holds the way from {document['old']} to "
                f"{document['new']}; name another directory"
            )
        document["step"] = Step(document["step"])
        document["ends"] = [(topic, number, end) for topic, number, end in document["ends"]]
        self.plan = Plan(**document)

    def save(self) -> None:
        """Write down how far it has come. Raises CommandFailed: it is as it was."""
        self._replace(self._path, json.dumps({"format": FORMAT, **asdict(self.plan)}))

    def write_mirror(self, files: MirrorFiles) -> bool:
        """Write the mirror's configuration, unless it is there. Whether it was written.

        Raises:
            CommandFailed: it could not be.
        """
        texts = {self.secrets: files.secrets, self.mirror: files.mirror}
        changed = [path for path, text in texts.items() if _text_of(path) != text]
        old_mask = os.umask(~OWNERS_ALONE & 0o777)
        try:
            for path in changed:
                self._replace(path, texts[path])
        finally:
            os.umask(old_mask)
        return bool(changed)

    def _replace(self, path: Path, text: str) -> None:
        try:
            replace_text(path, text)
        except OSError as error:
            raise CommandFailed(f"{path}: {error.strerror}") from None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):  # not as we write it: written anew, which says what is wrong
        return "?"
