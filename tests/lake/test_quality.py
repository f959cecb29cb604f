from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.lake.contracts import load_contract
from headrace.lake.quality import TABLE as QUALITY
from headrace.lake.quality import VERDICT, judge
from tests.lake.tiny_contract import NOON, build_contract, build_rows, expectation

ALL_TOLERATED = build_contract(tolerance_fraction=1.0)


def test_rows_that_keep_their_contract_pass():
    report = judge(build_rows(), build_contract())
    assert report.decision.passed
    assert report.broken.to_list() == [None, None]
    assert report.decision.reason == "silver.tiny_trips: 0 of 2 rows rejected (0.00%, its contract tolerates 50.00%)"


def test_every_promise_of_a_column_becomes_a_finding():
    assert [finding.check.name for finding in judge(build_rows(), build_contract()).findings] == [
        "columns_are_as_promised",
        "trip_id_is_not_null",
        "carrier_is_allowed",
        "delay_minutes_is_finite",
        "delay_minutes_is_in_range",
        "known_at_is_not_null",
        "key_is_unique",
    ]


def test_a_row_names_everything_it_breaks_in_the_order_of_the_contract():
    rows = build_rows(trip_id=[None, "b", "c"], carrier=["ZZ", "UA", None], delay_minutes=[601.0, 0.0, None])
    report = judge(rows, ALL_TOLERATED)
    assert report.broken.to_list() == ["trip_id_is_not_null, carrier_is_allowed, delay_minutes_is_in_range", None, None]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_rejected_though_pandas_takes_nan_for_null(value):
    report = judge(build_rows(delay_minutes=[value, None]), ALL_TOLERATED)
    assert str(report.broken[0]).startswith("delay_minutes_is_finite")
    assert report.broken[1] is None


def test_a_warning_is_counted_and_stops_nothing():
    own = expectation("expect_column_values_to_match_regex", severity="warning", column="trip_id", regex="^trip")
    report = judge(build_rows(trip_id=["trip-1", "walk-2"]), build_contract(tolerance_fraction=0.0, expectations=[own]))
    assert report.decision.passed
    assert report.rows_rejected == 0
    assert report.findings[-1].rows == [1]
    assert not report.findings[-1].is_passed


def test_a_condition_on_rows_keeps_their_numbers():
    own = expectation("expect_column_values_to_not_be_null", column="delay_minutes", row_condition="carrier == 'AA'", condition_parser="pandas")
    rows = build_rows(carrier=["UA", "AA", "AA"], delay_minutes=[None, 1.0, None])
    assert judge(rows, build_contract(expectations=[own])).broken.to_list() == [None, None, "own_promise"]


def test_of_repeated_events_the_first_known_stays():
    rows = build_rows(trip_id=["a", "a", "b"], known_at=[NOON, NOON - timedelta(hours=1), NOON])
    assert judge(rows, build_contract()).broken.to_list() == ["key_is_unique", None, None]


def test_of_repeated_events_known_at_once_the_first_of_the_batch_stays():
    assert judge(build_rows(trip_id=["a", "a", "a"]), ALL_TOLERATED).broken.to_list() == [None, "key_is_unique", "key_is_unique"]


def test_of_repeated_reference_rows_the_newest_stays():
    rows = build_rows(trip_id=["a", "a", "b"], known_at=[NOON, NOON - timedelta(hours=1), NOON])
    contract = build_contract(key={"columns": ["trip_id"], "on_repeat": "update"})
    assert judge(rows, contract).broken.to_list() == [None, "key_is_unique", None]


def test_a_broken_row_does_not_push_out_a_sound_one_with_its_key():
    assert judge(build_rows(trip_id=["a", "a"], carrier=["ZZ", "UA"]), build_contract()).broken.to_list() == ["carrier_is_allowed", None]


def test_rows_without_a_key_are_not_repeats_of_each_other():
    assert judge(build_rows(trip_id=[None, None]), ALL_TOLERATED).broken.to_list() == ["trip_id_is_not_null"] * 2


def test_an_event_that_another_batch_brought_is_a_repeat_and_a_reference_row_is_not():
    rows, taken = build_rows(trip_id=["a", "b"]), pl.DataFrame({"trip_id": ["b"]})
    assert judge(rows, build_contract(), taken=taken).broken.to_list() == [None, "key_is_unique"]
    update = build_contract(key={"columns": ["trip_id"], "on_repeat": "update"})
    assert judge(rows, update, taken=taken).broken.to_list() == [None, None]


def test_rows_per_day_are_counted_by_utc_day():
    own = expectation("expect_column_max_to_be_between", level="day", column="row_count", max_value=2)
    contract = build_contract(expectations=[own])
    spread = [NOON, NOON, NOON + timedelta(hours=12), NOON + timedelta(hours=13)]
    assert judge(build_rows(known_at=spread), contract).decision.passed
    assert not judge(build_rows(known_at=[NOON] * 3), contract).decision.passed


def test_two_batches_judged_in_turn_do_not_see_each_other():
    good, bad = build_rows(carrier=["UA", "AA", "UA"]), build_rows(carrier=["ZZ", "AA"])
    assert [judge(rows, build_contract()).rows_rejected for rows in (good, bad, good)] == [0, 1, 0]


def test_no_reason_quotes_a_value_of_a_row():
    secret = "Jane-Doe-123"
    own = [
        expectation("expect_column_distinct_values_to_be_in_set", level="table", column="trip_id", value_set=["A"]),
        expectation("expect_column_values_to_match_regex", level="row", column="trip_id", regex="(") | {"name": "cannot_be_asked"},
    ]
    report = judge(build_rows(trip_id=[secret, secret], carrier=[secret, secret]), build_contract(expectations=own))
    text = str(report.decision) + str(report.as_rows(use_case="tiny", batch_id="refine/tiny/noon/1").to_dicts())
    assert not report.decision.passed
    assert secret not in text


def test_the_report_is_rows_of_the_shared_table_with_the_verdict_last():
    report = judge(build_rows(carrier=["ZZ", "AA"]), build_contract())
    rows = report.as_rows(use_case="tiny", batch_id="refine/tiny/noon/1")
    assert rows.schema == load_contract(QUALITY).schema
    assert rows.height == len(report.findings) + 1
    broken = rows.filter(pl.col("expectation") == "carrier_is_allowed").row(0, named=True)
    assert (broken["is_passed"], broken["rows_read"], broken["rows_failed"], broken["column_name"]) == (False, 2, 1, "carrier")
    verdict = rows.row(-1, named=True)
    assert (verdict["expectation"], verdict["level"], verdict["is_passed"], verdict["rows_failed"]) == (VERDICT, "batch", True, 1)
    assert verdict["reason"] == report.decision.reason


def test_the_rows_of_a_report_keep_the_contract_of_the_shared_table():
    rows = judge(build_rows(carrier=["ZZ", "AA"]), build_contract()).as_rows(use_case="tiny", batch_id="refine/tiny/noon/1")
    assert judge(rows, load_contract(QUALITY)).decision.passed


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", None]),
            st.sampled_from(["UA", "ZZ", None]),
            st.sampled_from([0.0, 600.0, 600.5, -61.0, None]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_judging_agrees_with_a_reading_row_by_row(values):
    names, carriers, delays = (list(column) for column in zip(*values, strict=True))
    report = judge(build_rows(trip_id=names, carrier=carriers, delay_minutes=delays), ALL_TOLERATED)
    seen: set[str | None] = set()
    for broken, name, carrier, delay in zip(report.broken, names, carriers, delays, strict=True):
        is_sound = name is not None and carrier != "ZZ" and (delay is None or -60 <= delay <= 600)
        assert (broken is None) == (is_sound and name not in seen)
        seen |= {name} if is_sound else set()
