"""What a browser may do here: change something from a page of this server only, and run no script but this server's own.

Any page on the web can send a request to a loopback address, and with a name that it points there (DNS rebinding) even read
the answer. So a browser's request must name this server by an address that it binds to, and come from its own page.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from fastapi import HTTPException, Request

from headrace.settings import Settings

# What a page may load and do; frames, forms, foreign addresses and inline scripts are all refused.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_host(request: Request, settings: Settings) -> None:
    """Refuse a request that names this server by a name which is not its own; where it binds to every address, by any name but a number.

    A number cannot be made to point elsewhere, as a name can.

    Raises:
        HTTPException: 403.
    """
    name, bound = _read_name(request.headers.get("host", "")), settings.serving_host.lower()
    is_everywhere = _is_number(bound) and ipaddress.ip_address(bound).is_unspecified
    if name in _LOOPBACK | {bound} or (is_everywhere and _is_number(name)):
        return
    way = "the number of its address, such as http://192.0.2.1" if is_everywhere else f"the address that it binds to, {bound}"
    raise HTTPException(403, f"this server is not called {name[:100]!r}; open it by {way}")


def check_post(request: Request, settings: Settings) -> None:
    """Refuse what changes something unless it is JSON, and where a browser sends it, from a page of this server.

    Raises:
        HTTPException: 403, or 415 where the body is said to be something else than JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be JSON; send it with Content-Type: application/json")
    check_origin(request, settings)


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse what a browser sends from a page of another address.

    Raises:
        HTTPException: 403.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None and site is None:
        # No browser: those say where a request comes from.
        return
    check_host(request, settings)
    is_foreign = site not in (None, "same-origin", "none") or (origin is not None and _split(origin).netloc != request.headers.get("host"))
    if is_foreign:
        raise HTTPException(403, "a page of another address may change nothing here; use the page of this server")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _read_name(host: str) -> str:
    return (_split(f"//{host}").hostname or "").lower()


def _split(address: str) -> SplitResult:
    """The parts of an address; of what is none, no parts: such a name is nobody's."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
