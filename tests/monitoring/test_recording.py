"""Monitoring through the lake: rows are written once, whatever the ticks, and a gap is seen."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.lake import runs, tables
from headrace.models.baseline import fit_baseline
from headrace.models.candidate import BASELINE, DRIFT_REFERENCE, METRICS, write_json
from headrace.models.kinds import load_kind
from headrace.monitoring import recording
from headrace.monitoring.alerts import TABLE as ALERTS
from headrace.monitoring.alerts import append_alerts, find_alerts
from headrace.registry import history, versions
from headrace.settings import Settings
from tests.registry.fixtures import SIGNATURE
from tests.serving.tiny import NOON as BUILT
from tests.serving.tiny import TINY

POLICY = replace(
    use_cases.load("flight_delay").policy,
    slices=("shop",),
    baseline={"shop": None},
    window=timedelta(days=7),
    drift_sample_rows=300,
    persistence=2,
    performance_metric="live/log_loss",
)
CASE = replace(TINY, policy=POLICY)

# Three windows of drift, twelve of performance. The champion reigns from the first instant on.
SINCE, UNTIL = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 6, 24, tzinfo=UTC)
MIDDLE, LAST = datetime(2013, 5, 20, tzinfo=UTC), UNTIL + timedelta(days=1)


def purchases() -> pl.DataFrame:
    """One purchase an hour, with its features, what the champion said and what came of it."""
    generator = np.random.default_rng(7)
    at = pl.datetime_range(SINCE, UNTIL, "1h", closed="right", eager=True, time_unit="us").alias("prediction_at")
    share = generator.uniform(0, 1, at.len())
    return at.to_frame().with_columns(
        pl.int_range(pl.len()).cast(pl.String).alias("purchase_id"),
        pl.lit(1, dtype=pl.Int64).alias("features_version"),
        pl.Series("shop", generator.choice(["north", "south"], at.len())),
        pl.Series("amount_eur", generator.uniform(1, 100, at.len())),
        at.dt.hour().cast(pl.Float64).alias("hour"),
        pl.Series("shop_return_fraction", share),
        pl.Series("probability_fraction", share),
        pl.Series("is_returned", (generator.uniform(0, 1, at.len()) < share).astype(float)),
        (pl.col("prediction_at") + pl.duration(hours=20)).alias("known_at"),
    )


@pytest.fixture(scope="session")
def monitored(candidate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The candidate's folder with what monitoring reads from it."""
    folder = Path(shutil.copytree(candidate, tmp_path_factory.mktemp("monitored") / versions.CANDIDATE_FOLDER))
    rows = purchases()
    write_json(folder / BASELINE, fit_baseline(rows, kind=load_kind("binary"), label="is_returned", outcomes=(), columns={"shop": None}).as_json())
    write_json(folder / METRICS, {"holdout/log_loss": 0.5})
    rows.select("prediction_at", "features_version", *CASE.features.names).head(400).write_parquet(folder / DRIFT_REFERENCE)
    return folder


@pytest.fixture
def lake(settings: Settings, monitored: Path) -> Settings:
    """A lake with a champion, its predictions and their outcomes."""
    version = versions.register(
        settings,
        CASE,
        monitored,
        model_id="one",
        signature=SIGNATURE,
        params={},
        metrics={},
        tags={"as_of": "2013-04-01"},
        tables={},
        requirements=[],
    )
    history.record_verdict(settings, CASE, version, passed("promotion", "better"), as_of=SINCE, approver=None)
    rows = purchases().with_columns(pl.lit(1, dtype=pl.Int64).alias("model_version"))
    write = {
        "gold.tiny_features": ["purchase_id", "prediction_at", "features_version", *CASE.features.names],
        "inference.tiny_predictions": ["purchase_id", "prediction_at", "model_version", "probability_fraction"],
        "silver.tiny_returns": ["purchase_id", "is_returned", "known_at"],
    }
    for table, columns in write.items():
        tables.append(settings, table, rows.select(columns), batch_id="test/tiny/all/1")
    return settings


def monitor(settings: Settings, ticks: Sequence[datetime]) -> None:
    for tick in ticks:
        run = runs.begin(settings, CASE.name, "monitor", as_of=tick)
        steps = [recording.append_performance(settings, CASE, as_of=tick), recording.append_drift(settings, CASE, as_of=tick)]
        assert all(step.decision.passed for step in steps)
        runs.finish(settings, run, passed("monitor", "done"), counts={}, prefect_run_id="")


def read(settings: Settings, table: str) -> pl.DataFrame:
    rows = tables.read(settings, table).collect()
    return rows.sort(rows.columns)


def test_whatever_the_ticks_the_rows_are_the_same(lake: Settings, tmp_path: Path):
    whole = lake.model_copy(update={"home": tmp_path / "whole"})
    shutil.copytree(lake.environment_home, whole.environment_home)
    monitor(lake, [SINCE + timedelta(days=3), MIDDLE, MIDDLE + timedelta(hours=5), LAST])
    monitor(whole, [LAST])
    for table in (recording.PERFORMANCE, recording.DRIFT):
        assert_frame_equal(read(lake, table), read(whole, table))
    assert read(whole, recording.PERFORMANCE)["window_start"].n_unique() == 12


def test_a_run_that_died_before_its_end_writes_nothing_twice(lake: Settings):
    for _ in range(2):
        recording.append_performance(lake, CASE, as_of=LAST)
        recording.append_drift(lake, CASE, as_of=LAST)
    keys = ["window_start", "window_end", "model_version", "slice_column", "slice_value", "metric"]
    assert not read(lake, recording.PERFORMANCE).select(keys).is_duplicated().any()
    assert not read(lake, recording.DRIFT).select("window_start", "view", "feature").is_duplicated().any()


def test_a_window_without_a_season_to_compare_with_has_no_drift_and_says_why(lake: Settings):
    recording.append_drift(lake, CASE, as_of=MIDDLE)
    season = read(lake, recording.DRIFT).filter((pl.col("window_start") == SINCE) & (pl.col("view") == "season"))
    assert season["value"].null_count() == season.height == len(CASE.features.names) + 1
    assert season["reason"].str.contains("the reference has 0 values").all()


def test_a_label_that_comes_later_than_promised_counts_for_nobody(lake: Settings):
    late = purchases().select("purchase_id", "is_returned", known_at=pl.col("prediction_at") + pl.duration(hours=25))
    tables.replace(lake, "silver.tiny_returns", late, where={"known_at": (SINCE, LAST + timedelta(days=9))}, batch_id="test/tiny/late/1")
    recording.append_performance(lake, CASE, as_of=LAST)
    unlabelled = read(lake, recording.PERFORMANCE).filter(pl.col("metric") == "live/unlabelled_fraction")
    assert unlabelled["value"].unique().to_list() == [1.0]


def test_a_window_that_nobody_measured_keeps_the_champion_from_passing_as_healthy(lake: Settings):
    monitor(lake, [MIDDLE])
    seen = recording.decide_retraining(lake, CASE, as_of=MIDDLE)
    assert seen.evidence["live_metrics"].count("missing") == 0
    unseen = recording.decide_retraining(lake, CASE, as_of=LAST)
    assert unseen.evidence["live_metrics"] == "missing, missing"
    assert recording.decide_retraining(lake, CASE, as_of=LAST) == unseen


def append_index(lake: Settings, as_of: datetime, digest: str, **counts: int) -> None:
    row = {"use_case": CASE.name, "as_of": as_of, "index_version": digest + as_of.isoformat(), "gold_version": 1, "embedder": "e", "chunk_count": 5}
    row |= {"added_count": 0, "deleted_count": 0} | counts | {"content_digest": digest, "built_at": as_of}
    rows = pl.DataFrame([row]).cast({"as_of": pl.Datetime("us", "UTC"), "built_at": pl.Datetime("us", "UTC")})
    tables.append(lake, recording.INDEX_VERSIONS, rows, batch_id=f"test/tiny/{as_of:%Y%m%d}/1")


def test_documents_that_changed_since_the_champion_ask_for_a_training_until_there_was_one(lake: Settings):
    day, built = timedelta(days=1), BUILT
    append_index(lake, built - day, "old")
    append_index(lake, built + day, "old")
    assert recording.decide_retraining(lake, CASE, as_of=built + day).trigger == "none"
    append_index(lake, built + 2 * day, "new", added_count=3, deleted_count=1)
    decision = recording.decide_retraining(lake, CASE, as_of=built + 2 * day)
    assert (decision.should_retrain, decision.trigger) == (True, "documents")
    assert "3 chunks of them came to the index and 1 went" in decision.reason
    run = runs.begin(lake, CASE.name, "train", as_of=MIDDLE + day)
    runs.finish(lake, run, passed("train", "done"), counts={}, prefect_run_id="")
    assert recording.decide_retraining(lake, CASE, as_of=MIDDLE + 2 * day).trigger == "none"


def breaching(**bars: object):
    """The use case with bars that its windows cross, or not."""
    return replace(CASE, policy=replace(POLICY, drift_view="training", **bars))


def test_a_window_that_crosses_a_bar_is_named_once_and_again_by_a_run_that_died(lake: Settings):
    strict = breaching(max_performance_drop=-1.0, max_drifted_fraction=0.0)
    monitor(lake, [MIDDLE])
    recording.append_performance(lake, CASE, as_of=LAST)
    recording.append_drift(lake, CASE, as_of=LAST)
    found = append_alerts(lake, strict, as_of=LAST)
    # Of twelve weeks six had their last label after the first run, of three spans of four weeks two ended after it.
    assert [alert.kind for alert in found] == ["performance"] * 6 + ["drift"] * 2
    assert found[0].name == "2013-05-13T00:00:00Z--2013-05-20T00:00:00Z"
    assert "of version 1 was" in found[0].reason
    assert append_alerts(lake, strict, as_of=LAST) == found
    assert read(lake, ALERTS)["alert"].value_counts().sort("alert").rows() == [("drift", 2), ("performance", 6)]
    monitor(lake, [LAST])
    assert find_alerts(lake, strict, as_of=LAST + timedelta(hours=1)) == []


def test_a_window_within_the_bars_and_one_that_cannot_be_judged_are_no_breach(lake: Settings):
    recording.append_performance(lake, CASE, as_of=LAST)
    recording.append_drift(lake, CASE, as_of=LAST)
    assert find_alerts(lake, breaching(max_performance_drop=0.5, max_drifted_fraction=1.0), as_of=LAST) == []
    # Nothing measures this metric, so nobody knows what it would be.
    unknown = breaching(max_performance_drop=-1.0, max_drifted_fraction=1.0, performance_metric="live/nothing")
    assert find_alerts(lake, unknown, as_of=LAST) == []
