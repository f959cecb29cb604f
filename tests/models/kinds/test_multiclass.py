import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from headrace.models.evaluation import SMALLEST_PROBABILITY
from headrace.models.kinds import load_kind

KIND = load_kind("multiclass")
OUTCOMES = ("ash", "elm", "oak")


def noisy(rows: int = 400) -> tuple[pl.Series, np.ndarray, np.ndarray]:
    """Labels drawn from probabilities, and those probabilities."""
    generator = np.random.default_rng(3)
    likely = generator.dirichlet((1.0, 1.5, 2.0), rows)
    codes = np.array([generator.choice(3, p=row) for row in likely])
    return pl.Series("label", np.array(OUTCOMES)[codes]), codes.astype(float), likely


def test_its_metrics_are_those_of_scikit_learn():
    labels, codes, likely = noisy()
    scored = KIND.score(labels, likely, OUTCOMES)
    assert scored["log_loss"] == pytest.approx(log_loss(codes, likely))
    assert scored["roc_auc"] == pytest.approx(roc_auc_score(codes, likely, multi_class="ovr"))
    assert scored["macro_f1"] == pytest.approx(f1_score(codes, likely.argmax(axis=1), average="macro"))
    assert scored["accuracy_fraction"] == pytest.approx((codes == likely.argmax(axis=1)).mean())


def test_a_class_that_was_never_seen_costs_a_finite_loss():
    losses = KIND.losses(pl.Series(["yew", "ash"]), np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), OUTCOMES)
    assert losses.tolist() == pytest.approx([-np.log(SMALLEST_PROBABILITY), 0.0])
    assert np.isnan(KIND.encode(pl.Series(["yew"]), OUTCOMES)[0])


def test_scores_that_are_too_sure_are_tempered_to_those_that_mean_what_they_say():
    labels, codes, likely = noisy(4_000)
    sure = likely**3 / (likely**3).sum(axis=1, keepdims=True)
    fitted = KIND.fit_calibration(sure, codes)
    assert fitted["temperature"] == pytest.approx(3, rel=0.1)
    tempered = KIND.calibrate(fitted, sure)
    assert KIND.is_possible(tempered)
    assert KIND.losses(labels, tempered, OUTCOMES).mean() < KIND.losses(labels, sure, OUTCOMES).mean() - 0.1
    assert (tempered.argmax(axis=1) == sure.argmax(axis=1)).all()


def test_the_linear_model_gives_every_class_a_probability_even_one_that_a_sample_lacks():
    generator = np.random.default_rng(0)
    design = generator.normal(size=(300, 2))
    codes = (design[:, 0] > 0).astype(float)
    coefficients, intercepts = KIND.fit_linear(design, codes, OUTCOMES)
    likely = KIND.link(design @ coefficients.T + intercepts)
    assert likely.shape == (300, 3)
    assert KIND.is_possible(likely)
    assert likely[:, 2].max() < 0.01
    assert (likely.argmax(axis=1) == codes).mean() > 0.95


@pytest.mark.parametrize("odd", [[0.5, 0.5, 0.5], [1.5, -0.5, 0.0], [np.nan, 0.5, 0.5]])
def test_what_does_not_add_up_is_no_prediction(odd):
    assert not KIND.is_possible(np.array([odd]))


def test_numbers_are_no_classes():
    assert "classes must be strings" in str(KIND.find_label_fault(pl.Series([1, 2, 3])))
