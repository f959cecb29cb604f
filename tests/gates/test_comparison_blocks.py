"""The comparison gate, and every way in which it must block."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from headrace.registry.comparison import decide_unseen
from tests.models.purchases import POLICY
from tests.models.test_candidate import CANDIDATE
from tests.registry.losses import DAYS, ROWS, compare, losses

BETTER, WORSE = losses(0.4), losses(0.6)
FIRST = np.arange(ROWS) == 0
SOUTH_ONLY_WORSE = losses(np.where(np.arange(ROWS) % 2, 0.1, 0.65))


def spoiled(value: float | None) -> pl.DataFrame:
    """A better challenger's losses, one of which is spoiled."""
    return BETTER.with_columns(pl.when(pl.Series(FIRST)).then(pl.lit(value, dtype=pl.Float64)).otherwise("loss").alias("loss"))


@pytest.mark.parametrize(
    ("challenger", "opponent", "reason"),
    [
        pytest.param(WORSE, losses(0.5), "gain -0.1000, lower bound -0.1000 below +0.0000", id="worse model"),
        pytest.param(losses(0.5 - np.random.default_rng(4).normal(0, 0.5, ROWS)), losses(0.5), "below +0.0000", id="gain within noise"),
        pytest.param(SOUTH_ONLY_WORSE, losses(0.6), "shop south gains -0.0500", id="worse on one slice"),
        pytest.param(BETTER.head(50), WORSE.head(50), "50 rows with a loss, the policy needs 100", id="too few rows"),
        pytest.param(BETTER.clear(), WORSE.clear(), "0 rows with a loss", id="no rows"),
        pytest.param(spoiled(None), WORSE, f"1 of {ROWS} rows have no finite loss", id="challenger did not score a row"),
        pytest.param(BETTER, spoiled(None), f"1 of {ROWS} rows have no finite loss", id="champion did not score a row"),
        pytest.param(BETTER, WORSE.clear(), f"{ROWS} of {ROWS} rows have no finite loss", id="champion scored nothing"),
        pytest.param(spoiled(float("nan")), WORSE, f"1 of {ROWS} rows have no finite loss", id="not a number"),
        pytest.param(spoiled(float("-inf")), WORSE, f"1 of {ROWS} rows have no finite loss", id="infinitely good"),
        pytest.param(BETTER, spoiled(float("inf")), f"1 of {ROWS} rows have no finite loss", id="infinite loss would always win"),
        pytest.param(BETTER.head(ROWS - 1), WORSE, f"1 of {ROWS} rows", id="challenger left a row out"),
        pytest.param(BETTER, WORSE.head(ROWS - 1), f"1 of {ROWS} rows", id="champion left a row out"),
        pytest.param(BETTER.with_columns(purchase_id="x" + pl.col("purchase_id")), WORSE, f"{2 * ROWS} of {2 * ROWS}", id="other rows"),
        pytest.param(BETTER.vstack(BETTER.head(1)), WORSE, "scored more than once", id="challenger scored a row twice"),
        pytest.param(BETTER, WORSE.vstack(WORSE.head(1)), "scored more than once", id="champion scored a row twice"),
        pytest.param(BETTER.with_columns(prediction_at=pl.lit(CANDIDATE.as_of)), WORSE, "span 1 blocks of 1 day", id="one day only"),
        pytest.param(BETTER.drop("shop"), WORSE, "ColumnNotFoundError inside the comparison", id="a declared slice is missing"),
        pytest.param(BETTER.drop("loss"), WORSE, "ColumnNotFoundError inside the comparison", id="no losses"),
        pytest.param(BETTER.with_columns(loss=pl.lit("good")), WORSE, "inside the comparison, so nothing was compared", id="losses are text"),
        pytest.param(BETTER.drop("prediction_at"), WORSE, "inside the comparison", id="rows without a time"),
    ],
)
def test_comparison_blocks(challenger, opponent, reason):
    decision = compare(challenger, opponent)
    assert not decision.passed
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"confidence_fraction": 2.0}, "ValueError inside the comparison", id="no such confidence"),
        pytest.param({"confidence_fraction": None}, "TypeError inside the comparison", id="no confidence"),
        pytest.param({"min_gain": float("nan")}, "below +nan", id="a bar that is not a number"),
        pytest.param({"min_gain": 0.5}, "below +0.5000", id="a bar too high"),
        pytest.param({"resample_by": timedelta(days=DAYS)}, "a bound needs 10", id="too few blocks"),
        pytest.param({"slices": ("airport",)}, "ColumnNotFoundError inside the comparison", id="a slice that does not exist"),
    ],
)
def test_comparison_blocks_when_the_policy_cannot_be_applied(changes, reason):
    decision = compare(BETTER, WORSE, policy=replace(POLICY, **changes))
    assert not decision.passed
    assert reason in decision.reason


def test_the_same_losses_pass_when_nothing_is_wrong():
    assert compare(BETTER, WORSE).passed


@pytest.mark.parametrize(
    ("instant", "champion_end", "reason"),
    [
        pytest.param(CANDIDATE.validation_start, CANDIDATE.train_end, "1 by the challenger, 0 by the champion", id="challenger tuned on it"),
        pytest.param(CANDIDATE.holdout_start, CANDIDATE.holdout_end, "0 by the challenger, 1 by the champion", id="champion trained on it"),
        pytest.param(CANDIDATE.train_start, CANDIDATE.holdout_end, "1 by the challenger, 1 by the champion", id="both trained on it"),
        pytest.param(None, CANDIDATE.train_end, "1 have no time", id="nobody knows when it was"),
    ],
)
def test_rows_that_a_candidate_has_seen_block(instant, champion_end, reason):
    rows = pl.DataFrame({"prediction_at": [instant, CANDIDATE.holdout_end]}, schema={"prediction_at": pl.Datetime("us", "UTC")})
    decision = decide_unseen(rows, challenger=CANDIDATE, champion=replace(CANDIDATE, validation_end=champion_end))
    assert not decision.passed
    assert reason in decision.reason


def test_no_rows_to_judge_on_block():
    rows = pl.DataFrame(schema={"prediction_at": pl.Datetime("us", "UTC")})
    assert not decide_unseen(rows, challenger=CANDIDATE, champion=None).passed
