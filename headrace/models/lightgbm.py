"""Gradient-boosted trees (LightGBM), fitted so that the same rows and seed give the same bytes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

# `deterministic` and `force_row_wise` take away what depends on timing: LightGBM otherwise tries two layouts and keeps the
# faster. `feature_pre_filter` off lets one binned dataset serve trials that differ in `min_data_in_leaf`.
REPRODUCIBLE = {"deterministic": True, "force_row_wise": True, "feature_pre_filter": False, "verbosity": -1}

# LightGBM's own, where a use case fixes none.
_LEARNING_RATE = 0.1


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Encoded rows with their labels, in one order.

    Attributes:
        matrix: float64, one column per feature.
        labels: Code or number per row, as the kind encodes them.
    """

    matrix: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """Trees that stopped when rows they were not fitted on said so.

    Attributes:
        booster: The trees.
        best_round: Boosting rounds until the least loss.
        loss: That loss, on the rows that stopped them.
    """

    booster: lightgbm.Booster
    best_round: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class CrossFitted:
    """What rows look like to trees that have not seen them.

    Attributes:
        scores: What the trees fitted without its fold say of each row, in the rows' order; one column per class where there are several.
        best_round: Median of the rounds at which the folds stopped.
    """

    scores: np.ndarray
    best_round: int


def build_dataset(
    examples: Examples, *, features: Sequence[str], categorical: Sequence[str], reference: lightgbm.Dataset | None = None
) -> lightgbm.Dataset:
    """Rows binned once, for any number of fits; rows that only judge take the bins of the rows they refer to."""
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


def fit_until(train: lightgbm.Dataset, judge: lightgbm.Dataset, *, params: Mapping[str, Any], max_rounds: int, seed: int, threads: int) -> Stopped:
    """Boost until the loss on other rows stops falling.

    Args:
        train: Binned rows to fit on.
        judge: Binned rows that decide when to stop, referring to `train`.
        params: LightGBM parameters, objective and metric among them.
        max_rounds: Greatest number of rounds.
        seed: Seed of row and column sampling.
        threads: Threads; they change no byte of the result.
    """
    # Validation loss of a forest is bumpy: ten rounds without gain at a learning rate of 0.1 are past the bumps, smaller steps need more.
    patience = round(1 / params.get("learning_rate", _LEARNING_RATE))
    booster = lightgbm.train(
        {**params, **REPRODUCIBLE, "seed": seed, "num_threads": threads},
        train,
        num_boost_round=max_rounds,
        valid_sets=[judge],
        valid_names=["judge"],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
    )
    return Stopped(booster=booster, best_round=booster.best_iteration, loss=float(booster.best_score["judge"][params["metric"]]))


def cross_fit(
    examples: Examples, rows: lightgbm.Dataset, *, folds: np.ndarray, params: Mapping[str, Any], max_rounds: int, seed: int, threads: int
) -> CrossFitted:
    """Score every row by trees fitted without its fold.

    Args:
        examples: The rows.
        rows: The same rows, binned.
        folds: Fold of each row.
        params: LightGBM parameters.
        max_rounds: Greatest number of rounds.
        seed: Seed of row and column sampling.
        threads: Threads; they change no byte of the result.
    """
    parts, rounds = {}, []
    for fold in np.unique(folds):
        kept, left_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        stopped = fit_until(
            rows.subset(kept.tolist()), rows.subset(left_out.tolist()), params=params, max_rounds=max_rounds, seed=seed, threads=threads
        )
        parts[fold] = predict_scores(stopped.booster, examples.matrix[left_out], threads=threads)
        rounds.append(stopped.best_round)
    back = np.argsort(np.argsort(folds, kind="stable"), kind="stable")
    return CrossFitted(scores=np.concatenate([parts[fold] for fold in sorted(parts)])[back], best_round=int(np.median(rounds)))


def fit_trees(rows: lightgbm.Dataset, *, params: Mapping[str, Any], rounds: int, seed: int, threads: int) -> str:
    """Fit a given number of rounds on all rows. Returns LightGBM's own text.

    The text repeats the parameters of the call; how many threads the machine had is no property of the model, so it is left out.
    """
    booster = lightgbm.train({**params, **REPRODUCIBLE, "seed": seed, "num_threads": threads}, rows, num_boost_round=rounds)
    return re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 0]", booster.model_to_string(num_iteration=rounds), flags=re.MULTILINE)


def load_booster(text: str) -> lightgbm.Booster:
    """The trees of LightGBM's text."""
    return lightgbm.Booster(model_str=text)


def predict_scores(booster: lightgbm.Booster, matrix: np.ndarray, *, threads: int) -> np.ndarray:
    """Uncalibrated scores of encoded rows: probabilities, or numbers; one column per class where there are several."""
    return np.asarray(booster.predict(matrix, num_threads=threads), dtype=np.float64)
