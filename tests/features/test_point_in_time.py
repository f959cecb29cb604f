from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from headrace.features.point_in_time import join_as_of

START = datetime(2013, 3, 1, tzinfo=UTC)
LEFT = pl.Schema({"key": pl.String(), "part": pl.Int64(), "at": pl.Datetime("us", "UTC")})
RIGHT = pl.Schema({"key": pl.String(), "part": pl.Int64(), "known_at": pl.Datetime("us", "UTC"), "value": pl.Int64(), "note": pl.String()})

# Few keys and few instants, so that ties, gaps and repeats are the rule.
KEYS = st.sampled_from(["a", "b", None])
PARTS = st.sampled_from([1, 2, None])
INSTANTS = st.none() | st.integers(0, 6).map(lambda hours: START + timedelta(hours=hours))
LEFT_ROWS = st.lists(st.tuples(KEYS, PARTS, INSTANTS), max_size=12)
RIGHT_ROWS = st.lists(st.tuples(KEYS, PARTS, INSTANTS, st.none() | st.integers(0, 3), st.sampled_from(["x", "y", None])), max_size=12)
TOLERANCES = st.none() | st.integers(0, 4).map(lambda hours: timedelta(hours=hours))


def left_frame(rows):
    return pl.DataFrame(rows, schema=LEFT, orient="row")


def right_frame(rows):
    return pl.DataFrame(rows, schema=RIGHT, orient="row")


def joined(left, right, tolerance=None):
    return join_as_of(left, right, by=("key", "part"), at="at", known="known_at", tolerance=tolerance)


def brute_force(left_rows, right_rows, tolerance):
    """For each left row, look at every right row."""

    def rank(row):
        return tuple((value is not None, value) if value is not None else (False,) for value in (row[2], row[3], row[4]))

    result = []
    for key, part, at in left_rows:
        known = [
            row
            for row in right_rows
            if None not in (key, part, at, row[2]) and row[:2] == (key, part) and row[2] <= at and (tolerance is None or at - row[2] <= tolerance)
        ]
        newest = max(known, key=rank, default=(None,) * 5)
        result.append((key, part, at, newest[3], newest[4]))
    return pl.DataFrame(result, schema={**LEFT, "value": pl.Int64(), "note": pl.String()}, orient="row")


@settings(max_examples=150, deadline=None)
@given(left_rows=LEFT_ROWS, right_rows=RIGHT_ROWS, tolerance=TOLERANCES)
def test_the_join_agrees_with_looking_at_every_row(left_rows, right_rows, tolerance):
    assert_frame_equal(joined(left_frame(left_rows), right_frame(right_rows), tolerance), brute_force(left_rows, right_rows, tolerance))


@settings(max_examples=50, deadline=None)
@given(left_rows=LEFT_ROWS, right_rows=RIGHT_ROWS, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_right_rows_decides_nothing(left_rows, right_rows, shuffle):
    shuffled = shuffle.sample(right_rows, len(right_rows))
    assert_frame_equal(joined(left_frame(left_rows), right_frame(right_rows)), joined(left_frame(left_rows), right_frame(shuffled)))


def test_an_unsorted_left_side_never_gets_a_row_of_the_future():
    left = left_frame([("a", 1, START + timedelta(hours=5)), ("a", 1, START), ("a", 1, START + timedelta(hours=2))])
    right = right_frame([("a", 1, START + timedelta(hours=3), 3, "x"), ("a", 1, START + timedelta(hours=1), 1, "x")])
    assert joined(left, right)["value"].to_list() == [3, None, 1]


def test_a_row_known_at_the_very_instant_is_known():
    left = left_frame([("a", 1, START)])
    assert joined(left, right_frame([("a", 1, START, 7, "x")]))["value"].to_list() == [7]


def test_the_newest_row_counts_even_where_its_value_is_null():
    left = left_frame([("a", 1, START + timedelta(hours=2))])
    right = right_frame([("a", 1, START, 7, "x"), ("a", 1, START + timedelta(hours=1), None, None)])
    assert joined(left, right)["value"].to_list() == [None]


def test_a_null_key_matches_nothing_not_even_null():
    left = left_frame([(None, 1, START), ("a", None, START)])
    right = right_frame([(None, 1, START, 7, "x"), ("a", None, START, 7, "x")])
    assert joined(left, right)["value"].to_list() == [None, None]
