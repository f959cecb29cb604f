"""What the rails ask a kind of task: how its labels are read, fitted, predicted, judged and written down.

Predictions are arrays in the rows' order: one number a row, or one column per outcome. Outcomes are the classes in the
order of those columns; a kind that predicts numbers has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl

Outcomes = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column in which predictions are written down, in contracts, tables and answers alike.

    Attributes:
        type: Its type in a contract.
        unit: Its unit; None where it has none.
        range: Least and greatest value; None where there is no bound.
        description: What it says.
        is_json: Whether its text is a JSON object of numbers: tables keep the text, a reply carries the object.
    """

    type: Literal["float64", "string"]
    unit: str | None = None
    range: tuple[float, float] | None = None
    description: str
    is_json: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """Its type in a frame."""
        return pl.Float64() if self.type == "float64" else pl.String()


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a kind is spoken of, on cards, pages and in the terminal.

    Attributes:
        purpose: What is predicted; `{label}` stands for the label's column.
        calibration: How scores became predictions, in a few words.
        note: How to read the figures of a card.
        loss: Name of the loss.
        loss_unit: Its unit.
        ranking: Name of the figure that says how well predictions rank.
        score_unit: Unit of the trees' scores, in which SHAP values are given.
        strength: What says how much each part of it counts, in a few words.
        described: Name of what `describe` measures.
        is_share: Whether that, and the predictions, are shares (0 to 1).
        rule: What the business rule says.
        reliable: The question that the reliability plot answers.
        said: Its horizontal axis.
        came: Its vertical axis.
    """

    purpose: str
    calibration: str
    note: str
    loss: str
    loss_unit: str
    ranking: str
    score_unit: str
    described: str
    is_share: bool
    rule: str
    reliable: str
    said: str
    came: str
    strength: str = "mean absolute SHAP value of its strongest features: what moved the predictions, not what causes the outcome"


# Name of LightGBM's parameter, in a kind's `objective` and among a candidate's parameters.
OBJECTIVE = "objective"

# What a server is watched for, whatever the kind.
SERVICE_WATCH = "headrace.monitoring.service_watch"


class Predictor(Protocol):
    """Anything that can be asked for predictions: a model, or a business rule."""

    @property
    def outcomes(self) -> Outcomes:
        """The classes of its predictions' columns; empty where it predicts one number."""
        ...

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """One prediction per row, in the rows' order."""
        ...


class Kind(Protocol):
    """One kind of task: how it is judged and written down. `labels` are columns as the label builds them.

    Attributes:
        name: Name of its module.
        is_fitted: Whether its candidates are LightGBM models, and it says how they are fitted (`FittedKind`).
        metrics: What `score` measures; the first is the mean of `losses`.
        higher_is_better: Those of which more is better.
        watched: The loss, and how well the predictions rank: what slices and the business rule are watched for.
        described: What `describe` measures of labels, and of predictions.
        card_metrics: What a model card says of each slice.
        words: How it is spoken of.
        columns: Column of a prediction -> what it holds.
        watches: Modules that measure what was served, window by window (`headrace.monitoring.live`).
        traces: Module that publishes traces of served answers in MLflow; None: their rows say all there is.
    """

    name: str
    is_fitted: bool
    metrics: tuple[str, ...]
    higher_is_better: frozenset[str]
    watched: tuple[str, str]
    described: tuple[str, str]
    card_metrics: tuple[str, ...]
    words: Words
    columns: Mapping[str, Column]
    watches: tuple[str, ...]
    traces: str | None

    # What is predicted

    def find_label_fault(self, labels: pl.Series) -> str | None:
        """Why these labels (no nulls) can neither be fitted nor judged on, or None."""
        ...

    # How good it is

    def losses(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> np.ndarray:
        """Loss of each prediction; not a number where label or prediction is none."""
        ...

    def score(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Every metric of `metrics`; null where it cannot be computed, never 0."""
        ...

    def describe(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Where labels and predictions lie, to see at a glance whether they agree: the figures named in `described`."""
        ...

    def is_possible(self, predictions: np.ndarray) -> bool:
        """Whether every prediction is one: finite, and in its range."""
        ...

    # How it is written down

    def to_columns(self, predictions: np.ndarray, outcomes: Outcomes) -> list[pl.Series]:
        """The columns of `columns`."""
        ...

    def from_columns(self, rows: pl.DataFrame, *, prefix: str = "") -> tuple[np.ndarray, Outcomes]:
        """Predictions (not a number where a row has none) and outcomes of what `to_columns` wrote, its names led by a prefix."""
        ...

    def compare(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """What was said of each row and what came, as numbers that agree on average where the predictions mean what they say."""
        ...

    def drift_values(self, predictions: np.ndarray, outcomes: Outcomes) -> pl.Series:
        """What of the predictions may drift: numbers, or the class predicted."""
        ...


class FittedKind(Kind, Protocol):
    """A kind whose candidates are LightGBM models. `codes` are what they are fitted to.

    Attributes:
        objectives: What of LightGBM a use case may choose in place of the objective that belongs to the kind.
        rule_carries: Whether the business rule says the value of its column (as it was last week), not a mean per group. The trees
            then learn the change from it, which they can carry to values that they have never seen.
    """

    objectives: frozenset[str]
    rule_carries: bool

    # What is predicted

    def list_outcomes(self, labels: pl.Series) -> Outcomes:
        """The classes of labels, sorted; empty for numbers."""
        ...

    def encode(self, labels: pl.Series, outcomes: Outcomes) -> np.ndarray:
        """Labels as float64 codes; not a number for a class that is none of the outcomes."""
        ...

    def targets(self, label: str, outcomes: Outcomes) -> list[pl.Expr]:
        """Columns whose mean over rows is what a business rule predicts for them, one per column of a prediction."""
        ...

    # How it is fitted

    def objective(self, outcomes: Outcomes) -> dict[str, Any]:
        """LightGBM's `objective` and `metric`, and what belongs to them."""
        ...

    def fit_linear(self, design: np.ndarray, codes: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (outcomes x columns) and intercepts (outcomes) of the linear baseline."""
        ...

    def link(self, raw: np.ndarray) -> np.ndarray:
        """Predictions of a linear model's raw scores (rows x outcomes)."""
        ...

    def fit_calibration(self, scores: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
        """What turns the trees' scores into predictions, learned on scores of trees that had not seen their rows."""
        ...

    def calibrate(self, calibration: Mapping[str, Any], scores: np.ndarray) -> np.ndarray:
        """Predictions of the trees' scores."""
        ...

    # How much a single feature tells

    def rank(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> float | None:
        """How often two rows with different labels are in the right order (0 to 1; one half is chance); null where no two differ."""
        ...


def split_columns(kind: Kind, predictions: np.ndarray, outcomes: Outcomes, *, prefix: str) -> list[pl.Series]:
    """The columns of predictions, their names led by a prefix."""
    return [column.rename(f"{prefix}{column.name}") for column in kind.to_columns(predictions, outcomes)]


def finite_mean(values: np.ndarray) -> float | None:
    """The mean, or null where there are no values or one is not finite."""
    mean = float(values.mean()) if values.size else float("nan")
    return mean if np.isfinite(mean) else None


def read_floats(rows: pl.DataFrame, name: str) -> np.ndarray:
    """A column as float64, not a number where it is null: a row without a prediction makes its metric null instead of going missing."""
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def is_better(kind: Kind, metric: str, value: float, *, limit: float) -> bool:
    """Whether a value of `metric` (with or without its `<split>/`) beats a limit strictly, in the metric's own direction."""
    return value > limit if metric.rpartition("/")[2] in kind.higher_is_better else value < limit
