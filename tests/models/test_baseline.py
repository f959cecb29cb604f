import numpy as np
import polars as pl
import pytest

from headrace.errors import CandidateError
from headrace.models.baseline import PRIOR_ROWS, fit_baseline, load_baseline, parse_baseline
from headrace.models.candidate import BASELINE, write_json
from headrace.models.kinds import load_kind

COLUMNS = {"carrier": None, "minute": 60.0}
ROWS = pl.DataFrame({"carrier": ["AA"] * 3 + ["UA"], "minute": [480.0, 500.0, 539.0, 540.0], "late": [1.0, 1.0, 0.0, 0.0]})


def test_a_combination_has_its_smoothed_rate_by_carrier_and_hour():
    predicted = fit_baseline(ROWS, kind=load_kind("binary"), label="late", outcomes=(), columns=COLUMNS).predict(ROWS)
    assert predicted[0] == predicted[2] == pytest.approx((2 + PRIOR_ROWS * 0.5) / (3 + PRIOR_ROWS))
    assert predicted[3] == pytest.approx((0 + PRIOR_ROWS * 0.5) / (1 + PRIOR_ROWS))


def test_a_combination_never_seen_and_a_null_get_the_overall_rate():
    rows = pl.DataFrame({"carrier": ["AA", "B6", None], "minute": [0.0, 480.0, 480.0]})
    assert fit_baseline(ROWS, kind=load_kind("binary"), label="late", outcomes=(), columns=COLUMNS).predict(rows).tolist() == [0.5, 0.5, 0.5]


def test_the_stored_rule_predicts_the_same(tmp_path):
    rule = fit_baseline(ROWS, kind=load_kind("binary"), label="late", outcomes=(), columns=COLUMNS)
    write_json(tmp_path / BASELINE, rule.as_json())
    assert np.array_equal(load_baseline(tmp_path).predict(ROWS), rule.predict(ROWS))


def test_rows_without_a_column_of_the_rule_are_refused():
    with pytest.raises(CandidateError, match="the rows lack minute"):
        fit_baseline(ROWS, kind=load_kind("binary"), label="late", outcomes=(), columns=COLUMNS).predict(ROWS.drop("minute"))


def test_a_rule_from_before_there_were_kinds_still_stands():
    rule = fit_baseline(ROWS, kind=load_kind("binary"), label="late", outcomes=(), columns=COLUMNS)
    old = {name: value for name, value in rule.as_json().items() if name not in ("outcomes", "carries")} | {"overall": rule.overall[0]}
    assert np.array_equal(parse_baseline(old).predict(ROWS), rule.predict(ROWS))
