"""An interval holds the mean as often as it says, and a paired one is not fooled by hard questions."""

import numpy as np
import pytest

from headrace.llm.intervals import estimate_gain, estimate_mean


def test_an_interval_holds_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    intervals = [estimate_mean(generator.random(80) < 0.7, seed=trial) for trial in range(200)]
    share = np.mean([interval.lower <= 0.7 <= interval.upper for interval in intervals])
    assert 0.9 <= share <= 0.99


def test_an_interval_is_the_same_for_the_same_seed_and_wider_for_more_confidence():
    values = np.linspace(0, 1, 20)
    assert estimate_mean(values, seed=3) == estimate_mean(values, seed=3)
    wide, narrow = estimate_mean(values, seed=3, confidence_fraction=0.99), estimate_mean(values, seed=3, confidence_fraction=0.5)
    assert wide.lower < narrow.lower < narrow.value == wide.value < narrow.upper < wide.upper


def test_pairing_takes_out_that_some_questions_are_hard():
    difficulty = np.random.default_rng(2).random(60)
    gain = estimate_gain(difficulty + 0.01, difficulty, seed=1)
    assert gain.lower == pytest.approx(0.01)
    assert estimate_mean(difficulty + 0.01, seed=1).lower < estimate_mean(difficulty, seed=1).upper


def test_no_question_has_no_interval():
    assert estimate_mean([], seed=1).value is None
    assert estimate_mean([], seed=1).count == 0


def test_a_figure_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="1 of 2 figures are not finite"):
        estimate_mean([0.5, float("nan")], seed=1)


def test_a_pair_of_other_length_is_refused():
    with pytest.raises(ValueError, match="not 1 and 2"):
        estimate_gain([1.0], [1.0, 2.0], seed=1)
