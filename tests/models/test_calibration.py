import numpy as np
import pytest

from headrace.models.calibration import calibrate, fit_platt


def test_scores_that_were_distorted_are_straightened():
    generator = np.random.default_rng(0)
    logits = generator.normal(-1, 1, 20_000)
    labels = (generator.uniform(size=logits.size) < 1 / (1 + np.exp(-logits))).astype(float)
    calibration = fit_platt(scores=1 / (1 + np.exp(-(logits - 0.5) / 2)), labels=labels)
    assert calibration["slope"] == pytest.approx(2, abs=0.1)
    assert calibration["intercept"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        pytest.param([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], id="perfect separation"),
        pytest.param([0.3, 0.3, 0.3, 0.3], [0, 0, 1, 1], id="every score the same"),
        pytest.param([0.0, 0.0, 1.0, 1.0], [0, 1, 0, 1], id="certain scores"),
    ],
)
def test_calibration_stays_finite(scores, labels):
    calibration = fit_platt(scores=np.array(scores), labels=np.array(labels, dtype=float))
    probabilities = calibrate(calibration, np.array(scores))
    assert np.isfinite(probabilities).all()
    assert 0 < probabilities.min() <= probabilities.max() < 1


def test_calibration_keeps_the_ranking():
    probabilities = calibrate({"method": "platt", "slope": 1.4, "intercept": -0.3}, np.array([0.1, 0.2, 0.7]))
    assert (np.diff(probabilities) > 0).all()
