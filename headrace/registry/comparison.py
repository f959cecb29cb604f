"""Compare two candidates on the same rows, so that the difference is theirs and not the rows'.

The gate sees rows and losses only, whatever the candidates are. It blocks unless it can show that the challenger is better:
a missing score, a row that only one of them scored, a figure that is not finite or a fault in here is never read as a tie.

How sure it is comes from the paired bootstrap (Efron 1979): the gain of each row, its pairing kept, is resampled. Rows of
one day share their weather and their jams, so whole days are resampled (`Policy.resample_by`): taken one by one, the rows
would promise a certainty that a year with other days does not keep.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.models.candidate import Candidate
from headrace.resampling import resample_means
from headrace.use_case import Policy
from headrace.words import format_count

GATE, UNSEEN_GATE = "comparison", "unseen_rows"

# A mean over fewer blocks has no spread worth the name: with one block, every resample would be the same.
MIN_BLOCKS = 10

# What a fault in data or arithmetic raises. Anything else is a fault of the code, and ends the run before any verdict.
FAULTS = (ArithmeticError, LookupError, TypeError, ValueError, pl.exceptions.PolarsError)


def decide_comparison(*, challenger: pl.DataFrame, opponent: pl.DataFrame, key: Sequence[str], policy: Policy, seed: int) -> Decision:
    """Decide whether the challenger may replace its opponent.

    Args:
        challenger: `key`, `loss` (for example log loss, nats; lower is better), `prediction_at` and the policy's slice
            columns. Grain: one row per evaluated row.
        opponent: `key` and `loss` of the same rows, in any order.
        key: Columns that identify a row.
        policy: The use case's own bars.
        seed: Makes the verdict reproducible from the stored losses.

    Returns:
        A decision whose evidence holds the mean `gain` (opponent minus challenger), its lower bound, the number of rows
        and, of the slices large enough to be guarded, the one that gained least.
    """
    try:
        return _decide(challenger, opponent, key=key, policy=policy, seed=seed)
    except FAULTS as fault:
        return blocked(GATE, f"{type(fault).__name__} inside the comparison, so nothing was compared: {str(fault).partition(chr(10))[0]}")


def decide_unseen(rows: pl.DataFrame, *, challenger: Candidate, champion: Candidate | None) -> Decision:
    """Block when a row that is to judge was seen by either candidate: trained on, or used to tune, stop or calibrate.

    Args:
        rows: The rows to be scored, with `prediction_at`.
        challenger: Metadata of the challenger.
        champion: Metadata of the champion; None where the opponent is the business rule that came with the challenger.
    """
    if rows.is_empty():
        return blocked(UNSEEN_GATE, "there are no rows to judge on")
    candidates = {"challenger": challenger} | ({"champion": champion} if champion is not None else {})
    seen = {name: rows.filter(pl.col("prediction_at") < candidate.validation_end).height for name, candidate in candidates.items()}
    undated = rows["prediction_at"].null_count()
    if undated or any(seen.values()):
        counts = ", ".join(f"{count} by the {name}" for name, count in seen.items())
        return blocked(UNSEEN_GATE, f"of {rows.height} rows, {undated} have no time and some were seen: {counts}")
    return passed(UNSEEN_GATE, f"{format_count(rows.height, 'row')}, seen by neither")


def _decide(challenger: pl.DataFrame, opponent: pl.DataFrame, *, key: Sequence[str], policy: Policy, seed: int) -> Decision:
    counts: dict[str, float | str] = {"row_count": float(challenger.height)}
    if challenger.select(key).is_duplicated().any() or opponent.select(key).is_duplicated().any():
        return blocked(GATE, "a row was scored more than once by one side", counts)
    scores = challenger.rename({"loss": "challenger_loss"}).join(
        opponent.select(*key, pl.col("loss").alias("opponent_loss")), on=key, how="full", coalesce=True
    )
    gains = scores.select(gain=pl.col("opponent_loss") - pl.col("challenger_loss"))["gain"].cast(pl.Float64)
    unusable = scores.height - int(gains.is_finite().sum())
    if unusable:
        return blocked(GATE, f"{unusable} of {scores.height} rows have no finite loss from one side or both", counts)
    if scores.height < policy.min_holdout_rows:
        return blocked(GATE, f"{format_count(scores.height, 'row')} with a loss, the policy needs {policy.min_holdout_rows}", counts)

    paired = scores.with_columns(gains, _blocks(policy).alias("block")).sort("block", *key)
    evidence = counts | _measure(paired, policy=policy, seed=seed)
    refusals = [*_refuse_gain(evidence, policy), *_refuse_slices(paired, policy=policy, seed=seed)]
    if refusals:
        return blocked(GATE, "; ".join(refusals), evidence)
    return passed(GATE, f"gain {evidence['gain']:+.4f}, lower bound {evidence['gain_lower_bound']:+.4f} at least {policy.min_gain:+.4f}", evidence)


def _blocks(policy: Policy) -> pl.Expr:
    return pl.col("prediction_at").dt.truncate(policy.resample_by)


def _measure(paired: pl.DataFrame, *, policy: Policy, seed: int) -> dict[str, float | str]:
    means = _resample(paired, seed=seed)
    return {
        "challenger_loss": float(paired["challenger_loss"].to_numpy().mean()),
        "opponent_loss": float(paired["opponent_loss"].to_numpy().mean()),
        "gain": float(paired["gain"].to_numpy().mean()),
        "gain_lower_bound": float(np.quantile(means, 1 - policy.confidence_fraction)),
        "block_count": float(paired["block"].n_unique()),
        **_find_least_gain(paired, policy),
    }


def _find_least_gain(paired: pl.DataFrame, policy: Policy) -> dict[str, float | str]:
    """The guarded slice that gained least, `{"least_gaining_slice": "carrier OO", "least_slice_gain": ...}`; empty where none is guarded."""
    slices = [
        (float(rows["gain"].to_numpy().mean()), f"{column} {value}")
        for column in policy.slices
        for (value,), rows in paired.group_by(column, maintain_order=True)
        if rows.height >= policy.min_slice_rows
    ]
    if not slices:
        return {}
    gain, name = min(slices)
    return {"least_gaining_slice": name, "least_slice_gain": gain}


def _refuse_gain(evidence: dict[str, float | str], policy: Policy) -> list[str]:
    gain, bound, blocks = (float(evidence[name]) for name in ("gain", "gain_lower_bound", "block_count"))
    if blocks < MIN_BLOCKS:
        return [f"the rows span {blocks:.0f} blocks of {policy.resample_by}, a bound needs {MIN_BLOCKS}"]
    if not bound >= policy.min_gain:
        return [f"gain {gain:+.4f}, lower bound {bound:+.4f} below {policy.min_gain:+.4f}"]
    return []


def _refuse_slices(paired: pl.DataFrame, *, policy: Policy, seed: int) -> list[str]:
    """Slices on which the challenger is worse by more than the policy allows, and not by chance.

    Both must hold. The mean alone would turn a good challenger away for the noise of one of twenty slices; the bound alone
    would turn it away for a loss too small to matter. A real loss hides only in a slice too small to show it, which is what
    `Policy.min_slice_rows` is for.
    """
    refusals = []
    for column in policy.slices:
        for (value,), rows in paired.group_by(column, maintain_order=True):
            gain = float(rows["gain"].to_numpy().mean())
            if rows.height < policy.min_slice_rows or gain >= -policy.max_slice_loss:
                continue
            upper_bound = float(np.quantile(_resample(rows, seed=seed), policy.confidence_fraction))
            if not upper_bound >= 0:
                refusals.append(
                    f"{column} {value} gains {gain:+.4f} on {format_count(rows.height, 'row')}, upper bound {upper_bound:+.4f}, "
                    f"the policy allows {-policy.max_slice_loss:+.4f}"
                )
    return refusals


def _resample(paired: pl.DataFrame, *, seed: int) -> np.ndarray:
    """Mean gain of each draw of whole blocks with replacement."""
    blocks = paired.group_by("block", maintain_order=True).agg(pl.col("gain").sum(), pl.len().alias("rows"))
    gains, rows = blocks["gain"].to_numpy(), blocks["rows"].to_numpy().astype(np.float64)
    return resample_means(gains, rows, seed=seed)
