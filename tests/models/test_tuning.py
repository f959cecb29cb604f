from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from headrace.models.kinds import load_kind
from headrace.models.lightgbm import Examples, build_dataset
from headrace.models.tuning import tune
from tests.models.purchases import TRAINING

OBJECTIVE = load_kind("binary").objective(())


@pytest.fixture(scope="module")
def datasets() -> tuple[lightgbm.Dataset, lightgbm.Dataset]:
    """A step in one of three columns: easy to learn, easier with enough leaves."""
    generator = np.random.default_rng(0)

    def examples(rows: int) -> Examples:
        matrix = generator.uniform(size=(rows, 3))
        return Examples(matrix=matrix, labels=((matrix[:, 0] > 0.5) ^ (matrix[:, 1] > 0.5)).astype(float))

    train = build_dataset(examples(400), features="abc", categorical=())
    return train, build_dataset(examples(200), features="abc", categorical=(), reference=train)


def test_the_same_seed_finds_the_same_parameters(datasets):
    first, again = (tune(*datasets, spec=replace(TRAINING, trials=3), objective=OBJECTIVE, seed=5, threads=1) for _ in range(2))
    assert first == again


def test_parameters_known_to_be_good_stay_unless_clearly_beaten(datasets):
    assert tune(*datasets, spec=replace(TRAINING, trials=3, min_search_gain=10.0), objective=OBJECTIVE, seed=5, threads=1) == {
        **TRAINING.fixed,
        **TRAINING.known_good,
    }


def test_clearly_better_parameters_are_taken(datasets):
    spec = replace(TRAINING, trials=6, known_good={"num_leaves": 2, "lambda_l2": 5.0}, search={"num_leaves": (2, 16), "lambda_l2": (0.1, 10.0)})
    found = tune(*datasets, spec=spec, objective=OBJECTIVE, seed=5, threads=1)
    assert found["num_leaves"] > 2
    assert isinstance(found["num_leaves"], int)


def test_one_trial_is_no_search(datasets):
    assert tune(*datasets, spec=replace(TRAINING, trials=1), objective=OBJECTIVE, seed=5, threads=1) == {**TRAINING.fixed, **TRAINING.known_good}
