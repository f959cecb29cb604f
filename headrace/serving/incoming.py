"""How a request is read, whichever route it comes by: its id, and a body that is refused as soon as it is too large."""

import re
from datetime import datetime
from secrets import token_hex

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

# 1,000 rows of a flight are about 200 KB.
MAX_BODY_BYTES = 2**20

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_request_id(request: Request) -> str | None:
    """The caller's own id of a request, or None.

    Raises:
        HTTPException: 400, where it has another form.
    """
    given = request.headers.get("x-request-id")
    if given is not None and not REQUEST_ID.fullmatch(given):
        raise HTTPException(400, f"X-Request-ID must be 1 to 64 letters, digits, - or _; got {given[:64]!r}")
    return given


def build_request_id(requested_at: datetime) -> str:
    """A new id. Ids in the order of time let the lake skip files when it looks one up."""
    return f"{requested_at:%Y%m%dT%H%M%S%fZ}-{token_hex(8)}"


async def read_body(request: Request) -> bytes:
    """The body, refused as soon as it is too large, whatever its announced length.

    Raises:
        HTTPException: 413, where it is too large; 400, where it ends too early.
    """
    too_large = HTTPException(413, f"the body is larger than {MAX_BODY_BYTES} bytes; send less at a time")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise too_large
    except ClientDisconnect as error:
        raise HTTPException(400, "the body ended before its announced length") from error
    return bytes(body)
