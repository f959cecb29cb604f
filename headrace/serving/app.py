"""The routes: `POST /predict`, `GET /health`, `/docs`. Every refusal is JSON with one sentence: `{"error": "..."}`."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, ValidationError, create_model

from headrace.lake.contracts import Contract, find_contract
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Column, Kind
from headrace.registry.candidates import load_for_readers
from headrace.serving.browsers import check_origin
from headrace.serving.chat import ASSISTANT, Chat
from headrace.serving.health import Health
from headrace.serving.incoming import REQUEST_ID, build_request_id, read_body, read_request_id
from headrace.serving.model_watcher import FindChampion, LoadCandidate
from headrace.serving.refusals import Refusal, add_errors
from headrace.serving.replies import RepeatedIdError
from headrace.serving.request_model import RequestModel
from headrace.serving.request_rows import LoggedRow
from headrace.serving.server import Clock, ModelServer, Pace
from headrace.settings import Settings
from headrace.use_case import UseCase

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


def create_app(
    settings: Settings,
    case: UseCase,
    *,
    find_champion: FindChampion,
    clock: Clock,
    pace: Pace | None = None,
    load: LoadCandidate | None = None,
) -> FastAPI:
    """Build the server of one use case.

    Args:
        settings: The environment that is served.
        case: The use case.
        find_champion: Asks the registry for the champion; None when there is none, `RegistryError` when it cannot tell.
        clock: The present instant (UTC): when a request arrived.
        pace: How often the background work is done; left out, as a deployment does it.
        load: Loads a candidate's folder; left out, whatever family it is of.
    """
    server = ModelServer(
        settings, case, find_champion=find_champion, load=load or partial(load_for_readers, settings, case), clock=clock, pace=pace or Pace()
    )
    chat = Chat(server) if case.kind == ASSISTANT else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await server.start()
        if chat is not None:
            chat.start()
        yield
        try:
            if chat is not None:
                await chat.stop()
        finally:
            await server.stop()

    title = f"{case.title} ({settings.environment})"
    app = FastAPI(title=title, version=str(case.features.version), lifespan=lifespan, docs_url=None, redoc_url=None)
    # The bundled page reads OpenAPI up to 3.0.
    app.openapi_version = "3.0.3"
    add_errors(app)
    _add_predict(app, server)
    _add_health(app, server, chat)
    _add_docs(app)
    if chat is not None:
        chat.add_routes(app)
    return app


def _add_predict(app: FastAPI, server: ModelServer) -> None:
    model = RequestModel(server.case.features.request_columns)
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Refusal, "description": text} for code, text in _REFUSALS.items()}
    header = {"name": "X-Request-ID", "in": "header", "required": False, "schema": {"type": "string", "pattern": f"^{REQUEST_ID.pattern}$"}}
    example = model.build_example(_find_contracts(server.case))
    body = {"required": True, "content": {"application/json": {"schema": model.schema, "example": example}}}

    kind = load_kind(server.case.kind)

    @app.post("/predict", response_model=build_reply(kind), responses=refusals, openapi_extra={"parameters": [header], "requestBody": body})
    async def predict(request: Request) -> Response:
        """Score rows with the champion. Sent again with the same `X-Request-ID`, a request gets the same reply and is recorded once."""
        requested_at = server.clock()
        check_origin(request, server.settings)
        given = read_request_id(request)
        request_id = given or build_request_id(requested_at)
        try:
            rows = model.read(await read_body(request))
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


def _add_health(app: FastAPI, server: ModelServer, chat: Chat | None) -> None:
    @app.get("/health", responses={503: {"model": Health, "description": "Live, but not ready to answer."}})
    async def health() -> Response:
        """Whether the server can answer, with which model and features, and what waits to be drained."""
        state = server.health(further=chat.list_problems() if chat is not None else ())
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
