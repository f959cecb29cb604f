"""Figures of answers that a model worded, from one row per question: how good the words are, and what they cost.

Counted are questions that a chain answered at all: where it declines, no model is asked. A grade that could not be given (nothing was cited,
no truth is known) counts for nobody; a cost that nobody knows leaves the whole figure unknown, because it is not nothing.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from headrace.llm.intervals import Interval, estimate_gain, estimate_mean
from headrace.resampling import resample_means

# More is better: share of answers that stand in the model's words; share of its sentences that a cited section holds; share of the cited
# sections that are known to answer; share of the answers that are the true one, and likeness to it.
QUALITIES = ("worded_fraction", "grounded_fraction", "citation_precision_fraction", "exact_match_fraction", "rouge_l_fraction")

# Less is better: tokens of prompt and answer, US dollars, and seconds of one answer.
COSTS = ("token_count", "cost_usd", "latency_s")

COUNT = "question_count"

# Columns of grades by rubrics begin so; more is better.
RUBRIC = "rubric_"

# The time that nineteen of twenty answers stay below.
_SLOW_SHARE = 0.95

# Where a figure is a share of rows, the column that says yes or no.
_COLUMNS = {"worded_fraction": "is_worded", "exact_match_fraction": "is_exact_match"}

Figures = dict[str, float | None]


def measure_words(rows: pl.DataFrame, *, seed: int) -> Mapping[str, Interval]:
    """Mean of each figure over questions, with its interval; without a value where no question has one, or a cost is unknown.

    Args:
        rows: Rows of the contract `inference.<use_case>_worded_answers`; columns that begin with `rubric_` are grades. Grain: one row per question.
        seed: Makes the intervals reproducible.
    """
    metrics = (*QUALITIES, *(name for name in rows.columns if name.startswith(RUBRIC)), *COSTS)
    return {metric: estimate_mean(_read_values(rows, metric)["value"].to_numpy(), seed=seed) for metric in metrics}


def compare_words(challenger: pl.DataFrame, champion: pl.DataFrame | None, *, seed: int) -> Figures:
    """Figures of a challenger's answers, and how they differ from a champion's, on the questions that both answered.

    Args:
        challenger: Rows of `inference.<use_case>_worded_answers`. Grain: one row per question.
        champion: The same of the champion; None: it words nothing, so that nothing is compared.
        seed: Makes the intervals reproducible.

    Returns:
        `<metric>` with `_lower_bound` and `_upper_bound` (95 %); `champion_<metric>`; of qualities `<metric>_gain` (challenger minus
        champion, question by question), of costs `<metric>_ratio` (challenger over champion), both with their bounds; `latency_p95_s`;
        `question_count`.

    Raises:
        ValueError: A question has two rows of one side.
    """
    sides = [rows for rows in (challenger, champion) if rows is not None]
    if any(rows["question_id"].is_duplicated().any() for rows in sides):
        raise ValueError("a question was answered more than once by one side")
    answered = [set(rows.filter("is_answered")["question_id"]) for rows in sides]
    both = sorted(set.intersection(*answered))
    mine, *others = (rows.filter(pl.col("question_id").is_in(both)) for rows in sides)
    figures: Figures = {COUNT: float(len(both)), "latency_p95_s": _read_values(mine, "latency_s")["value"].quantile(_SLOW_SHARE, "higher")}
    for metric, interval in measure_words(mine, seed=seed).items():
        figures |= _spread(metric, interval)
        for other in others:
            figures |= _compare(mine, other, metric, seed=seed)
    return figures


def _compare(mine: pl.DataFrame, other: pl.DataFrame, metric: str, *, seed: int) -> Figures:
    """One figure of both sides on the questions where both have it."""
    pairs = _read_values(mine, metric).join(_read_values(other, metric), on="question_id", suffix="_of_champion").sort("question_id")
    values, others = pairs["value"].to_numpy(), pairs["value_of_champion"].to_numpy()
    figures: Figures = {f"champion_{metric}": float(others.mean()) if others.size else None}
    if metric in COSTS:
        return figures | _spread(f"{metric}_ratio", _estimate_ratio(values, others, seed=seed))
    return figures | _spread(f"{metric}_gain", estimate_gain(values, others, seed=seed))


def _estimate_ratio(values: np.ndarray, others: np.ndarray, *, seed: int) -> Interval:
    """How many times as large one mean is as the other, with its two-sided 95 % interval; without a value where the other is nothing."""
    if not others.size or not (others > 0).all():
        return Interval(value=None, lower=None, upper=None, count=0)
    ratios = resample_means(values, others, seed=seed)
    lower, upper = np.quantile(ratios, (0.025, 0.975))
    return Interval(value=float(values.sum() / others.sum()), lower=float(lower), upper=float(upper), count=int(values.size))


def _spread(name: str, interval: Interval) -> Figures:
    return {name: interval.value, f"{name}_lower_bound": interval.lower, f"{name}_upper_bound": interval.upper}


def _read_values(rows: pl.DataFrame, metric: str) -> pl.DataFrame:
    """`question_id` and `value` of the answered questions that have the figure; none at all where a model was asked and a cost is unknown."""
    if metric in COSTS:
        asked = rows.filter(pl.col("is_answered") & pl.col("latency_s").is_not_null())
        figure = pl.col("input_token_count") + pl.col("output_token_count") if metric == "token_count" else pl.col(metric)
        found = asked.select("question_id", figure.cast(pl.Float64).alias("value"))
        return found.clear() if found["value"].null_count() else found
    figure = pl.col(_COLUMNS.get(metric, metric)).cast(pl.Float64)
    return rows.filter("is_answered").select("question_id", figure.alias("value")).drop_nulls("value")
