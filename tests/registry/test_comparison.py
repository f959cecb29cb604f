from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from headrace.registry.comparison import decide_unseen
from tests.models.purchases import POLICY
from tests.models.test_candidate import CANDIDATE
from tests.registry.losses import DAYS, ROWS, ROWS_A_DAY, compare, losses

NOISE = np.random.default_rng(0).normal(0, 0.05, ROWS)


def test_a_challenger_better_on_every_row_passes_and_the_evidence_says_by_how_much():
    decision = compare(losses(0.4), losses(0.5))
    assert decision.passed
    assert decision.evidence["gain"] == pytest.approx(0.1)
    assert decision.evidence["gain_lower_bound"] == pytest.approx(0.1)
    assert decision.evidence["row_count"] == ROWS
    assert decision.evidence["block_count"] == DAYS


def test_a_gain_that_rests_on_one_day_does_not_pass():
    gains = np.where(np.arange(ROWS) < ROWS_A_DAY, 1.0, -0.01)
    decision = compare(losses(0.5), losses(0.5 + gains))
    assert decision.evidence["gain"] > 0.03
    assert not decision.passed


def test_rows_of_one_day_are_one_observation():
    by_day = np.repeat(np.random.default_rng(1).normal(0.01, 0.05, DAYS), ROWS_A_DAY)
    shuffled = np.random.default_rng(2).permutation(by_day)
    together = compare(losses(0.5), losses(0.5 + by_day))
    scattered = compare(losses(0.5), losses(0.5 + shuffled))
    assert together.evidence["gain"] == pytest.approx(scattered.evidence["gain"])
    assert together.evidence["gain_lower_bound"] < scattered.evidence["gain_lower_bound"] - 0.005


def test_the_bound_is_that_of_the_central_limit():
    decision = compare(losses(0.5), losses(0.5 + NOISE))
    daily = NOISE.reshape(DAYS, ROWS_A_DAY).mean(axis=1)
    assert decision.evidence["gain_lower_bound"] == pytest.approx(NOISE.mean() - 1.645 * daily.std() / np.sqrt(DAYS), abs=0.002)


def test_two_equal_candidates_pass_only_about_as_often_as_the_confidence_allows():
    passes = [compare(losses(0.5), losses(0.5 + np.random.default_rng(seed).normal(0, 0.05, ROWS))).passed for seed in range(100)]
    assert sum(passes) <= 12


def test_a_small_loss_passes_only_where_the_policy_tolerates_it():
    assert not compare(losses(0.505), losses(0.5)).passed
    assert compare(losses(0.505), losses(0.5), policy=replace(POLICY, min_gain=-0.02)).passed


def test_the_same_losses_and_seed_give_the_same_verdict_in_any_order():
    challenger, opponent = losses(0.5), losses(0.51 + NOISE)
    shuffled = compare(challenger.sample(fraction=1, shuffle=True, seed=1), opponent.reverse())
    assert shuffled == compare(challenger, opponent)


def test_noise_on_one_slice_does_not_turn_a_better_challenger_away():
    wild = np.where(np.arange(ROWS) % 2, 0.1, np.random.default_rng(0).normal(-0.02, 1, ROWS))
    assert compare(losses(0.5), losses(0.5 + wild), policy=replace(POLICY, min_gain=-1.0)).passed


def test_a_slice_too_small_to_tell_is_not_guarded():
    decision = compare(losses(0.5), losses(0.5 + np.where(np.arange(ROWS) % 2, 0.3, -0.1)), policy=replace(POLICY, min_slice_rows=ROWS))
    assert decision.passed
    assert "least_gaining_slice" not in decision.evidence


def test_a_loss_that_the_policy_allows_on_a_slice_does_not_block_and_the_evidence_names_it():
    decision = compare(losses(0.5), losses(0.5 + np.where(np.arange(ROWS) % 2, 0.3, -0.005)))
    assert decision.passed
    assert decision.evidence["least_gaining_slice"] == "shop south"
    assert decision.evidence["least_slice_gain"] == pytest.approx(-0.005)


def test_twenty_thousand_rows_resampled_one_by_one_are_a_matter_of_half_a_second():
    rows = pl.concat([losses(0.5).with_columns(pl.col("purchase_id") + f"/{part}") for part in range(100)])
    rows = rows.with_columns((pl.col("prediction_at") + pl.duration(seconds=pl.int_range(pl.len()))).alias("prediction_at"))
    decision = compare(rows, rows.with_columns(loss=0.6), policy=replace(POLICY, resample_by=timedelta(seconds=1)))
    assert decision.evidence["block_count"] == rows.height
    assert decision.passed


def test_rows_after_both_validations_are_seen_by_neither():
    rows = pl.DataFrame({"prediction_at": [CANDIDATE.holdout_start, CANDIDATE.holdout_end]})
    older = replace(CANDIDATE, validation_end=CANDIDATE.validation_end - timedelta(days=30))
    assert decide_unseen(rows, challenger=CANDIDATE, champion=older).passed
    assert decide_unseen(rows, challenger=CANDIDATE, champion=None).passed
