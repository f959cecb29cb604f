"""How good a chain is on questions that it was not tuned on, beside plain search, with the ends of the intervals that a policy may bound."""

import time
from collections.abc import Mapping

import numpy as np
import polars as pl

from headrace.llm.chain import Chain
from headrace.llm.intervals import estimate_mean
from headrace.models.kinds import load_kind
from headrace.models.kinds.assistant import NO_SECTION
from headrace.models.slices import score_slices
from headrace.use_case import UseCase

KIND = load_kind("assistant")

# Figures that come with the ends of their interval; all are means over questions that a section answers.
BOUNDED = ("ndcg_at_10", "recall_at_10_fraction", "recall_at_50_fraction")

# Of a reply, the time that half of them, and nineteen of twenty, stay below.
SHARES = (50, 95)

Figures = dict[str, float | None]


def judge_chains(case: UseCase, holdout: pl.DataFrame, *, chain: Chain, plain: Chain, seed: int) -> tuple[Figures, pl.DataFrame]:
    """Figures of a chain and of plain search on the holdout; the chain's by slice, too.

    Args:
        case: The use case.
        holdout: Questions with their label. Grain: one row per question.
        chain: The chain.
        plain: What stands in for a champion where there is none; its figures begin with `baseline_`.
        seed: Seed of the intervals.

    Returns:
        `holdout/<metric>` -> figure, with `_lower_bound` and `_upper_bound` (95 %) of those in `BOUNDED`; and rows as of `score_slices`.
    """
    labels = holdout[case.label.name]
    predictions, milliseconds = _time_replies(chain, holdout)
    plain_predictions, plain_milliseconds = _time_replies(plain, holdout)
    figures: Figures = {"row_count": float(holdout.height)}
    figures |= KIND.score(labels, predictions, ()) | KIND.describe(labels, predictions, ()) | _bound(labels, predictions, seed=seed)
    figures |= {f"reply_p{share}_ms": float(np.percentile(milliseconds, share)) for share in SHARES}
    figures |= {f"baseline_{metric}": figure for metric, figure in KIND.score(labels, plain_predictions, ()).items()}
    figures |= {f"baseline_reply_p{share}_ms": float(np.percentile(plain_milliseconds, share)) for share in SHARES}
    judged = holdout.with_columns(KIND.to_columns(predictions, ()))
    slices = score_slices(judged, kind=KIND, label=case.label.name, slices=case.policy.slices)
    return {f"holdout/{name}": figure for name, figure in figures.items()}, slices


def measure_questions(labels: pl.Series, predictions: np.ndarray) -> Mapping[str, list[float]]:
    """Each figure of `BOUNDED` for each question that a section answers."""
    places = [place for place, label in enumerate(labels) if label != NO_SECTION]
    scored = [KIND.score(labels[place : place + 1], predictions[place : place + 1], ()) for place in places]
    return {metric: [float(figures[metric] or 0.0) for figures in scored] for metric in BOUNDED}


def _bound(labels: pl.Series, predictions: np.ndarray, *, seed: int) -> Figures:
    bounds: Figures = {}
    for metric, values in measure_questions(labels, predictions).items():
        interval = estimate_mean(values, seed=seed)
        bounds |= {f"{metric}_lower_bound": interval.lower, f"{metric}_upper_bound": interval.upper}
    return bounds


def _time_replies(chain: Chain, rows: pl.DataFrame) -> tuple[np.ndarray, list[float]]:
    """Replies, and how many milliseconds each took."""
    parts, milliseconds = [], []
    for place in range(rows.height):
        began = time.perf_counter()
        parts.append(chain.predict(rows[place]))
        milliseconds.append((time.perf_counter() - began) * 1_000)
    return np.concatenate(parts), milliseconds
