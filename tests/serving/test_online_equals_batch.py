"""Training, batch and server see the same: 1,000 real flights, asked one by one at their own prediction times."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import lightgbm
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.features.materialize import build_features, build_spine, feature_hashes
from headrace.features.online import publish
from headrace.lake import tables
from headrace.models.candidate import MODEL, Candidate, write_candidate
from headrace.models.encoding import encode, fit_categories
from headrace.models.scorer import load_scorer
from headrace.serving.app import create_app
from headrace.serving.model_watcher import ChampionRef
from headrace.serving.request_rows import requests_table
from headrace.settings import load_settings
from tests.use_cases.flights import CASE, known_by, silver

FEATURES = CASE.features
TRAINED_FROM, ASKED_FROM = datetime(2013, 1, 10, tzinfo=UTC), datetime(2013, 2, 5, tzinfo=UTC)
FLIGHTS = 1_000


@pytest.fixture(scope="module")
def batch() -> pl.DataFrame:
    """What batch featurizing gives for the flights that are asked, in the order of their prediction times."""
    inputs = silver()
    spine = build_spine(FEATURES, inputs, after=ASKED_FROM, until=ASKED_FROM + timedelta(days=5))
    return build_features(FEATURES, inputs, spine.sort("prediction_at", "flight_id").head(FLIGHTS))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate fitted on the flights of the weeks before."""
    inputs, folder = silver(), tmp_path_factory.mktemp("model")
    rows = build_features(FEATURES, inputs, build_spine(FEATURES, inputs, after=TRAINED_FROM, until=ASKED_FROM))
    labelled = rows.join(CASE.label.build(inputs), on="flight_id").drop_nulls(CASE.label.name)
    categories = fit_categories(labelled, FEATURES.categorical)
    matrix = encode(labelled, features=FEATURES.names, categories=categories)
    labels, names, categorical = labelled[CASE.label.name].to_numpy(), list(FEATURES.names), list(FEATURES.categorical)
    data = lightgbm.Dataset(matrix, label=labels, feature_name=names, categorical_feature=categorical)
    booster = lightgbm.train({"objective": "binary", "num_threads": 1, "verbosity": -1, "deterministic": True}, data, num_boost_round=60)
    (folder / MODEL).write_text(booster.model_to_string(), encoding="utf-8")
    instants = dict.fromkeys(("as_of", "train_start", "train_end", "validation_start", "validation_end", "holdout_start", "holdout_end"), ASKED_FROM)
    candidate = Candidate(
        use_case=CASE.name, kind="binary", outcomes=(), label=CASE.label.name, features_version=FEATURES.version, features=FEATURES.names,
        categories=categories,
        learns_change=False,
        calibration={"method": "platt", "slope": 0.9, "intercept": -0.1}, params={}, best_round=60, seed=0, provenance={}, **instants,
    )  # fmt: skip
    write_candidate(folder, candidate)
    return folder


async def ask_each(batch: pl.DataFrame, model: Path, home: Path) -> list[dict[str, object]]:
    """Publish at each instant of the refresh grid what is known then, and ask for its flights at their prediction times."""
    settings, inputs = load_settings("dev", home=home, variables={}), silver()
    requests = {row["flight_id"]: row for row in inputs["flight_schedules"].select(list(FEATURES.request_columns)).iter_rows(named=True)}
    time = {"now": ASKED_FROM}
    champion = ChampionRef(version=3, model_id="fitted", folder=model)
    app = create_app(settings, CASE, find_champion=lambda: champion, clock=lambda: time["now"])
    predictions = []
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        for (refreshed_at,), due in batch.group_by("refreshed_at", maintain_order=True):
            publish(settings.online_root / CASE.name, FEATURES, known_by(inputs, refreshed_at), as_of=refreshed_at)
            for flight_id, time["now"] in due.select("flight_id", "prediction_at").iter_rows():
                row = requests[flight_id]
                body = {"rows": [{**row, "scheduled_departure_at": row["scheduled_departure_at"].isoformat()}]}
                response = await client.post("/predict", json=body)
                assert response.status_code == 200, response.text
                predictions.append({"flight_id": flight_id, **response.json()["predictions"][0]})
    return predictions


@pytest.mark.long
def test_online_and_batch_scores_of_a_thousand_flights_are_equal(batch: pl.DataFrame, model: Path, tmp_path: Path) -> None:
    answered = pl.DataFrame(asyncio.run(ask_each(batch, model, tmp_path)))
    expected = batch.select(
        "flight_id",
        "refreshed_at",
        feature_hashes(batch, FEATURES.names),
        pl.Series("probability_fraction", load_scorer(model).predict(batch)),
    )
    online = answered.select(
        "flight_id", pl.col("refreshed_at").str.to_datetime(time_zone="UTC", time_unit="us"), "feature_hash", "probability_fraction"
    )
    assert online.height == FLIGHTS
    assert batch["refreshed_at"].n_unique() > 100
    assert_frame_equal(online, expected, check_exact=True)
    # Equal because everything is missing would be equal too.
    for feature in ("tail_last_arrival_delay_minutes", "route_late_rate_7d_fraction", "weather_pressure_hpa"):
        assert batch[feature].count() > FLIGHTS / 4
    assert answered["probability_fraction"].n_unique() > FLIGHTS / 2

    logged = tables.read(load_settings("dev", home=tmp_path, variables={}), requests_table(CASE.name)).collect()
    told = logged.sort("requested_at", maintain_order=True).select("requested_at", "feature_hash", "probability_fraction")
    assert told["requested_at"].to_list() == batch["prediction_at"].to_list()
    assert sorted(told["feature_hash"].to_list()) == sorted(expected["feature_hash"].to_list())
