"""docs/request-fields.md: each field of each request acts somewhere, or says why it need not."""

from __future__ import annotations

from itertools import groupby

import pytest

from tests.support.pages.request_fields import (
    NOT_READ,
    PAGE,
    RequestField,
    page,
    read_names,
    request_fields,
)

BY_API = {name: list(each) for name, each in groupby(request_fields(), lambda each: each.api.name)}


@pytest.mark.parametrize("fields", BY_API.values(), ids=BY_API)
def test_a_field_acts_or_says_why_it_does_not(fields: list[RequestField]) -> None:
    read = read_names(fields[0].api)
    silent = {each.path for each in fields if each.name not in read}
    explained = {path for api, path in NOT_READ if api == fields[0].api.name}
    assert silent - explained == set(), "read the field in its handler, or say why not"
    assert explained - silent == set(), "there is no such field, or it acts by now"


def test_a_reason_belongs_to_an_api_that_is_served() -> None:
    assert {api for api, _ in NOT_READ} - BY_API.keys() == set()


def test_the_page_is_the_one_that_is_made() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run python -m tests.support.pages.request_fields"
    )
