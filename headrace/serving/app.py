"""The routes: `POST /predict`, `GET /health`, `/docs`. Every refusal is JSON with one sentence: `{"error": "..."}`."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from secrets import token_hex
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, ValidationError, create_model
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from headrace.errors import HeadraceError
from headrace.lake.contracts import Contract, find_contract
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Column, Kind
from headrace.serving.health import Health
from headrace.serving.model_watcher import FindChampion
from headrace.serving.replies import RepeatedIdError
from headrace.serving.request_model import MAX_ROWS, RequestModel
from headrace.serving.request_rows import LoggedRow
from headrace.serving.server import Clock, ModelServer, Pace
from headrace.settings import Settings
from headrace.use_case import UseCase

# 1,000 rows of a flight are about 200 KB.
MAX_BODY_BYTES = 2**20

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RETRY_SECONDS = "5"

_REFUSALS = {
    400: "The body is no JSON, or the request id has another form.",
    409: "The request id was used for other rows.",
    413: "The body is too large.",
    422: "The rows are not what is asked for.",
    503: "There is no champion, there are no online features, or the log cannot be written.",
}


class Answered(BaseModel):
    """What it takes to find out later how one row's answer came about."""

    request_id: str = Field(description="The request's id, a slash, and the row's place in it from 0; the row's key in the requests table.")
    model_version: int = Field(description="Version of the champion in the registry.")
    model_id: str = Field(description="Hash of everything that made the model.")
    features_version: int = Field(description="Version of the feature set.")
    feature_hash: str = Field(description="Fingerprint of the feature values.")
    refreshed_at: datetime = Field(description="Instant (UTC) as of which the online features were computed.")


def build_reply(kind: Kind) -> type[BaseModel]:
    """The answer to a request of this kind of task: one prediction per row, in their order, each with the kind's own columns."""
    columns: dict[str, Any] = {name: (_find_type(column), Field(description=column.description)) for name, column in kind.columns.items()}
    prediction: Any = create_model("Prediction", __base__=Answered, __doc__="One row's answer.", **columns)
    rows: dict[str, Any] = {"request_id": (str, ...), "predictions": (list[prediction], ...)}
    return create_model("Reply", __doc__="The answer to a request, one prediction per row, in their order.", **rows)


def _find_type(column: Column) -> Any:
    return dict[str, float] if column.is_json else {"float64": float, "string": str}[column.type]


def tell(row: LoggedRow, kind: Kind) -> dict[str, Any]:
    """What a caller is told of a logged row; what tables keep as JSON text is an object in a reply."""
    columns = {name: json.loads(row[name]) if column.is_json else row[name] for name, column in kind.columns.items()}
    return {name: row[name] for name in Answered.model_fields} | columns


class Refusal(BaseModel):
    """Why there is no answer, in one sentence."""

    error: str


def create_app(settings: Settings, case: UseCase, *, find_champion: FindChampion, clock: Clock, pace: Pace | None = None) -> FastAPI:
    """Build the server of one use case.

    Args:
        settings: The environment that is served.
        case: The use case.
        find_champion: Asks the registry for the champion; None when there is none, `RegistryError` when it cannot tell.
        clock: The present instant (UTC): when a request arrived.
        pace: How often the background work is done; left out, as a deployment does it.
    """
    server = ModelServer(settings, case, find_champion=find_champion, clock=clock, pace=pace or Pace())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await server.start()
        yield
        await server.stop()

    title = f"{case.title} ({settings.environment})"
    app = FastAPI(title=title, version=str(case.features.version), lifespan=lifespan, docs_url=None, redoc_url=None)
    # The bundled page reads OpenAPI up to 3.0.
    app.openapi_version = "3.0.3"
    _add_errors(app)
    _add_predict(app, server)
    _add_health(app, server)
    _add_docs(app)
    return app


def _add_predict(app: FastAPI, server: ModelServer) -> None:
    model = RequestModel(server.case.features.request_columns)
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Refusal, "description": text} for code, text in _REFUSALS.items()}
    header = {"name": "X-Request-ID", "in": "header", "required": False, "schema": {"type": "string", "pattern": f"^{_REQUEST_ID.pattern}$"}}
    example = model.build_example(_find_contracts(server.case))
    body = {"required": True, "content": {"application/json": {"schema": model.schema, "example": example}}}

    kind = load_kind(server.case.kind)

    @app.post("/predict", response_model=build_reply(kind), responses=refusals, openapi_extra={"parameters": [header], "requestBody": body})
    async def predict(request: Request) -> Response:
        """Score rows with the champion. Sent again with the same `X-Request-ID`, a request gets the same reply and is recorded once."""
        requested_at = server.clock()
        given = _read_request_id(request)
        # Ids in the order of time let the lake skip files when it looks one up.
        request_id = given or f"{requested_at:%Y%m%dT%H%M%S%fZ}-{token_hex(8)}"
        try:
            rows = model.read(await _read_body(request))
        except ValidationError as error:
            status, sentence = model.explain(error)
            raise HTTPException(status, sentence) from error
        try:
            answered = await server.answer(rows, request_id=request_id, is_new_id=given is None, requested_at=requested_at)
        except RepeatedIdError as error:
            raise HTTPException(409, str(error)) from error
        predictions = [tell(row, kind) for row in answered]
        return JSONResponse({"request_id": request_id, "predictions": predictions}, headers={"X-Request-ID": request_id})


def _find_contracts(case: UseCase) -> list[Contract]:
    """What the tables promise that requests are made of: the columns of a request have their names."""
    found = [find_contract(case.table("silver", noun)) for noun in case.features.spine_inputs]
    return [contract for contract in found if contract is not None]


def _add_health(app: FastAPI, server: ModelServer) -> None:
    @app.get("/health", responses={503: {"model": Health, "description": "Live, but not ready to answer."}})
    async def health() -> Response:
        """Whether the server can answer, with which model and features, and what waits to be drained."""
        state = server.health()
        return Response(state.model_dump_json(), status_code=200 if state.is_ready else 503, media_type="application/json")


def _add_docs(app: FastAPI) -> None:
    """FastAPI's page loads its scripts from a public server; this one brings them along, so it works offline."""
    app.mount("/docs/assets", StaticFiles(directory=str(swagger_ui_bundle.swagger_ui_path)), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-32x32.png",
        )


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(StarletteHTTPException)
    async def refuse(request: Request, error: StarletteHTTPException) -> Response:
        # The router's own refusals are a title, not a sentence.
        is_unrouted = error.status_code in (404, 405)
        sentence = f"{request.method} {request.url.path} is not answered here; /docs lists what is" if is_unrouted else error.detail
        return JSONResponse({"error": sentence}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(HeadraceError)
    async def unavailable(_: Request, error: HeadraceError) -> Response:
        return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": _RETRY_SECONDS})

    @app.exception_handler(Exception)
    async def fail(request: Request, _: Exception) -> Response:
        return JSONResponse({"error": f"the server failed on {request.method} {request.url.path}; its own log says why"}, status_code=500)


def _read_request_id(request: Request) -> str | None:
    given = request.headers.get("x-request-id")
    if given is not None and not _REQUEST_ID.fullmatch(given):
        raise HTTPException(400, f"X-Request-ID must be 1 to 64 letters, digits, - or _; got {given[:64]!r}")
    return given


async def _read_body(request: Request) -> bytes:
    """The body, refused as soon as it is too large, whatever its announced length."""
    too_large = HTTPException(413, f"the body is larger than {MAX_BODY_BYTES} bytes; send at most {MAX_ROWS} rows at a time")
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
