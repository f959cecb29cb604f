"""A batch that is judged slice by slice is judged as it would be whole."""

import polars as pl
import pytest

from headrace.lake import suites
from headrace.lake.expectations import build_checks
from headrace.lake.quality import judge
from headrace.lake.suites import ask
from tests.lake.tiny_contract import build_contract, build_rows, expectation

# Twice "e", in slices apart; a null key; a carrier that is not allowed; two delays out of range.
ROWS = build_rows(
    trip_id=["a", "e", "b", None, "c", "d", "e"],
    carrier=["UA", "AA", "ZZ", None, "UA", "UA", "AA"],
    delay_minutes=[1.0, 601.0, 2.0, None, 3.0, -999.0, 5.0],
)

QUANTILES = {"quantiles": [0.5], "value_ranges": [[0, 9]]}

OF_ROWS = [
    expectation("expect_column_values_to_be_unique", column="trip_id"),
    expectation("expect_column_values_to_not_be_null", column="delay_minutes", row_condition="carrier == 'AA'", condition_parser="pandas"),
]
OF_THE_WHOLE = [
    expectation("expect_column_proportion_of_non_null_values_to_be_between", level="table", column="carrier", min_value=0.9),
    expectation("expect_column_quantile_values_to_be_between", level="table", column="delay_minutes", quantile_ranges=QUANTILES),
    expectation(
        "expect_column_mean_to_be_between", level="table", column="delay_minutes", row_condition="carrier == 'UA'", condition_parser="pandas"
    ),
    expectation("expect_table_columns_to_match_set", level="table", column_set=list(ROWS.columns)),
]
OWN = [own | {"name": f"promise_{number}"} for number, own in enumerate([*OF_ROWS, *OF_THE_WHOLE])]


@pytest.mark.parametrize("slice_rows", [1, 3])
def test_slices_are_judged_as_the_whole(monkeypatch, slice_rows):
    contract = build_contract(tolerance_fraction=1.0, expectations=OWN)
    whole = judge(ROWS, contract)
    monkeypatch.setattr(suites, "SLICE_ROWS", slice_rows)
    sliced = judge(ROWS, contract)
    assert sliced.broken.to_list() == whole.broken.to_list()
    assert [(f.check.name, f.is_passed, f.is_decided, list(f.rows)) for f in sliced.findings] == [
        (f.check.name, f.is_passed, f.is_decided, list(f.rows)) for f in whole.findings
    ]
    assert sliced.decision == whole.decision
    assert any(not f.is_passed for f in sliced.findings if f.check.name.startswith("promise_"))


def test_what_one_slice_cannot_decide_blocks_the_batch(monkeypatch):
    """Only the last slice holds a carrier, which no condition can be asked of without its column."""
    own = expectation(
        "expect_column_values_to_not_be_null", column="delay_minutes", row_condition="carrier.str.len() > nothing", condition_parser="pandas"
    )
    monkeypatch.setattr(suites, "SLICE_ROWS", 3)
    report = judge(ROWS, build_contract(tolerance_fraction=1.0, expectations=[own]))
    assert not report.decision.passed
    assert "own_promise could not be decided" in report.decision.reason


def test_a_slice_without_an_answer_leaves_the_batch_without_one(monkeypatch):
    answered = suites._run_suite
    monkeypatch.setattr(suites, "_run_suite", lambda frame, *rest: {} if frame.height == 1 else answered(frame, *rest))
    monkeypatch.setattr(suites, "SLICE_ROWS", 3)
    checks = [check for check in build_checks(build_contract()) if check.type is not None]
    assert ask(ROWS, "silver.tiny_trips", checks) == {}


def test_great_expectations_sees_a_slice_at_a_time(monkeypatch):
    seen, answered = [], suites._run_suite

    def watch(frame: pl.DataFrame, *rest):
        seen.append(frame.height)
        return answered(frame, *rest)

    monkeypatch.setattr(suites, "_run_suite", watch)
    monkeypatch.setattr(suites, "SLICE_ROWS", 3)
    judge(ROWS, build_contract(tolerance_fraction=1.0))
    assert max(seen) == 3
