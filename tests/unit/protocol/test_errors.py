"""The error table and the four ways to say that something went wrong."""

from __future__ import annotations

from kio.schema.errors import ErrorCode as KioErrorCode
from minibroker.protocol.errors import ApiError, DecodeError, EncodeError, ErrorCode


def test_every_code_from_minus_one_on_has_its_place() -> None:
    assert [code.value for code in ErrorCode] == list(range(-1, 137))


def test_names_are_kafkas() -> None:
    ours = {code.value: code.name for code in ErrorCode}
    theirs = {code.value: code.name.upper() for code in KioErrorCode}
    assert theirs == {value: ours[value] for value in theirs}


def test_the_same_codes_are_retriable_as_in_kio() -> None:
    ours = {code.value: code.retriable for code in ErrorCode}
    theirs = {code.value: code.retriable for code in KioErrorCode}
    assert theirs == {value: ours[value] for value in theirs}


def test_stale_metadata_is_always_retriable() -> None:
    assert all(code.retriable for code in ErrorCode if code.refreshes_metadata)
    assert ErrorCode.NOT_LEADER_OR_FOLLOWER.refreshes_metadata
    assert not ErrorCode.REQUEST_TIMED_OUT.refreshes_metadata


def test_each_text_is_one_sentence_of_its_own() -> None:
    texts = [code.text for code in ErrorCode]
    assert len(set(texts)) == len(texts)
    assert all(text[0].isupper() or text.startswith("acks") for text in texts)
    assert all(text.endswith(".") and ". " not in text for text in texts)


def test_errors_name_message_version_field_and_place() -> None:
    decode = DecodeError("ProduceRequest", 9, "topic_data[0].name", 17, "is null")
    assert str(decode) == "ProduceRequest v9: topic_data[0].name at byte 17: is null"
    encode = EncodeError("FetchRequest", 4, "", "is None, not a FetchRequest")
    assert str(encode) == "FetchRequest v4: message: is None, not a FetchRequest"


def test_an_api_error_says_what_its_code_says_unless_told_better() -> None:
    assert ApiError(ErrorCode.INVALID_REQUEST).text == ErrorCode.INVALID_REQUEST.text
    assert str(ApiError(ErrorCode.INVALID_REQUEST, "two topics")) == "INVALID_REQUEST: two topics"
