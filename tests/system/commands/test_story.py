"""`minibroker demo --story` with our client; docs/exactly-once.md quotes it word for word."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from minibroker.cli.main import main
from minibroker.cli.showing import story, story_scenes, story_transactions
from minibroker.cli.showing.story_frames import COLUMNS, Fate, Frame, Mark, mark_of, stages, whole
from minibroker.cli.showing.story_page import page
from minibroker.cli.showing.story_scenes import SCENES
from minibroker.cli.showing.story_stage import Scene, Stage, Told
from minibroker.console.lesson.producers.process import ProducerProcess, running_producer
from minibroker.testing import ChildBroker
from rich.console import Console

PAGE = Path(__file__).parents[3] / "docs" / "exactly-once.md"
UNTRUE_WITHOUT_IDEMPOTENCE = (3, 4, 6, 8)  # of picture 5 no library knows


@pytest.fixture(scope="module")
def transcript() -> str:
    """What the command prints, from its first line on."""
    said, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(said), redirect_stderr(errors):
        code = main(["demo", "--story", "--fast"])
    told, complaints = text_of(said), text_of(errors)
    assert code == 0, told + complaints
    assert not complaints
    return told


def text_of(written: io.TextIOWrapper) -> str:
    written.seek(0)
    return written.read()


def test_every_picture_is_told_and_its_log_read_back(transcript: str) -> None:
    titles = re.findall(r"^(\d+) · (.*)$", transcript, re.MULTILINE)
    assert titles == [(str(number), scene.title) for number, scene in enumerate(SCENES, 1)]
    assert transcript.count("The log, read back:") == len(SCENES)
    assert "NOT AS TOLD" not in transcript


def test_the_logs_are_those_of_the_story(transcript: str) -> None:
    logs = []
    for scene in transcript.split("The log, read back:")[1:]:
        rows = [line.split() for line in scene.split("\n\n")[1].splitlines()[1:]]
        logs.append("".join(row[2] for row in rows))
    assert logs == [
        *("xy", "xyy", "xyzab", "xy", "xyz", "xyy", "xyz", "xy"),
        *("yABORTyCOMMIT", "xCOMMITyABORT"),
    ]


def test_it_fits_into_eighty_columns_and_needs_no_colour(transcript: str) -> None:
    assert max(map(len, transcript.splitlines())) <= COLUMNS
    assert "\x1b" not in transcript


def test_the_page_quotes_what_the_command_prints(transcript: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= len(SCENES)
    unheard = [block for block in blocks if f"\n{block}" not in transcript]
    assert not unheard, "not printed like this: " + "\n".join(unheard)


async def test_without_idempotence_the_story_is_not_as_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        story_scenes,
        "running_producer",
        lambda client, servers, *, idempotent: running_producer(client, servers, idempotent=False),
    )
    async with ChildBroker() as broker:
        for number in UNTRUE_WITHOUT_IDEMPOTENCE:
            told = await SCENES[number - 1].play(Stage(broker, "ours"), f"picture-{number}")
            assert told.untrue, number
            broker.faults.clear()


async def test_with_an_id_of_its_own_each_the_old_process_is_not_fenced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = iter(("one", "two"))
    monkeypatch.setattr(
        story_transactions,
        "running_producer",
        lambda client, servers, *, idempotent, transactional_id: running_producer(
            client, servers, idempotent=idempotent, transactional_id=next(ids)
        ),
    )
    async with ChildBroker() as broker:
        told = await SCENES[8].play(Stage(broker, "ours"), "picture-9")
    assert "the predecessor was refused" in told.untrue
    assert "the start of the successor aborted what was open" in told.untrue


async def test_what_is_committed_instead_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProducerProcess, "abort", ProducerProcess.commit)
    async with ChildBroker() as broker:
        told = await SCENES[9].play(Stage(broker, "ours"), "picture-10")
    assert "read_committed is given x" in told.untrue


async def test_with_another_session_the_producer_does_not_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    directories = iter((str(tmp_path / "one"), str(tmp_path / "two")))
    monkeypatch.setattr(
        story_scenes,
        "running_producer",
        lambda client, servers, *, idempotent, session: running_producer(
            client, servers, idempotent=idempotent, session=next(directories)
        ),
    )
    async with ChildBroker() as broker:
        told = await SCENES[6].play(Stage(broker, "ours"), "picture-7")
    assert "the mark of the session was behind y" in told.untrue
    assert "the broker was asked before anything was sent" in told.untrue


NOTHING = Frame("x", 0, -1, -1, (), (), "ack", Fate.LOST, "nothing happens")


async def _nothing_happens(stage: Stage, topic: str) -> Told:
    return Told([NOTHING], [], {"something happens": False})


async def test_a_claim_that_does_not_hold_is_shown_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene("A lie", "Nobody sends.", _nothing_happens, "All is well.")
    monkeypatch.setattr(story, "SCENES", (scene,))
    told = await story.tell("ours", is_fast=True)
    assert any(each.untrue for each in told)
    said = capsys.readouterr().out
    assert "NOT AS TOLD: something happens" in said
    assert "All is well." not in said


async def test_in_a_terminal_frames_grow_in_their_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for pause in ("STAGE_PAUSE_S", "FRAME_PAUSE_S", "SCENE_PAUSE_S"):
        monkeypatch.setattr(story, pause, 0)
    moving = story.Moving(Console(force_terminal=True, width=COLUMNS))
    await moving.show(NOTHING)
    await moving.rest()
    said = capsys.readouterr().out
    assert said.count("┌──────────┐") >= len(stages(NOTHING))
    assert "\x1b[1A" in said, "drawn over the stage before"
    assert "✗" in said


async def test_one_picture_may_be_told_alone(capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = await story.tell("ours", is_fast=True, picture=2)
    assert (told.number, told.untrue) == (2, [])
    assert "2 · " in capsys.readouterr().out
    written = page([told], "<ours>")
    assert written.count("<section") == len(told.frames) + 1
    assert [mark_of(frame) for frame in told.frames] == [Mark.PLAIN, Mark.LOST, Mark.DOUBLED]
    assert "(&lt;ours&gt;)" in written
    outside = re.findall(r"(?:src|href)=\"(?!#)|url\(|@import|https?:", written)
    assert not outside  # one file, nothing is loaded


def test_what_is_lost_doubled_or_recognised_has_its_colour() -> None:
    lost = story.coloured(whole(NOTHING), NOTHING)
    assert any("red" in str(span.style) for span in lost.spans)


@pytest.mark.parametrize(
    "words",
    [["--picture", "2"], ["--story", "--picture", "11"], ["--story", "--fast", "--step"]],
    ids=" ".join,
)
def test_options_that_do_not_fit_are_wrong_usage(words: list[str]) -> None:
    try:
        code = main(["demo", *words])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    assert code == 2
