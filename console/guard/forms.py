"""EDGE: the body of a form, read within bounds.

Tests: tests/system/console/test_guard.py
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

BODY_BYTES_MAX = 2_000_000  # a record of 1 MB, with what percent signs make of it
FIELDS_MAX = 5_000


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; of a name given twice the last counts.

    Raises:
        HTTPException: 413 for too much, 400 for what is no form.
    """
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise HTTPException(413, f"a form has {BODY_BYTES_MAX} bytes at most")
        parts.append(chunk)
    try:
        text = b"".join(parts).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise HTTPException(400, f"this is no form: {error}") from None
    return dict(pairs)
