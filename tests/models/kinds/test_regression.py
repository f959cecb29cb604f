import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from headrace.models.kinds import load_kind

KIND = load_kind("regression")

few_numbers = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12)


@hypothesis_settings(deadline=None)
@given(few_numbers)
def test_concordance_is_the_share_of_pairs_in_the_right_order(pairs):
    labels, values = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    judged = [
        0.5 if said == other_said else float((label < other) == (said < other_said))
        for (label, said), (other, other_said) in itertools.combinations(zip(labels, values, strict=True), 2)
        if label != other
    ]
    expected = pytest.approx(np.mean(judged)) if judged else None
    assert KIND.rank(pl.Series(labels), values, ()) == expected


def test_its_errors_are_in_the_unit_of_the_label_and_normalized_by_its_spread():
    scored = KIND.score(pl.Series([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]), ())
    assert scored["mean_squared_error"] == pytest.approx(3)
    assert scored["root_mean_squared_error"] == pytest.approx(3**0.5)
    assert scored["mean_absolute_error"] == pytest.approx(1)
    assert scored["normalized_squared_error"] == pytest.approx(3 / (2 / 3))
    assert scored["interval_coverage_fraction"] is None


def test_intervals_hold_nine_of_ten_where_errors_grow_with_the_value():
    generator = np.random.default_rng(5)
    scores, fresh = generator.uniform(1, 100, 4_000), generator.uniform(1, 100, 4_000)
    fitted = KIND.fit_calibration(scores, scores + generator.normal(size=4_000) * scores / 10)
    labels = pl.Series(fresh + generator.normal(size=4_000) * fresh / 10)
    predictions = KIND.calibrate(fitted, fresh)
    assert KIND.is_possible(predictions)
    assert KIND.score(labels, predictions, ())["interval_coverage_fraction"] == pytest.approx(0.9, abs=0.02)
    width = predictions[:, 2] - predictions[:, 1]
    assert width[fresh > 80].mean() > 3 * width[fresh < 20].mean()


@pytest.mark.parametrize("rows", [1, 5, 39])
def test_few_rows_still_give_an_interval(rows):
    scores = np.arange(rows, dtype=float)
    predictions = KIND.calibrate(KIND.fit_calibration(scores, scores + 1), scores)
    assert KIND.is_possible(predictions)


@pytest.mark.parametrize(
    ("labels", "fault"),
    [(pl.Series(["a", "b"]), "it must be a number"), (pl.Series([1.0, float("inf")]), "not finite"), (pl.Series([], dtype=pl.Float64), "no label")],
)
def test_what_is_no_number_cannot_be_learned(labels, fault):
    assert fault in str(KIND.find_label_fault(labels))


def test_a_value_outside_its_bounds_is_no_prediction():
    assert not KIND.is_possible(np.array([[5.0, 1.0, 2.0]]))
    assert not KIND.is_possible(np.array([[np.nan, 1.0, 2.0]]))
