"""The linear baseline: logistic or ridge regression, the model that a team would try first and should not stop at.

Numbers are standardized and a missing one counts as the average; categories are one-hot and an unknown one counts as none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace.models.candidate import LINEAR, read_json
from headrace.models.encoding import encode
from headrace.models.kinds import load_fitted_kind
from headrace.models.kinds.kind import FittedKind, Outcomes

# A baseline's coefficients stand still long before this: 20,000 rows for some hundred columns.
_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A fitted linear model.

    Attributes:
        kind: Name of the kind of task.
        outcomes: Classes in the order of the predictions' columns; empty where it predicts one number.
        features: Features in order.
        categories: Categorical feature -> values in the order of their codes.
        means: Mean of each numeric feature, in order.
        scales: Standard deviation of each numeric feature, in order; 1 where it is constant.
        coefficients: For each outcome, or the one number: one per numeric feature (per standard deviation), then one per category value.
        intercepts: Each one's score of an average row without categories.
    """

    kind: str
    outcomes: Outcomes
    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """The prediction of each row, in the rows' order."""
        matrix = encode(rows, features=self.features, categories=self.categories)
        design = _design(matrix, features=self.features, categories=self.categories, means=np.array(self.means), scales=np.array(self.scales))
        return load_fitted_kind(self.kind).link(design @ np.array(self.coefficients).T + np.array(self.intercepts))

    def as_json(self) -> dict[str, Any]:
        """Content of `linear.json`."""
        return asdict(self)


def fit_linear(
    rows: pl.DataFrame,
    *,
    kind: FittedKind,
    label: str,
    outcomes: Outcomes,
    features: Sequence[str],
    categories: Mapping[str, tuple[str, ...]],
    seed: int,
) -> Linear:
    """Fit on a sample of labelled rows."""
    sample = rows.sample(min(_ROWS, rows.height), seed=seed)
    matrix = encode(sample, features=features, categories=categories)
    numbers = _numbers(matrix, features=features, categories=categories)
    # A column that is null throughout has no mean; it says nothing, so it gets one that leaves it at nothing.
    known = np.maximum(np.isfinite(numbers).sum(axis=0), 1)
    means = np.nansum(numbers, axis=0) / known
    deviations = np.sqrt(np.nansum(np.square(numbers - means), axis=0) / known)
    scales = np.where(deviations > 0, deviations, 1.0)
    design = _design(matrix, features=features, categories=categories, means=means, scales=scales)
    coefficients, intercepts = kind.fit_linear(design, kind.encode(sample[label], outcomes), outcomes)
    return Linear(
        kind=kind.name,
        outcomes=outcomes,
        features=tuple(features),
        categories=dict(categories),
        means=_rounded(means),
        scales=_rounded(scales),
        coefficients=tuple(map(_rounded, coefficients)),
        intercepts=_rounded(intercepts),
    )


def load_linear(folder: Path) -> Linear:
    """Load the linear baseline from a candidate's folder.

    Raises:
        CandidateError: The file is missing or broken.
    """
    content = read_json(folder / LINEAR)
    categories = {name: tuple(values) for name, values in content.pop("categories").items()}
    kind, coefficients = content.pop("kind"), tuple(map(tuple, content.pop("coefficients")))
    return Linear(kind=kind, categories=categories, coefficients=coefficients, **{name: tuple(values) for name, values in content.items()})


def _numbers(matrix: np.ndarray, *, features: Sequence[str], categories: Mapping[str, Sequence[str]]) -> np.ndarray:
    return matrix[:, [place for place, name in enumerate(features) if name not in categories]]


def _design(
    matrix: np.ndarray, *, features: Sequence[str], categories: Mapping[str, Sequence[str]], means: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """Standardized numbers, then one column per category value; an unknown or missing category (NaN) equals no code."""
    numbers = np.nan_to_num((_numbers(matrix, features=features, categories=categories) - means) / scales)
    codes = [matrix[:, features.index(name), None] == np.arange(len(values)) for name, values in categories.items()]
    return np.hstack([numbers, *codes])


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Nine digits: far finer than the data knows, coarse enough to drop the rounding error of the solver."""
    return tuple(float(f"{value:.9g}") for value in values)
