"""Bad input through the whole front of the line: the error or quarantine that its contract promises, nothing lost, nothing half-written."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace.errors import BatchError, SourceError
from headrace.lake import ingestion, refinement, tables
from headrace.lake.landing import LandingFolder
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase

ARRIVED, AS_OF = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
FEED = "flight_schedules"
BRONZE, SILVER, REJECTED = f"bronze.flight_delay_{FEED}", f"silver.flight_delay_{FEED}", f"silver.flight_delay_{FEED}_rejected"


@pytest.fixture(scope="module")
def good() -> pl.DataFrame:
    """Three days of real schedules, as a team would land them."""
    delivery = use_cases.load("flight_delay").source.deliveries(FEED, after=None, until=AS_OF)[0]
    return delivery.read().filter((pl.col("month") == 2) & (pl.col("day") <= 3))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings("dev", home=tmp_path / "home", variables={})


@pytest.fixture
def case(tmp_path: Path) -> UseCase:
    folder = tmp_path / "landing"
    (folder / FEED).mkdir(parents=True)
    return replace(use_cases.load("flight_delay"), source=LandingFolder(folder=folder, use_case="flight_delay"))


@pytest.fixture
def land(tmp_path: Path) -> Callable[..., Path]:
    """Put a file into the landing folder."""

    def write(content: pl.DataFrame | bytes, name: str = "day.csv") -> Path:
        path = tmp_path / "landing" / FEED / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif name.endswith(".parquet"):
            content.write_parquet(path)
        else:
            content.write_csv(path)
        os.utime(path, (ARRIVED.timestamp(), ARRIVED.timestamp()))
        return path

    return write


def run(settings: Settings, case: UseCase):
    """Ingest and, where that passed, refine."""
    step = ingestion.append_feed(settings, case, FEED, as_of=AS_OF)
    return refinement.refine_feed(settings, case, FEED, as_of=AS_OF) if step.decision.passed else step


def count(settings: Settings, table: str) -> int:
    return tables.read(settings, table).select(pl.len()).collect().item()


def test_a_good_file_reaches_silver_whole(settings, case, land, good):
    land(good)
    assert run(settings, case).decision.passed
    assert (count(settings, BRONZE), count(settings, SILVER), count(settings, REJECTED)) == (good.height, good.height, 0)


@pytest.mark.parametrize(
    ("spoil", "name", "message"),
    [
        pytest.param(lambda rows: rows.drop("carrier"), "day.csv", "carrier", id="missing column"),
        pytest.param(lambda rows: rows.with_columns(pl.col("distance").cast(pl.String) + " miles"), "day.csv", "distance", id="wrong type"),
        pytest.param(lambda rows: rows.with_columns(pl.col("flight") + 0.5), "day.csv", "flight", id="8.5 is not 8"),
        pytest.param(lambda rows: b"", "day.csv", "empty", id="empty file"),
        pytest.param(lambda rows: rows.write_csv().encode("utf-16"), "day.csv", "UTF-8", id="wrong encoding"),
        pytest.param(lambda rows: rows, "half.parquet", "half.parquet", id="half-written Parquet"),
    ],
)
def test_an_unreadable_file_is_refused_by_name_and_leaves_no_row(settings, case, land, good, spoil, name, message):
    path = land(spoil(good), name)
    if name == "half.parquet":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        os.utime(path, (ARRIVED.timestamp(), ARRIVED.timestamp()))
    with pytest.raises(SourceError, match=message):
        run(settings, case)
    assert (count(settings, BRONZE), count(settings, SILVER)) == (0, 0)
    assert path.exists()

    # The file is mended and the same stage runs again: nothing was lost.
    path.unlink()
    land(good, "mended.csv")
    assert run(settings, case).decision.passed
    assert count(settings, SILVER) == good.height


def test_an_unknown_carrier_is_quarantined_with_its_reason(settings, case, land, good):
    land(good.with_row_index("row").with_columns(pl.when(pl.col("row") < 3).then(pl.lit("ZZ")).otherwise("carrier").alias("carrier")).drop("row"))
    assert run(settings, case).decision.passed
    rejected = tables.read(settings, REJECTED).collect()
    assert rejected["_expectation"].to_list() == ["carrier_is_allowed"] * 3
    assert count(settings, SILVER) + rejected.height == count(settings, BRONZE) == good.height


def test_too_many_unknown_carriers_stop_the_line_and_write_why(settings, case, land, good):
    land(good.with_columns(pl.lit("ZZ").alias("carrier")))
    decision = run(settings, case).decision
    assert not decision.passed
    assert "tolerates" in decision.reason
    assert (count(settings, BRONZE), count(settings, SILVER)) == (good.height, 0)
    verdicts = tables.read(settings, "metrics.data_quality").filter(~pl.col("is_passed")).collect()
    assert "batch_verdict" in verdicts["expectation"].to_list()


def test_a_blocked_batch_that_a_person_withdraws_lets_the_line_go_on_and_loses_no_row(settings, case, land, good):
    land(good.with_columns(pl.lit("ZZ").alias("carrier")), "wrong.csv")
    decision = run(settings, case).decision
    batch = decision.reason.split("BATCH=")[1].split()[0]
    refinement.withdraw_batch(settings, case, bronze_batch=batch, by="ada", reason="carrier codes were masked")
    land(good, "right.csv")
    assert run(settings, case).decision.passed
    rejected = tables.read(settings, REJECTED).collect()
    assert set(rejected["_expectation"]) == {"withdrawn"}
    assert (count(settings, SILVER), rejected.height, count(settings, BRONZE)) == (good.height, good.height, 2 * good.height)
    with pytest.raises(BatchError, match="withdrawn before"):
        refinement.withdraw_batch(settings, case, bronze_batch=batch, by="ada", reason="again")


@pytest.mark.parametrize(("batch", "by"), [("ingest/flight_delay/nothing/1", "ada"), ("'; drop", "ada")])
def test_only_a_batch_that_exists_can_be_withdrawn(settings, case, batch, by):
    with pytest.raises(BatchError, match="no bronze batch"):
        refinement.withdraw_batch(settings, case, bronze_batch=batch, by=by, reason="wrong")


def test_a_blocked_batch_is_judged_anew_once_code_or_contract_are_mended(settings, case, land, good):
    land(good.with_columns(-pl.col("distance")))
    assert not run(settings, case).decision.passed
    mended = replace(case, feeds={**case.feeds, FEED: lambda rows: case.feeds[FEED](rows).with_columns(pl.col("distance_km").abs())})
    assert refinement.refine_feed(settings, mended, FEED, as_of=AS_OF).decision.passed
    assert count(settings, SILVER) == good.height


def test_repeated_keys_are_quarantined_within_a_file_and_across_files(settings, case, land, good):
    land(pl.concat([good, good.head(5)]), "first.csv")
    land(good.tail(4), "second.csv")
    run(settings, case)
    assert count(settings, SILVER) == good.height
    assert tables.read(settings, SILVER).collect()["flight_id"].is_duplicated().sum() == 0


def test_ten_times_the_rows_stop_the_line(settings, case, land, good):
    flights = pl.concat([good.with_columns(pl.col("flight") + 10_000 * copy) for copy in range(10)])
    land(flights)
    decision = run(settings, case).decision
    assert not decision.passed
    assert "busiest_day_is_plausible" in decision.reason
    assert count(settings, SILVER) == 0
