"""The two pages of an assistant: `/` for those who ask, `/queue` for the person who answers what it could not.

Plain files of this folder, nothing from elsewhere. Scripts put every text in as text, so no document can bring markup along.
"""

import html
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response

from headrace.serving.browsers import PAGE_HEADERS, check_host
from headrace.settings import Settings

PAGES = Path(__file__).parent / "pages"

# What may be fetched, with its type; no other name is looked for.
ASSETS = {
    "chat.js": "text/javascript; charset=utf-8",
    "queue.js": "text/javascript; charset=utf-8",
    "common.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

_TITLE, _WORDS = "{{ title }}", "{{ words }}"


def add_pages(app: FastAPI, settings: Settings, *, title: str) -> None:
    """Add the pages and their files.

    Args:
        app: The server.
        settings: The environment; a page is shown under this server's own name only.
        title: What the assistant is for, the heading of the pages.
    """

    @app.get("/", include_in_schema=False)
    async def chat(request: Request) -> Response:
        check_host(request, settings)
        return _show("chat.html", title, words=settings.serving_words)

    @app.get("/queue", include_in_schema=False)
    async def queue(request: Request) -> Response:
        check_host(request, settings)
        return _show("queue.html", title)

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404, f"there is no file {name[:100]!r} of the pages here")
        return Response((PAGES / name).read_bytes(), media_type=ASSETS[name], headers=PAGE_HEADERS)


def _show(name: str, title: str, *, words: str = "") -> Response:
    page = (PAGES / name).read_text(encoding="utf-8").replace(_WORDS, html.escape(words)).replace(_TITLE, html.escape(title))
    return Response(page, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)
