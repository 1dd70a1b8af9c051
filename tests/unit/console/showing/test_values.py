"""Values as text, JSON and hex: escaped, bounded, and never obeyed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minibroker.console.showing.values import Form, best_form, cut_at, preview, shown


def test_the_form_is_chosen_by_the_bytes() -> None:
    assert best_form(b'{"a": 1}') is Form.JSON
    assert best_form(b"plain") is Form.TEXT
    assert best_form(b"\x00\x01\xff") is Form.HEX
    assert best_form(b"") is Form.TEXT
    assert best_form(None) is Form.TEXT


def test_json_is_indented_and_coloured() -> None:
    text = str(shown(b'{"a": [1, "x", null]}', Form.JSON))
    assert '<span class="j-k">&#34;a&#34;</span>:' in text
    assert '<span class="j-n">1</span>' in text
    assert '<span class="j-w">null</span>' in text


def test_hex_shows_place_bytes_and_letters() -> None:
    assert str(shown(b"abc\x00<", Form.HEX)) == (
        "00000000  61 62 63 00 3c" + " " * 9 + " " * 2 + " " * 23 + "  abc·&lt;"
    )


def test_a_letter_that_is_cut_does_not_make_it_binary() -> None:
    assert preview("é".encode() * 200).startswith("ééé")


@pytest.mark.parametrize("data", [b"[" * 100_000, b"[" * 100 + b"]" * 100, b'{"a":' * 5_000])
def test_what_lies_too_deep_is_text(data: bytes) -> None:
    assert len(shown(data, Form.JSON)) <= len(data) * 6
    assert best_form(data) is Form.TEXT


def test_long_values_are_cut_and_say_so() -> None:
    assert cut_at(b"x" * 1_000_000, Form.TEXT) == 64 * 1024
    assert len(shown(b"x" * 1_000_000, Form.TEXT)) == 64 * 1024
    assert cut_at(b"short", Form.HEX) == 0


anything = (
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps([value]).encode())
)


@given(anything)
def test_nothing_of_a_value_is_markup(data: bytes) -> None:
    for form in Form:
        text = str(shown(data, form))
        text.encode()  # no half of a letter that no page can carry
        bare = text
        for kind in "ksnw":
            bare = bare.replace(f'<span class="j-{kind}">', "")
        bare = bare.replace("</span>", "")
        assert "<" not in bare
        assert ">" not in bare
        assert not any(letter < " " and letter not in "\t\n" for letter in bare.replace("\r", ""))
    preview(data).encode()
