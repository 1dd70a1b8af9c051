"""A password shows itself nowhere but where it is used."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from minibroker.client import Admin, Consumer, Producer
from minibroker.client import blocking as blocking_face
from minibroker.client.door.secret import hidden

PASSWORD = "do-not-show-me"  # no password of anything


def test_a_hidden_text_is_the_text_and_does_not_show() -> None:
    text = hidden(PASSWORD)
    assert text == PASSWORD
    assert PASSWORD not in repr(text) + repr({"password": text}) + f"{[text]}"
    assert hidden(None) is None


FACES: list[Any] = [
    *(Producer, Consumer, Admin),
    *(blocking_face.Producer, blocking_face.Consumer, blocking_face.Admin),
]


@pytest.mark.parametrize("face", FACES, ids=lambda face: f"{face.__module__}.{face.__name__}")
async def test_no_local_value_of_a_failing_constructor_shows_it(face: Any) -> None:
    try:
        face(security_protocol="SASL_SSL", sasl_plain_password=PASSWORD)
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if "/client/" in frame.filename]
    frames = [frame for frame in ours if "test_secret" not in frame.filename]
    assert frames
    for frame in frames:
        assert not [name for name, text in (frame.locals or {}).items() if PASSWORD in text]
