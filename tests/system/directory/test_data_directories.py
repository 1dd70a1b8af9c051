"""EDGE: foreign, half, copied, restored, renamed, linked, read-only contents of a data directory.

Whatever a start makes of them: what is not the broker's own bookkeeping is as it was before, name
by name, byte by byte, mode by mode. `log check` foretells the start and changes nothing at all.
Where a start refuses, the commands that its words name are run to the letter until it starts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from minibroker.broker.storage.port import DamagedLog, DirectoryRefused, StorageError
from minibroker.cli.main import main

from tests.support.directories import data_directories as directories
from tests.support.directories.data_directories import (
    METADATA,
    OFFSETS,
    RECORDS,
    Tree,
    copy_tree,
    full_directory,
    logs_in,
    not_ours,
    snapshot,
    start,
)
from tests.support.directories.spoilt_directories import (
    a_copy_beside_it,
    a_deletion_that_cannot_be_finished,
    a_first_start_cut_short,
    a_home,
    a_lock_that_is_a_link,
    a_mark_that_is_a_pipe,
    a_newer_format,
    a_partition_copied,
    a_partition_damaged,
    a_partition_exchanged,
    a_partition_of_another_broker,
    a_partition_on_another_disk,
    a_partition_renamed,
    a_partition_too_many,
    a_partition_without_id_or_topic,
    an_empty_mark,
    an_older_metadata,
    an_older_partition,
    another_clusters_metadata,
    as_it_was_left,
    checkpoints_gone,
    deletions_nobody_has_recorded,
    foreign_directories,
    foreign_files,
    foreign_files_among_ours,
    ids_gone,
    kafkas,
    kafkas_without_its_mark,
    links_pipes,
    lost_and_found,
    metadata_damaged,
    metadata_gone,
    nothing,
    offsets_damaged,
    offsets_gone,
    partitions_alone,
    without_its_mark,
)

REFUSALS = (DirectoryRefused, DamagedLog, StorageError)
ALL = {"orders-0": RECORDS, "orders-1": RECORDS, "billing-0": RECORDS}
COMMAND = re.compile(r"`minibroker (log (?:adopt|set-aside) [^`]+)`")
STEPS_MAX = 4
Case = Callable[[Path, Path], None]
"""(the directory, which holds full_directory; another place)."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_directory(tmp_path_factory.mktemp("full") / "data")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another broker's directory with topics of the same names."""
    return full_directory(tmp_path_factory.mktemp("other") / "data", seed=99)


@pytest.fixture
def root(tmp_path: Path, full: Path) -> Path:
    copy_tree(full, tmp_path / "data")
    return tmp_path / "data"


LEFT_ALONE = r"left alone, because it is not of this broker: "
STARTS: list[tuple[Case, str, dict[str, int]]] = [
    (nothing, "", {}),
    (lost_and_found, "", {}),
    (a_first_start_cut_short, "", {}),
    (as_it_was_left, "", ALL),
    (without_its_mark, "", ALL),
    (
        foreign_files,
        LEFT_ALONE + r"README, bad\nname-0, old.log, orders-0.bak, report-2024",
        ALL,
    ),
    (
        foreign_directories,
        LEFT_ALONE + r"-7, empty-0, orders-0.tmp, photos-delete, report-",
        ALL,
    ),
    (foreign_files_among_ours, "", ALL),
    (
        deletions_nobody_has_recorded,
        LEFT_ALONE + r"orders-0.ab.*-delete, orders-0.abc-delete",
        ALL,
    ),
    (a_copy_beside_it, LEFT_ALONE + "orders-0.bak, orders-00", ALL),
    (links_pipes, LEFT_ALONE + "dangling-0, outside-1, pipe-0", ALL),
    (a_partition_on_another_disk, "", ALL),
    (checkpoints_gone, "", ALL),
    (
        a_deletion_that_cannot_be_finished,
        "doomed-0.*-delete is left until the next start: ",
        ALL,
    ),
]
NOT_OURS = "is no data directory of minibroker"
REFUSED: list[tuple[Case, str]] = [
    (a_home, NOT_OURS),
    (kafkas, "is a data directory of Apache Kafka"),
    (kafkas_without_its_mark, "is a data directory of Apache Kafka"),
    (partitions_alone, NOT_OURS),
    (a_newer_format, "has format 2; this minibroker knows up to 1"),
    (an_empty_mark, "meta.properties is damaged"),
    (a_mark_that_is_a_pipe, "is no regular file"),
    (a_lock_that_is_a_link, r"\.lock: "),
]
NONE = dict.fromkeys(ALL, 0)
WITHOUT_ORDERS_1 = {"orders-0": RECORDS, "billing-0": RECORDS}
REFUSED_WITH_A_WAY_OUT: list[tuple[Case, str, str, dict[str, int]]] = [
    (metadata_gone, "set-aside adopt", "it is gone or empty, but all before offset", ALL),
    (metadata_gone, "set-aside", "it is gone or empty", {}),
    (metadata_damaged, "set-aside adopt", "damaged at byte", ALL),
    (metadata_damaged, "set-aside", "damaged at byte", {}),
    (an_older_metadata, "adopt", "it ends at offset", {**ALL, "newer-0": RECORDS}),
    (an_older_metadata, "set-aside adopt", "it ends at offset", {**ALL, "newer-0": RECORDS}),
    (another_clusters_metadata, "adopt", "is that of cluster", ALL),
    (another_clusters_metadata, "set-aside adopt", "is that of cluster", ALL),
    (offsets_damaged, "set-aside", "damaged at byte", ALL),
    (offsets_gone, "set-aside", "it is gone or empty", ALL),
    (
        *(a_partition_of_another_broker, "adopt", "invoices-0: no topic has its id"),
        {**ALL, "invoices-0": RECORDS},
    ),
    (a_partition_of_another_broker, "set-aside", "invoices-0: no topic has its id", ALL),
    (a_partition_exchanged, "adopt", "orders-1: no topic has its id", ALL),
    (a_partition_exchanged, "set-aside", "orders-1: no topic has its id", WITHOUT_ORDERS_1),
    (
        a_partition_renamed,
        "set-aside",
        "renamed-1: it bears the id of topic",
        WITHOUT_ORDERS_1,
    ),
    (
        a_partition_copied,
        "set-aside",
        "orders-backup-1: it bears the id of topic orders",
        ALL,
    ),
    (
        a_partition_too_many,
        "adopt",
        "topic orders has 2 partitions",
        {**ALL, "orders-4": RECORDS},
    ),
    (a_partition_too_many, "set-aside", "topic orders has 2 partitions", ALL),
    (
        *(
            a_partition_without_id_or_topic,
            "adopt",
            "nameless-0: it does not say whose it is",
        ),
        {**ALL, "nameless-0": RECORDS},
    ),
    (a_partition_without_id_or_topic, "set-aside", "nameless-0: it does not say whose", ALL),
    (a_partition_damaged, "set-aside", "damaged at byte 0", WITHOUT_ORDERS_1),
    (an_older_partition, "adopt", "it ends at offset 6, but all before 9 had been", ALL),
    (an_older_partition, "set-aside", "it ends at offset 6", WITHOUT_ORDERS_1),
]


def _name(each: object) -> str:
    return getattr(each, "__name__", "") or (each if isinstance(each, str) else "")[:20]


def check(root: Path, capsys: pytest.CaptureFixture[str]) -> int:
    """`log check`, which must change nothing, and end with its verdict."""
    before = snapshot(root)
    code = main(["log", "check", str(root)])
    said = capsys.readouterr()
    assert snapshot(root) == before
    if code != 2:
        assert said.out.splitlines()[-1].startswith(("A start would succeed", "A start would ref"))
    return code


def refusal(root: Path) -> str:
    """What a start says that refuses; "" if it does not."""
    try:
        opened = start(root)
    except REFUSALS as error:
        return str(error)
    opened.stop()
    return ""


@pytest.mark.parametrize(("case", "warning", "ends"), STARTS, ids=_name)
def test_a_start_leaves_what_is_not_its_own(
    root: Path,
    other: Path,
    capsys: pytest.CaptureFixture[str],
    case: Case,
    warning: str,
    ends: dict[str, int],
) -> None:
    case(root, other)
    before = snapshot(root.parent)
    assert check(root, capsys) == 0
    opened = start(root)
    assert opened.ends() == ends
    told = [each for each in opened.warnings if re.search(warning, each)]
    assert len(told) == 1 if warning else not opened.warnings, opened.warnings
    opened.kill()
    assert below(root, snapshot(root.parent)) == below(root, before)
    opened = start(root)  # after kill -9
    assert opened.ends() == ends
    opened.stop()
    assert below(root, snapshot(root.parent)) == below(root, before)


def below(root: Path, tree: Tree) -> Tree:
    """What is not the broker's own, of the directory and of what stands beside it."""
    inside = {path.partition("/")[2]: each for path, each in tree.items() if in_root(root, path)}
    outside = {
        f"../{path}": each
        for path, each in tree.items()
        if not in_root(root, path) and not path.endswith(directories.DERIVED)
    }
    return not_ours(inside) | outside


def in_root(root: Path, path: str) -> bool:
    return path.startswith(f"{root.name}/")


def test_ids_that_are_gone_are_written_anew_and_nothing_else(root: Path, other: Path) -> None:
    before = not_ours(snapshot(root))
    ids_gone(root, other)
    opened = start(root)
    assert opened.ends() == ALL
    opened.stop()
    assert not_ours(snapshot(root)) == before


@pytest.mark.parametrize(("case", "words"), REFUSED, ids=_name)
def test_a_refusal_changes_nothing_at_all(
    root: Path, other: Path, capsys: pytest.CaptureFixture[str], case: Case, words: str
) -> None:
    case(root, other)
    before = snapshot(root.parent)
    assert check(root, capsys) != 0
    for _ in range(2):
        assert re.search(words, refusal(root))
    assert snapshot(root.parent) == before


@pytest.mark.parametrize(("case", "verbs", "words", "ends"), REFUSED_WITH_A_WAY_OUT, ids=_name)
def test_the_ways_out_that_a_refusal_names_work_to_the_letter(
    root: Path,
    other: Path,
    capsys: pytest.CaptureFixture[str],
    case: Case,
    verbs: str,
    words: str,
    ends: dict[str, int],
) -> None:
    case(root, other)
    before = snapshot(root)
    assert check(root, capsys) == 1
    said = refusal(root)
    assert re.search(words, said), said
    assert not_ours(snapshot(root)) == not_ours(before)
    wanted = verbs.split()
    for step in range(STEPS_MAX):
        verb = wanted[min(step, len(wanted) - 1)]
        commands = [shlex.split(each) for each in COMMAND.findall(said)]
        [command] = [each for each in commands if each[1] == verb]
        assert main(command) == 0, capsys.readouterr().err
        said = refusal(root)
        assert check(root, capsys) == (1 if said else 0)
        if not said:
            break
    opened = start(root)
    assert opened.ends() == ends
    opened.stop()
    lost = [each for each in logs_in(before) if each not in logs_in(snapshot(root))]
    assert not [each for each in lost if each not in state_logs(before)]


def state_logs(tree: Tree) -> list[bytes]:
    """The logs of the broker itself: they grow."""
    names = (METADATA, OFFSETS)
    return [data for path, (_, data) in tree.items() if path.partition("/")[0] in names]
