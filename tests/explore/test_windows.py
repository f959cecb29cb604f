"""Two windows against each other, by monitoring's own measure."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from headrace.explore.windows import choose_windows, compare_windows, name_dates, read_dates
from headrace.monitoring.drift import measure_drift
from tests.small_flights import small_flights

CASE = small_flights()
START = datetime(2013, 1, 1, tzinfo=UTC)
FEATURES = ["carrier", "distance_km", "plane_age_years"]


def flights(rows: int = 800) -> pl.DataFrame:
    """Forty days; in the second half flights are longer, and aircraft have no age at all."""
    generator, days = np.random.default_rng(1), np.arange(rows) * 40 / rows
    is_late = days >= 20
    return pl.DataFrame(
        {
            "flight_id": [f"{number}" for number in range(rows)],
            "prediction_at": [START + timedelta(days=float(day)) for day in days],
            "carrier": generator.choice(["AA", "UA"], rows),
            "distance_km": generator.normal(1000, 100, rows) + 300 * is_late,
            "plane_age_years": [None if late else 3.0 for late in is_late],
        }
    )


def compare(rows: pl.DataFrame, current, reference) -> pl.DataFrame:
    return compare_windows(rows, CASE, time="prediction_at", current=current, reference=reference, features=FEATURES, seed=1)


def test_what_drifted_stands_first_and_what_cannot_be_compared_last_with_the_reason():
    current, reference = read_dates(date(2013, 1, 21), date(2013, 2, 9)), read_dates(date(2013, 1, 1), date(2013, 1, 20))
    found = compare(flights(), current, reference)
    assert found["feature"].to_list() == ["distance_km", "carrier", "plane_age_years"]
    assert found["is_drifted"].to_list() == [True, False, None]
    assert found["reason"][2] == "the window has 0 values, 100 are needed"


def test_the_measure_is_that_of_monitoring():
    rows = flights()
    split = START + timedelta(days=20)
    found = compare(rows, (split, START + timedelta(days=40)), (START, split))
    halves = [rows.filter(pl.col("prediction_at") >= split), rows.filter(pl.col("prediction_at") < split)]
    expected = measure_drift(*halves, numerical=["distance_km"], categorical=[], threshold=CASE.policy.drift_threshold)
    assert found.filter(feature="distance_km")["value"][0] == pytest.approx(expected["value"][0])


def test_the_end_of_a_window_is_not_in_it():
    rows = flights()
    split = rows["prediction_at"][400]
    counts = compare(rows, (split, START + timedelta(days=99)), (START, split)).filter(feature="carrier").row(0, named=True)
    assert (counts["current_count"], counts["reference_count"]) == (400, 400)


def test_a_key_that_was_left_out_as_personal_does_not_hinder():
    current, reference = choose_windows(flights()["prediction_at"])
    assert compare(flights().drop("flight_id"), current, reference).height == 3


def test_the_newest_four_weeks_are_compared_with_those_before():
    instants = pl.Series([START, START + timedelta(days=99, hours=5)])
    current, reference = choose_windows(instants)
    assert current == (START + timedelta(days=72), START + timedelta(days=100))
    assert reference == (START + timedelta(days=44), START + timedelta(days=72))
    assert name_dates(current) == (date(2013, 3, 14), date(2013, 4, 10))
    assert read_dates(*name_dates(current)) == current


def test_a_shorter_span_is_cut_in_halves_and_an_empty_one_gives_windows_without_rows():
    current, reference = choose_windows(pl.Series([START, START + timedelta(days=9)]))
    assert (current, reference) == ((START + timedelta(days=5), START + timedelta(days=10)), (START, START + timedelta(days=5)))
    empty = choose_windows(pl.Series([], dtype=pl.Datetime("us", "UTC")))
    assert compare(flights().clear(), *empty)["value"].null_count() == 3
