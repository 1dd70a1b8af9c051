"""A journal's thread begins when it is given work, and ends when it is let, however busy we are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from threading import Event

import pytest
from minibroker.client.session import journal_thread
from minibroker.client.session.journal_thread import JournalThread

LONG_S = 20.0


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[JournalThread]:
    monkeypatch.setattr(journal_thread, "BEGUN_WITHIN_S", LONG_S)
    monkeypatch.setattr(journal_thread, "ENDED_WITHIN_S", LONG_S)
    before = sys.getswitchinterval()
    sys.setswitchinterval(LONG_S)  # nobody lets go of the interpreter who does not have to
    try:
        with JournalThread() as made:
            yield made
    finally:
        sys.setswitchinterval(before)


def test_work_has_begun_when_it_is_given(thread: JournalThread) -> None:
    for _ in range(50):
        begun: list[bool] = []
        thread.submit(partial(begun.append, True))
        assert begun, "the loop goes on, and the thread waits for the interpreter"
        thread.give_way()


def test_work_that_is_over_can_end(thread: JournalThread) -> None:
    for _ in range(50):
        goes_on, ended = Event(), Event()

        def work(goes_on: Event = goes_on, ended: Event = ended) -> None:
            goes_on.wait(LONG_S)
            ended.set()

        thread.submit(work)
        goes_on.set()
        thread.give_way()
        assert ended.is_set()


def test_who_fails_has_ended(thread: JournalThread) -> None:
    failing = thread.submit(lambda: 1 // 0)
    thread.give_way()
    assert isinstance(failing.exception(LONG_S), ZeroDivisionError)


def test_nothing_is_waited_for_without_work(thread: JournalThread) -> None:
    thread.give_way()


def test_work_that_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_thread, "BEGUN_WITHIN_S", LONG_S)
    over = Event()
    with JournalThread() as thread:
        working = thread.submit(lambda: over.wait(LONG_S))
        thread.give_way()
        assert not working.done()
        over.set()
