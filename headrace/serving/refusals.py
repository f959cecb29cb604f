"""Every refusal is JSON with one sentence: `{"error": "..."}`, and below `/v1/` in the shape that OpenAI's clients read."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from headrace.errors import HeadraceError

# Where OpenAI's clients look, and nobody else.
COMPATIBLE = "/v1/"

_RETRY_SECONDS = "5"
_KINDS = {403: "permission_error", 500: "server_error", 503: "server_error"}


class Refusal(BaseModel):
    """Why there is no answer, in one sentence."""

    error: str


def add_errors(app: FastAPI) -> None:
    """Answer errors of all routes; one that nobody foresaw says no more than that."""

    @app.exception_handler(StarletteHTTPException)
    async def refuse(request: Request, error: StarletteHTTPException) -> Response:
        # The router's own refusals are a title, not a sentence.
        is_unrouted = error.status_code in (404, 405) and error.detail in ("Not Found", "Method Not Allowed")
        sentence = f"{request.method} {request.url.path} is not answered here; /docs lists what is" if is_unrouted else error.detail
        return JSONResponse(_tell(request, error.status_code, sentence), status_code=error.status_code, headers=error.headers)

    @app.exception_handler(HeadraceError)
    async def unavailable(request: Request, error: HeadraceError) -> Response:
        return JSONResponse(_tell(request, 503, str(error)), status_code=503, headers={"Retry-After": _RETRY_SECONDS})

    @app.exception_handler(Exception)
    async def fail(request: Request, _: Exception) -> Response:
        sentence = f"the server failed on {request.method} {request.url.path}; its own log says why"
        return JSONResponse(_tell(request, 500, sentence), status_code=500)


def _tell(request: Request, status: int, sentence: str) -> dict[str, Any]:
    if not request.url.path.startswith(COMPATIBLE):
        return {"error": sentence}
    code = "model_not_found" if status == 404 else None
    return {"error": {"message": sentence, "type": _KINDS.get(status, "invalid_request_error"), "param": None, "code": code}}
