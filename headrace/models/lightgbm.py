"""Gradient-boosted trees (LightGBM), fitted so that the same rows and seed give the same bytes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

# `deterministic` and `force_row_wise` take away what depends on timing: LightGBM otherwise tries two layouts and keeps the
# faster. `feature_pre_filter` off lets one binned dataset serve trials that differ in `min_data_in_leaf`.
REPRODUCIBLE = {"objective": "binary", "deterministic": True, "force_row_wise": True, "feature_pre_filter": False, "verbosity": -1}

# Validation loss of a forest is bumpy: ten rounds without gain at a learning rate of 0.1 are past the bumps.
PATIENCE_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Encoded rows with their labels, in one order.

    Attributes:
        matrix: float64, one column per feature.
        labels: 1.0 or 0.0 per row.
    """

    matrix: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Trees and how they were found.

    Attributes:
        text: LightGBM's own text, trees up to the best round.
        best_round: Boosting rounds kept.
        validation_loss: Log loss (nats) on the validation rows, uncalibrated.
    """

    text: str
    best_round: int
    validation_loss: float


def build_dataset(examples: Examples, *, features: Sequence[str], categorical: Sequence[str], reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    """Rows binned once, for any number of fits; validation rows take the bins of the training rows they refer to."""
    dataset = lightgbm.Dataset(
        examples.matrix,
        label=examples.labels,
        feature_name=list(features),
        categorical_feature=list(categorical),
        reference=reference,
        params=REPRODUCIBLE,
        free_raw_data=False,
    )
    return dataset.construct()


def fit_trees(train: lightgbm.Dataset, validation: lightgbm.Dataset, *, params: Mapping[str, Any], max_rounds: int, seed: int, threads: int) -> Fitted:
    """Boost until the validation loss stops falling.

    Args:
        train: Binned training rows.
        validation: Binned validation rows, referring to `train`.
        params: LightGBM parameters.
        max_rounds: Greatest number of rounds.
        seed: Seed of row and column sampling.
        threads: Threads; they change no byte of the result.
    """
    booster = lightgbm.train(
        {**params, **REPRODUCIBLE, "metric": "binary_logloss", "seed": seed, "num_threads": threads},
        train,
        num_boost_round=max_rounds,
        valid_sets=[validation],
        valid_names=["validation"],
        callbacks=[lightgbm.early_stopping(PATIENCE_ROUNDS, verbose=False)],
    )
    # The text repeats the parameters of the call; how many threads the machine had is no property of the model.
    text = re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 0]", booster.model_to_string(num_iteration=booster.best_iteration), flags=re.MULTILINE)
    return Fitted(text=text, best_round=booster.best_iteration, validation_loss=booster.best_score["validation"]["binary_logloss"])


def load_booster(text: str) -> lightgbm.Booster:
    """The trees of LightGBM's text."""
    return lightgbm.Booster(model_str=text)


def predict_scores(booster: lightgbm.Booster, matrix: np.ndarray, *, threads: int) -> np.ndarray:
    """Uncalibrated probabilities (0 to 1) of encoded rows."""
    return np.asarray(booster.predict(matrix, num_threads=threads), dtype=np.float64)
