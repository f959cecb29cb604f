"""Agreement with labels: Cohen's kappa as others compute it, and a bar that blocks what is not known to reach it."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from headrace.llm.agreement import measure_agreement


def draw(agreed: float, *, count: int = 200, seed: int = 3) -> tuple[list[float], list[float]]:
    """Labels, and a judge who says the same on a share of them."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count).astype(float)
    return labels.tolist(), np.where(generator.random(count) < agreed, labels, 1 - labels).tolist()


@pytest.mark.parametrize("agreed", [0.2, 0.5, 0.9, 1.0])
def test_kappa_is_what_scikit_learn_says_and_lies_in_its_interval(agreed):
    labels, grades = draw(agreed)
    found = measure_agreement(labels, grades, seed=1)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(labels, grades))
    assert found.kappa.lower <= found.kappa.value <= found.kappa.upper
    assert found.agreed_fraction == np.mean(np.equal(labels, grades))


def test_a_judge_that_always_says_the_same_has_no_agreement_beyond_chance_however_often_it_is_right():
    found = measure_agreement([1.0] * 90 + [0.0] * 10, [1.0] * 100, seed=1)
    assert (found.agreed_fraction, found.yes_fraction, found.kappa.value) == (0.9, 1.0, 0.0)


def test_the_interval_is_the_same_each_time_and_narrower_with_more_labels():
    few, many = (measure_agreement(*draw(0.8, count=count), seed=1) for count in (40, 400))
    assert few == measure_agreement(*draw(0.8, count=40), seed=1)
    assert many.kappa.upper - many.kappa.lower < few.kappa.upper - few.kappa.lower


@pytest.mark.parametrize(("labels", "grades"), [([1.0], []), ([0.5], [1.0]), ([1.0], [float("nan")])])
def test_what_is_no_pair_of_yes_and_no_is_refused(labels, grades):
    with pytest.raises(ValueError, match="needs a label and a grade of 0 or 1 each"):
        measure_agreement(labels, grades, seed=1)
