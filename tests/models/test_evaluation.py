import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from headrace.models import evaluation

# Few distinct values, so that ties between predictions are common.
PROBABILITIES = st.sampled_from([0.05, 0.2, 0.2000001, 0.5, 0.7, 0.95])
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), PROBABILITIES), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def score(rows: list[tuple[float, float]]) -> dict[str, float | None]:
    labels, probabilities = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return evaluation.score(labels=labels, probabilities=probabilities)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_metrics_equal_those_of_scikit_learn_with_ties_too(rows):
    labels, probabilities = zip(*rows, strict=True)
    scored = score(rows)
    assert scored["log_loss"] == pytest.approx(reference.log_loss(labels, probabilities))
    assert scored["roc_auc"] == pytest.approx(reference.roc_auc_score(labels, probabilities))
    assert scored["average_precision"] == pytest.approx(reference.average_precision_score(labels, probabilities))
    assert scored["brier_score"] == pytest.approx(reference.brier_score_loss(labels, probabilities))


@settings(max_examples=25)
@given(ROWS, st.randoms())
def test_no_metric_depends_on_the_order_of_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    for metric, value in score(rows).items():
        assert score(shuffled)[metric] == pytest.approx(value), metric


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        pytest.param([], [], id="no rows"),
        pytest.param([0.0, 1.0], [0.5, float("nan")], id="a prediction that is not a number"),
        pytest.param([0.0, float("nan")], [0.5, 0.5], id="a label that is not a number"),
        pytest.param([0.0, 1.0], [0.5, 1.5], id="a prediction that is no probability"),
        pytest.param([0.0, 2.0], [0.5, 0.5], id="a label of a third class"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_null_never_zero(labels, probabilities):
    assert evaluation.score(labels=np.array(labels), probabilities=np.array(probabilities)) == dict.fromkeys(evaluation.METRICS)


def test_one_class_has_a_loss_but_no_ranking_and_no_entropy():
    scored = score([(0.0, 0.2), (0.0, 0.4)])
    assert scored["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert scored["roc_auc"] is scored["average_precision"] is scored["normalized_log_loss"] is None


def test_a_constant_that_knows_the_rate_has_a_normalized_loss_of_one_whatever_the_rate():
    for positives in (1, 3, 9):
        assert score([(1.0, positives / 10)] * positives + [(0.0, positives / 10)] * (10 - positives))["normalized_log_loss"] == pytest.approx(1)


def test_predictions_that_mean_what_they_say_have_no_calibration_error_and_shifted_ones_have_the_shift():
    honest = [(label, rate) for rate in (0.2, 0.6) for label in [1.0] * int(rate * 10) + [0.0] * (10 - int(rate * 10))]
    assert score(honest)["calibration_error"] == pytest.approx(0)
    assert score([(label, rate + 0.1) for label, rate in honest])["calibration_error"] == pytest.approx(0.1)


def test_a_certain_prediction_that_is_wrong_costs_a_finite_loss_and_one_that_is_missing_stays_missing():
    losses = evaluation.log_losses(np.array([1.0, 1.0]), np.array([0.0, np.nan]))
    assert losses[0] == pytest.approx(-np.log(evaluation.SMALLEST_PROBABILITY))
    assert np.isnan(losses[1])
