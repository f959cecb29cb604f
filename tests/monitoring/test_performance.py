from datetime import UTC, datetime

import polars as pl
import pytest

from headrace.models.kinds import load_kind
from headrace.monitoring.performance import measure_window

WINDOW = (datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 4, 8, tzinfo=UTC))


def rows(labels: list[float | None], **columns: list) -> pl.DataFrame:
    height = len(labels)
    defaults = {
        "model_version": [1] * height,
        "probability_fraction": [0.25] * height,
        "rule_probability_fraction": [0.5] * height,
        "origin": ["LGA"] * height,
    }
    return pl.DataFrame({"label": labels, **(defaults | columns)}, schema_overrides={"label": pl.Float64})


def figure(measured: pl.DataFrame, metric: str, *, version: int = 1, value: str = "all") -> tuple[float | None, int]:
    found = measured.filter((pl.col("metric") == metric) & (pl.col("model_version") == version) & (pl.col("slice_value") == value))
    return found.select("value", "row_count").row(0)


def test_the_figures_of_a_window_are_those_of_its_labelled_rows():
    measured = measure_window(rows([1.0, 0.0, None, 0.0]), kind=load_kind("binary"), window=WINDOW, slices=["origin"])
    assert figure(measured, "live/label_rate_fraction") == (pytest.approx(1 / 3), 3)
    assert figure(measured, "live/prediction_mean_fraction") == (pytest.approx(0.25), 3)
    assert figure(measured, "live/brier_score") == (pytest.approx((0.75**2 + 2 * 0.25**2) / 3), 3)
    assert figure(measured, "live/baseline_log_loss") == (pytest.approx(0.6931, abs=1e-4), 3)
    assert figure(measured, "live/unlabelled_fraction") == (0.25, 4)


def test_a_metric_that_cannot_be_computed_is_null_and_not_zero():
    one_class = measure_window(rows([0.0, 0.0]), kind=load_kind("binary"), window=WINDOW, slices=[])
    assert figure(one_class, "live/roc_auc") == (None, 2)
    unlabelled = measure_window(rows([None, None]), kind=load_kind("binary"), window=WINDOW, slices=[])
    assert figure(unlabelled, "live/log_loss") == (None, 0)
    assert figure(unlabelled, "live/label_rate_fraction") == (None, 0)
    assert figure(unlabelled, "live/unlabelled_fraction") == (1.0, 2)


def test_a_prediction_that_is_missing_makes_its_metric_null_instead_of_going_missing():
    unscored = measure_window(rows([1.0, 0.0], probability_fraction=[0.25, None]), kind=load_kind("binary"), window=WINDOW, slices=[])
    assert figure(unscored, "live/log_loss") == (None, 2)
    assert figure(unscored, "live/prediction_mean_fraction") == (None, 2)
    assert figure(unscored, "live/baseline_log_loss")[0] == pytest.approx(0.6931, abs=1e-4)


def test_the_business_rule_is_ranked_on_the_same_rows():
    measured = measure_window(rows([1.0, 0.0, 0.0], rule_probability_fraction=[0.4, 0.5, 0.3]), kind=load_kind("binary"), window=WINDOW, slices=[])
    assert figure(measured, "live/baseline_roc_auc") == (0.5, 3)


def test_two_versions_in_one_window_are_measured_apart():
    measured = measure_window(rows([1.0, 0.0], model_version=[1, 2]), kind=load_kind("binary"), window=WINDOW, slices=[])
    assert figure(measured, "live/label_rate_fraction", version=1) == (1.0, 1)
    assert figure(measured, "live/label_rate_fraction", version=2) == (0.0, 1)


def test_every_slice_value_has_its_own_figures():
    measured = measure_window(rows([1.0, 0.0, 0.0], origin=["LGA", "LGA", "JFK"]), kind=load_kind("binary"), window=WINDOW, slices=["origin"])
    assert figure(measured, "live/label_rate_fraction", value="LGA") == (0.5, 2)
    assert figure(measured, "live/label_rate_fraction", value="JFK") == (0.0, 1)


def test_a_window_without_predictions_has_no_rows():
    assert measure_window(rows([]), kind=load_kind("binary"), window=WINDOW, slices=["origin"]).is_empty()
