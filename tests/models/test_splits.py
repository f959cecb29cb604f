from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.models.kinds import load_kind
from headrace.models.splits import LABEL_KNOWN_AT, PREDICTED_AT, Splits, decide_split, split_by_time
from tests.models.purchases import AS_OF, CASE, KEY, LABEL, POLICY, TRAINING, labelled_purchases

GAP = timedelta(days=2)
ROWS = labelled_purchases()


def split(rows: pl.DataFrame, **changes: timedelta) -> Splits:
    return split_by_time(rows, as_of=AS_OF, spec=replace(TRAINING, **changes), gap=GAP, label=LABEL, key=KEY)


def test_parts_follow_each_other_with_a_gap_as_long_as_a_label_takes():
    splits = split(ROWS)
    assert splits.holdout_end == AS_OF - GAP
    assert splits.holdout_start == splits.holdout_end - TRAINING.holdout
    assert splits.validation_end == splits.holdout_start - GAP
    assert splits.validation_start == splits.validation_end - TRAINING.validation
    assert splits.train_end == splits.validation_start - GAP


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 400), st.integers(0, 2**32 - 1))
def test_every_label_was_known_before_the_next_part_began_however_late_labels_come(longest_hours, seed):
    delays = np.random.default_rng(seed).integers(0, longest_hours + 1, ROWS.height)
    late = pl.col(PREDICTED_AT) + pl.duration(hours=pl.Series(delays))
    splits = split(ROWS.with_columns(late.alias(LABEL_KNOWN_AT)))
    assert (splits.train[LABEL_KNOWN_AT] <= splits.validation_start).all()
    assert (splits.validation[LABEL_KNOWN_AT] <= splits.holdout_start).all()
    assert (splits.holdout[LABEL_KNOWN_AT] <= AS_OF).all()


def test_the_order_of_rows_does_not_matter():
    shuffled = split(ROWS.sample(fraction=1, shuffle=True, seed=3))
    assert all(part.equals(split(ROWS).parts[name]) for name, part in shuffled.parts.items())


def test_rows_that_never_get_a_label_are_dropped_and_counted():
    splits = split(ROWS)
    assert splits.unlabelled_count == ROWS[LABEL].null_count() > 0
    assert not any(part[LABEL].null_count() for part in splits.parts.values())


def test_every_row_is_in_one_part_or_counted_as_left_out():
    splits = split(ROWS)
    assert sum(part.height for part in splits.parts.values()) + splits.unlabelled_count + splits.unknown_count == ROWS.height


def test_nothing_after_the_instant_is_seen():
    known = ROWS.filter(pl.col(LABEL_KNOWN_AT) <= AS_OF - timedelta(days=20))
    earlier = split_by_time(ROWS, as_of=AS_OF - timedelta(days=20), spec=TRAINING, gap=GAP, label=LABEL, key=KEY)
    assert earlier.holdout.equals(split_by_time(known, as_of=AS_OF - timedelta(days=20), spec=TRAINING, gap=GAP, label=LABEL, key=KEY).holdout)
    assert earlier.holdout[PREDICTED_AT].max() < AS_OF - timedelta(days=22)


def test_history_bounds_the_training_rows():
    splits = split(ROWS, history=timedelta(days=5))
    assert splits.train_start >= splits.train_end - timedelta(days=5)
    assert splits.train.height < split(ROWS).train.height


def test_honest_parts_pass_and_the_verdict_says_what_is_in_them():
    decision = decide_split(split(ROWS), kind=load_kind("binary"), policy=POLICY, features=CASE.features, label=LABEL)
    assert decision.passed
    assert decision.evidence["strongest_feature"] == "amount_eur"
    assert decision.evidence["train_rows"] == split(ROWS).train.height
