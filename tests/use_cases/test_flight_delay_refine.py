from datetime import UTC, datetime

import polars as pl
import pytest

from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from headrace.use_case import load
from tests.use_cases.flights import EVERYTHING
from use_cases.flight_delay import refine
from use_cases.flight_delay.label import LABEL, build_label
from use_cases.flight_delay.source import FEEDS, NewYorkFlights

KNOWN = datetime(2013, 3, 11, tzinfo=UTC)
LOCAL_DAY = {"year": 2013, "month": 3, "day": 10, "minute": 59}
FLIGHT = LOCAL_DAY | {"carrier": "UA", "flight": 7, "tailnum": None, "origin": "EWR", "dest": "IAH", "known_at": KNOWN}


def outcome(dep_delay, arr_delay, air_time, *, time_hour="2013-03-10T10:00:00Z"):
    rows = pl.DataFrame([FLIGHT | {"time_hour": time_hour, "dep_delay": dep_delay, "arr_delay": arr_delay, "air_time": air_time}])
    return refine.refine_flight_outcomes(rows.with_columns(pl.col("dep_delay", "arr_delay", "air_time").cast(pl.Int64)))


@pytest.mark.parametrize("feed", FEEDS)
def test_refined_rows_have_the_columns_and_types_of_the_silver_contract(feed):
    (delivery,) = NewYorkFlights().deliveries(feed, after=None, until=datetime(2013, 1, 3, tzinfo=UTC))
    stamped = delivery.read().with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in SYSTEM_COLUMNS.items())
    silver = load("flight_delay").feeds[feed](stamped)
    assert dict(silver.schema) == dict(load_contract(f"silver.flight_delay_{feed}").schema)
    assert silver.height == stamped.height


@pytest.mark.parametrize(
    ("feed", "key"), [("flight_schedules", ["flight_id"]), ("flight_outcomes", ["flight_id"]), ("weather", ["origin", "observed_at"])]
)
def test_no_two_rows_of_the_year_share_a_key(feed, key):
    (delivery,) = NewYorkFlights().deliveries(feed, after=None, until=EVERYTHING)
    assert load("flight_delay").feeds[feed](delivery.read()).select(key).is_unique().all()


def test_a_local_departure_becomes_utc_on_both_sides_of_the_clock_change():
    winter, summer = outcome(0, 0, 60, time_hour="2013-03-10T06:00:00Z"), outcome(0, 0, 60, time_hour="2013-03-10T07:00:00Z")
    assert winter["scheduled_departure_at"].to_list() == [datetime(2013, 3, 10, 6, 59, tzinfo=UTC)]
    assert summer["scheduled_departure_at"].to_list() == [datetime(2013, 3, 10, 7, 59, tzinfo=UTC)]


def test_a_flight_is_named_by_its_local_day_carrier_number_and_origin():
    late_evening = outcome(0, 0, 60, time_hour="2013-03-11T03:00:00Z")
    assert late_evening["flight_id"].to_list() == ["2013-03-10/UA/7/EWR"]


@pytest.mark.parametrize(
    ("dep_delay", "arr_delay", "air_time", "is_cancelled", "is_diverted", "is_late"),
    [(0, 14, 60, False, False, 0.0), (-3, 15, 60, False, False, 1.0), (None, None, None, True, False, None), (5, None, None, False, True, None)],
)
def test_only_a_flight_that_arrived_has_a_label(dep_delay, arr_delay, air_time, is_cancelled, is_diverted, is_late):
    refined = outcome(dep_delay, arr_delay, air_time)
    assert refined.select("is_cancelled", "is_diverted").row(0) == (is_cancelled, is_diverted)
    assert build_label({"flight_outcomes": refined}).rows() == [("2013-03-10/UA/7/EWR", is_late, KNOWN)]


def test_every_label_of_the_year_is_known_when_it_is_said_to_mature():
    (delivery,) = NewYorkFlights().deliveries("flight_outcomes", after=None, until=EVERYTHING)
    outcomes = refine.refine_flight_outcomes(delivery.read())
    prediction_at = pl.col("scheduled_departure_at") - pl.duration(hours=2)
    assert outcomes.select((pl.col("known_at") - prediction_at).max()).item() <= LABEL.matures_after


def test_weather_is_converted_and_an_impossible_wind_is_left_for_the_contract_to_judge():
    hour = {"origin": "EWR", "time_hour": "2013-01-01T06:00:00Z", "known_at": KNOWN}
    observed = {"temp": 50.0, "dewp": 32.0, "humid": 40.0, "wind_dir": 270, "wind_speed": 1000.0, "wind_gust": None}
    rows = pl.DataFrame([hour | observed | {"precip": 0.5, "pressure": 1012.0, "visib": 10.0}])
    refined = refine.refine_weather(rows.with_columns(pl.col("wind_gust").cast(pl.Float64))).row(0, named=True)
    assert refined["observed_at"] == datetime(2013, 1, 1, 6, tzinfo=UTC)
    expected = {"temperature_celsius": 10, "dew_point_celsius": 0, "wind_speed_kmh": 1609.344, "precipitation_mm": 12.7, "visibility_km": 16.09344}
    assert {name: refined[name] for name in expected} == pytest.approx(expected)
