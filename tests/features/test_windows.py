from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from headrace.features.windows import latest, rolling_means, rolling_sums

START = datetime(2013, 3, 1, tzinfo=UTC)
WINDOW = timedelta(hours=3)
SPINE = pl.Schema({"shop": pl.String(), "refreshed_at": pl.Datetime("us", "UTC")})
EVENTS = pl.Schema({"shop": pl.String(), "known_at": pl.Datetime("us", "UTC"), "amount": pl.Int64()})

SHOPS = st.sampled_from(["north", "south", None])
INSTANTS = st.integers(0, 12).map(lambda hours: START + timedelta(hours=hours))
SPINE_ROWS = st.lists(st.tuples(SHOPS, INSTANTS), max_size=10)
EVENT_ROWS = st.lists(st.tuples(SHOPS, INSTANTS, st.none() | st.integers(-5, 5)), max_size=15)


def hour(number):
    return START + timedelta(hours=number)


def spine(*rows):
    return pl.DataFrame(rows, schema=SPINE, orient="row")


def events(*rows):
    return pl.DataFrame(rows, schema=EVENTS, orient="row")


def means(spine_frame, event_frame):
    return rolling_means(spine_frame, event_frame, by=("shop",), means={"mean": pl.col("amount")}, count="count", window=WINDOW)


@settings(max_examples=150, deadline=None)
@given(spine_rows=SPINE_ROWS, event_rows=EVENT_ROWS)
def test_sums_and_means_agree_with_looking_at_every_event(spine_rows, event_rows):
    expected = []
    for shop, at in spine_rows:
        seen = [amount for other, known, amount in event_rows if shop is not None and other == shop and at - WINDOW < known <= at]
        values = [amount for amount in seen if amount is not None]
        expected.append((shop, at, sum(values) / len(values) if values else None, float(len(seen)), sum(values)))
    averaged = means(spine(*spine_rows), events(*event_rows))
    summed = rolling_sums(averaged, events(*event_rows), by=("shop",), sums={"sum": pl.col("amount")}, window=WINDOW)
    schema = {**SPINE, "mean": pl.Float64(), "count": pl.Float64(), "sum": pl.Int64()}
    assert_frame_equal(summed, pl.DataFrame(expected, schema=schema, orient="row"), check_exact=True)


@settings(max_examples=100, deadline=None)
@given(spine_rows=st.lists(st.tuples(SHOPS, st.integers(6, 12).map(hour)), max_size=6), event_rows=EVENT_ROWS, older=EVENT_ROWS)
def test_history_before_the_window_changes_no_bit(spine_rows, event_rows, older):
    recent = [row for row in event_rows if row[1] > hour(3)]
    before = [row for row in older if row[1] <= hour(3)]
    assert_frame_equal(means(spine(*spine_rows), events(*recent)), means(spine(*spine_rows), events(*before, *recent)), check_exact=True)


def test_the_window_ends_with_its_instant_and_begins_after_its_start():
    at_both_ends = events(("north", hour(1), 10), ("north", hour(4), 20))
    assert means(spine(("north", hour(4))), at_both_ends).row(0) == ("north", hour(4), 20.0, 1.0)


def test_an_unknown_shop_has_no_events_and_no_mean():
    assert means(spine(("west", hour(4)), (None, hour(4))), events(("north", hour(4), 1), (None, hour(4), 1))).rows() == [
        ("west", hour(4), None, 0.0),
        (None, hour(4), None, 0.0),
    ]


def test_a_sum_of_floats_is_refused_because_its_order_would_show():
    with pytest.raises(TypeError, match=r"sum 'sum' is over Float64; exact sums need integers"):
        rolling_sums(spine(), events(), by=("shop",), sums={"sum": pl.col("amount") * 0.1}, window=WINDOW)


def test_latest_forgets_what_is_older_than_its_tolerance():
    rows = spine(("north", hour(5)), ("north", hour(4)), ("north", hour(0)))
    found = latest(rows, events(("north", hour(2), 7)), by=("shop",), values={"last": pl.col("amount")}, tolerance=timedelta(hours=2))
    assert found["last"].to_list() == [None, 7.0, None]
