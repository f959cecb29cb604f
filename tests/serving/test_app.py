"""The routes, asked in process; `test_process.py` asks a real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from headrace.features.materialize import feature_hashes
from headrace.features.online import OnlineStore, build_request_features
from headrace.lake import tables
from headrace.models.kinds import load_kind
from headrace.models.scorer import load_scorer
from headrace.serving.app import build_reply, create_app
from headrace.serving.incoming import MAX_BODY_BYTES
from headrace.serving.request_rows import requests_table
from headrace.serving.server import Pace
from headrace.use_case import UseCase
from tests.serving.tiny import FEATURES, NOON, OUTCOMES, PURCHASE, TINY, FileRegistry, publish_returns, tiny_settings, write_model

QUICK = Pace(poll_seconds=0.02, drain_seconds=0.05, segment_seconds=60.0, first_look_seconds=5.0)
ASKED_AT = NOON.replace(minute=30)


class World:
    """An environment with one promoted model and a filled online store."""

    def __init__(self, home: Path) -> None:
        self.home, self.settings, self.registry = home, tiny_settings(home), FileRegistry(home / "champion.json")

    def promote(self, version: int, **model: Any) -> None:
        self.registry.promote(version, write_model(self.home / f"model-{version}", **{"seed": version, **model}))

    def stored(self) -> pl.DataFrame:
        return tables.read(self.settings, requests_table("tiny")).collect().sort("request_id")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.promote(1)
    publish_returns(made.settings)
    return made


@asynccontextmanager
async def served(world: World, case: UseCase = TINY, clock: Callable[[], datetime] = lambda: ASKED_AT) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(world.settings, case, find_champion=world.registry.find_champion, clock=clock, pace=QUICK)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


def ask(world: World, *requests: dict[str, Any], case: UseCase = TINY) -> list[httpx.Response]:
    """Send requests one after the other to one server, then end it."""

    async def send() -> list[httpx.Response]:
        async with served(world, case) as client:
            return [await client.request(**{"method": "POST", "url": "/predict", **request}) for request in requests]

    return asyncio.run(send())


def rows(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"rows": [{**PURCHASE, **change} for change in changes or ({},)]}


async def until(client: httpx.AsyncClient, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Health, as soon as it is as wanted."""
    for _ in range(500):
        health = (await client.get("/health")).json()
        if is_reached(health):
            return health
        await asyncio.sleep(0.01)
    raise AssertionError(f"never reached; health is {health}")


def test_a_reply_is_what_the_scorer_says_of_the_same_features(world: World) -> None:
    changes = ({}, {"shop": "south"}, {"amount_eur": 99.0}, {"shop": "unheard of"}, {"shop": None, "amount_eur": None})
    (response,) = ask(world, {"json": rows(*changes), "headers": {"X-Request-ID": "five"}})
    asked = pl.DataFrame(rows(*changes)["rows"]).with_columns(pl.col("sold_at").str.to_datetime(time_zone="UTC", time_unit="us"))
    features = build_request_features(FEATURES, OnlineStore(world.settings.online_root / "tiny"), asked)
    assert response.status_code == 200
    assert response.headers["X-Request-ID"] == "five"
    predictions = response.json()["predictions"]
    assert [row["probability_fraction"] for row in predictions] == load_scorer(world.home / "model-1").predict(features).tolist()
    assert [row["feature_hash"] for row in predictions] == feature_hashes(features, FEATURES.names).to_list()
    assert [row["request_id"] for row in predictions] == [f"five/{ordinal}" for ordinal in range(5)]
    assert {(row["model_version"], row["model_id"], row["features_version"], row["refreshed_at"]) for row in predictions} == {
        (1, "model-1", 1, "2013-07-01T12:00:00+00:00")
    }


def test_a_reply_is_in_the_table_after_shutdown_with_all_that_led_to_it(world: World) -> None:
    (response,) = ask(world, {"json": rows({}, {"shop": "south"})})
    predictions = response.json()["predictions"]
    stored = world.stored()
    told = stored.select("request_id", "probability_fraction", "model_version", "model_id", "features_version", "feature_hash")
    assert told.to_dicts() == [{name: row[name] for name in told.columns} for row in predictions]
    assert stored["requested_at"].to_list() == [ASKED_AT] * 2
    assert json.loads(stored["request"][0]) == {**PURCHASE, "sold_at": "2013-07-01T12:30:00+00:00"}
    assert json.loads(stored["features"][1]) == {"shop": "south", "amount_eur": 60.0, "hour": 12.0, "shop_return_fraction": 1.0}


def test_of_classes_a_reply_carries_an_object_and_the_table_its_text(world: World) -> None:
    world.promote(2, kind="multiclass")
    case = replace(TINY, kind="multiclass")
    first, again = ask(world, *[{"json": rows(), "headers": {"X-Request-ID": "one"}}] * 2, case=case)
    (told,) = first.json()["predictions"]
    assert set(told["class_probabilities"]) == set(OUTCOMES)
    assert sum(told["class_probabilities"].values()) == pytest.approx(1)
    assert told["class_probabilities"][told["predicted_class"]] == told["probability_fraction"]
    assert again.json() == first.json()
    assert [json.loads(text) for text in world.stored()["class_probabilities"]] == [told["class_probabilities"]]
    schema = build_reply(load_kind("multiclass")).model_json_schema()["$defs"]["Prediction"]["properties"]["class_probabilities"]
    assert (schema["type"], schema["additionalProperties"]) == ("object", {"type": "number"})


def test_ids_that_the_server_makes_differ_and_sort_by_arrival(world: World) -> None:
    first, second = ask(world, {"json": rows()}, {"json": rows()})
    assert first.json()["request_id"] != second.json()["request_id"]
    assert first.json()["request_id"].startswith("20130701T123000000000Z-")


def test_a_repeated_request_gets_the_same_reply_and_one_row(world: World) -> None:
    request = {"json": rows(), "headers": {"X-Request-ID": "again"}}
    first, second = ask(world, request, request)
    world.promote(2)
    (third,) = ask(world, request)
    assert first.json() == second.json() == third.json()
    assert world.stored()["request_id"].to_list() == ["again/0"]


def test_a_request_id_of_other_rows_is_refused(world: World) -> None:
    _, second = ask(world, {"json": rows(), "headers": {"X-Request-ID": "a"}}, {"json": rows({"shop": "south"}), "headers": {"X-Request-ID": "a"}})
    assert (second.status_code, second.json()["error"]) == (409, "request id 'a' was used before for other rows; send these with an id of their own")
    assert world.stored().height == 1


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        pytest.param({"content": b"{"}, 400, "the body is not JSON", id="no JSON"),
        pytest.param({"json": rows(), "headers": {"X-Request-ID": "../etc"}}, 400, "X-Request-ID must be 1 to 64", id="request id with a path"),
        pytest.param({"json": rows(), "headers": {"X-Request-ID": "a" * 65}}, 400, "X-Request-ID must be 1 to 64", id="request id too long"),
        pytest.param({"json": rows(), "headers": {"X-Request-ID": ""}}, 400, "X-Request-ID must be 1 to 64", id="empty request id"),
        pytest.param({"json": rows({"colour": "red"})}, 422, "rows.0.colour is unknown", id="unknown field"),
        pytest.param({"json": {"rows": [{}]}}, 422, "rows.0.shop is missing", id="missing field"),
        pytest.param({"json": rows({"amount_eur": "9"})}, 422, "rows.0.amount_eur: input should be a valid number", id="wrong type"),
        pytest.param({"json": rows({"sold_at": "2013-07-01T12:30:00"})}, 422, "rows.0.sold_at: input should have timezone info", id="no offset"),
        pytest.param({"json": rows(*[{}] * 1_001)}, 422, "rows must hold 1 to 1000 rows", id="too many rows"),
        pytest.param({"content": b" " * (MAX_BODY_BYTES + 1)}, 413, "the body is larger than 1048576 bytes", id="huge body"),
        pytest.param({"method": "GET"}, 405, "GET /predict is not answered here", id="wrong method"),
        pytest.param({"url": "/nothing"}, 404, "POST /nothing is not answered here", id="unknown path"),
    ],
)
def test_bad_input_is_refused_with_a_sentence_and_logged_nowhere(world: World, request_: dict[str, Any], status: int, sentence: str) -> None:
    (response,) = ask(world, request_)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert sentence in response.json()["error"]
    assert tables.read_version(world.settings, requests_table("tiny")) is None


def test_a_huge_body_of_unannounced_length_is_refused(world: World) -> None:
    async def send() -> httpx.Response:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 100_000

        async with served(world) as client:
            return await client.post("/predict", content=endless())

    assert asyncio.run(send()).status_code == 413


def test_without_a_champion_the_answer_is_503_and_says_why(world: World) -> None:
    world.registry.clear()
    response, health = ask(world, {"json": rows()}, {"method": "GET", "url": "/health"})
    assert response.status_code == health.status_code == 503
    assert response.json()["error"] == "no champion of tiny can be served: the registry says that there is no champion; train and promote one"
    assert (health.json()["status"], health.json()["is_live"], health.json()["is_ready"]) == ("unavailable", True, False)


def test_a_registry_that_was_never_reached_is_503(world: World) -> None:
    world.registry.cut_off()
    (response,) = ask(world, {"json": rows()})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "cannot be reached" in response.json()["error"]


def test_a_model_of_another_features_version_is_503(world: World) -> None:
    world.promote(2, features_version=2)
    (response,) = ask(world, {"json": rows()})
    assert response.status_code == 503
    assert "version 2 was trained on features version 2, this server computes version 1" in response.json()["error"]


def test_without_online_features_the_answer_is_503(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.promote(1)
    response, health = ask(world, {"json": rows()}, {"method": "GET", "url": "/health"})
    assert response.status_code == health.status_code == 503
    assert "is empty; run the flow featurize" in response.json()["error"]
    assert health.json()["problems"] == [response.json()["error"]]


def test_online_features_of_another_version_are_503(world: World) -> None:
    publish_returns(world.settings, features=replace(FEATURES, version=2))
    (response,) = ask(world, {"json": rows()})
    assert response.status_code == 503
    assert "holds features of version 2" in response.json()["error"]


def test_a_failure_of_the_server_is_500_without_its_traceback(world: World) -> None:
    def fail(spine: pl.DataFrame) -> pl.DataFrame:
        raise ZeroDivisionError("secret of the use case")

    (response,) = ask(world, {"json": rows()}, case=replace(TINY, features=replace(FEATURES, on_demand=fail)))
    assert (response.status_code, response.json()) == (500, {"error": "the server failed on POST /predict; its own log says why"})


def test_an_alias_that_moves_is_followed_without_a_restart(world: World) -> None:
    async def move() -> None:
        async with served(world) as client:
            before = (await client.post("/predict", json=rows())).json()["predictions"][0]
            world.promote(2)
            await until(client, lambda health: health["model_version"] == 2)
            after = (await client.post("/predict", json=rows())).json()["predictions"][0]
            assert (before["model_version"], after["model_version"], after["model_id"]) == (1, 2, "model-2")
            assert before["feature_hash"] == after["feature_hash"]
            assert before["probability_fraction"] != after["probability_fraction"]

    asyncio.run(move())


def test_an_unreachable_registry_degrades_and_is_forgotten_when_it_is_back(world: World) -> None:
    async def cut() -> None:
        async with served(world) as client:
            assert (await client.get("/health")).json()["status"] == "ok"
            world.registry.cut_off()
            degraded = await until(client, lambda health: health["status"] == "degraded")
            assert degraded["problems"] == ["the registry of dev cannot be reached"]
            assert (await client.post("/predict", json=rows())).status_code == 200
            world.promote(2)
            await until(client, lambda health: health["status"] == "ok" and health["model_version"] == 2)

    asyncio.run(cut())


def test_health_says_how_old_the_features_are_and_what_is_not_drained(world: World) -> None:
    async def look() -> dict[str, Any]:
        async with served(world) as client:
            await client.post("/predict", json=rows())
            return (await client.get("/health")).json()

    health = asyncio.run(look())
    assert (health["refreshed_at"], health["features_age_seconds"]) == ("2013-07-01T12:00:00Z", 1800.0)
    assert (health["undrained_segment_count"], health["undrained_seconds"], health["logged_count"]) == (1, 0.0, 1)
    assert health["undrained_bytes"] > 0


def test_closed_segments_are_drained_while_the_server_runs(world: World) -> None:
    async def wait() -> None:
        pace = replace(QUICK, segment_seconds=0.05)
        app = create_app(world.settings, TINY, find_champion=world.registry.find_champion, clock=lambda: ASKED_AT, pace=pace)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            await client.post("/predict", json=rows())
            await until(client, lambda health: health["undrained_segment_count"] == 0)
            assert world.stored().height == 1

    asyncio.run(wait())


def test_requests_that_come_together_share_syncs(world: World) -> None:
    async def crowd() -> dict[str, Any]:
        async with served(world) as client:
            responses = await asyncio.gather(*(client.post("/predict", json=rows()) for _ in range(64)))
            assert {response.status_code for response in responses} == {200}
            return (await client.get("/health")).json()

    health = asyncio.run(crowd())
    assert health["logged_count"] == 64
    assert health["sync_count"] < 64


def test_a_lake_that_cannot_be_drained_is_a_problem_of_health_and_no_loss(world: World) -> None:
    async def block() -> dict[str, Any]:
        async with served(world) as client:
            log = world.settings.serving_root / "tiny" / "log"
            log.mkdir(parents=True, exist_ok=True)
            (log / "20130701T000000000000Z-1-0.jsonl").write_text("no json\n", encoding="utf-8")
            return await until(client, lambda health: health["status"] == "degraded")

    health = asyncio.run(block())
    assert "line 1 is not JSON" in health["problems"][0]


@pytest.fixture
def page(world: World) -> Callable[[str], Awaitable[httpx.Response]]:
    async def get(url: str) -> httpx.Response:
        async with served(world) as client:
            return await client.get(url)

    return get


def test_the_docs_page_loads_nothing_from_elsewhere(page: Callable[[str], Any]) -> None:
    text = asyncio.run(page("/docs")).text
    assert "http://" not in text
    assert "https://" not in text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert f"/docs/assets/{asset}" in text
        assert asyncio.run(page(f"/docs/assets/{asset}")).status_code == 200


def test_openapi_describes_the_rows_that_are_asked_for(page: Callable[[str], Any]) -> None:
    described = asyncio.run(page("/openapi.json")).json()
    assert described["openapi"] == "3.0.3"
    # OpenAPI 3.0 has no null type; a page of its time shows such a schema as empty.
    assert '"null"' not in json.dumps(described)
    body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["properties"]["rows"]["items"]["required"] == ["shop", "amount_eur", "item_count", "sold_at"]


def test_the_example_of_the_docs_page_is_answered(world: World, page: Callable[[str], Any]) -> None:
    described = asyncio.run(page("/openapi.json")).json()
    example = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    (response,) = ask(world, {"json": example})
    assert response.status_code == 200
    assert len(response.json()["predictions"]) == 1
