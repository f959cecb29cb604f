import lightgbm
import numpy as np
import pytest

from headrace.models.explain import explain


@pytest.fixture(scope="module")
def booster() -> lightgbm.Booster:
    generator = np.random.default_rng(0)
    matrix = generator.uniform(size=(300, 2))
    data = lightgbm.Dataset(matrix, label=(matrix[:, 1] > 0.5).astype(float), feature_name=["noise", "signal"])
    return lightgbm.train({"objective": "binary", "num_threads": 1, "verbosity": -1}, data, num_boost_round=5)


def test_what_decides_comes_first(booster):
    strengths = explain(booster, np.random.default_rng(1).uniform(size=(20, 2)), threads=1)
    assert list(strengths) == ["signal", "noise"]
    assert strengths["signal"] > 10 * strengths["noise"]


def test_the_strength_of_one_row_is_its_distance_from_the_expected_score(booster):
    row = np.array([[0.3, 0.9]])
    expected = booster.predict(row, pred_contrib=True)[0, -1]
    assert sum(explain(booster, row, threads=1).values()) >= abs(booster.predict(row, raw_score=True)[0] - expected) - 1e-9
