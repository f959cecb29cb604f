"""The split gate, and every way in which it must block: no candidate is built from rows that would lie about it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from headrace.models.kinds import load_kind
from headrace.models.splits import LABEL_KNOWN_AT, PREDICTED_AT, Splits, decide_split, split_by_time
from headrace.use_case import Policy
from tests.models.purchases import AS_OF, CASE, KEY, LABEL, POLICY, TRAINING, labelled_purchases

ROWS = labelled_purchases()
SPLITS = split_by_time(ROWS, as_of=AS_OF, spec=TRAINING, gap=timedelta(days=1), label=LABEL, key=KEY)


def with_part(name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Splits:
    return replace(SPLITS, **{name: change(SPLITS.parts[name])})


def everywhere(**columns: pl.Expr) -> Splits:
    return replace(SPLITS, **{name: part.with_columns(**columns) for name, part in SPLITS.parts.items()})


def policy(**changes: float) -> Policy:
    return replace(POLICY, **changes)


NO_ROWS = SPLITS.train.clear()
KNOWN_LATE = pl.lit(AS_OF).cast(pl.Datetime("us", "UTC"))
LEAK, HOLE = pl.col(LABEL) + 0.01 * pl.col("hour"), pl.when(pl.col(LABEL) == 0).then(pl.col("shop_return_fraction").fill_null(0.1))


@pytest.mark.parametrize(
    ("splits", "policy", "reason"),
    [
        pytest.param(with_part("train", lambda _: NO_ROWS), POLICY, "train_rows: 0 labelled rows, the policy needs 100", id="nothing to train on"),
        pytest.param(with_part("validation", lambda _: NO_ROWS), POLICY, "validation_rows: 0 labelled rows", id="nothing to tune on"),
        pytest.param(with_part("holdout", lambda _: NO_ROWS), POLICY, "holdout_rows: 0 labelled rows", id="nothing to judge on"),
        pytest.param(SPLITS, policy(min_training_rows=10_000), "the policy needs 10000", id="too few training rows"),
        pytest.param(SPLITS, policy(min_holdout_rows=10_000), "the policy needs 10000", id="too few holdout rows"),
        pytest.param(everywhere(**{LABEL: pl.lit(0.0)}), POLICY, "train_labels: the label takes the values [0.0]", id="one class"),
        pytest.param(with_part("holdout", lambda rows: rows.filter(pl.col(LABEL) == 1)), POLICY, "holdout_labels", id="one class in the holdout"),
        pytest.param(everywhere(**{LABEL: pl.col("hour")}), POLICY, "it must take 0.0 and 1.0", id="a label of many values"),
        pytest.param(with_part("holdout", lambda rows: rows.vstack(SPLITS.train.head(1))), POLICY, "overlap: 1 row occurs more than once", id="seen"),
        pytest.param(with_part("train", lambda rows: rows.vstack(rows.head(2))), POLICY, "overlap: 2 rows occur more", id="twice in one part"),
        pytest.param(
            with_part("train", lambda rows: rows.with_columns(KNOWN_LATE.alias(LABEL_KNOWN_AT))),
            POLICY,
            "labels of train became known only after",
            id="no gap",
        ),
        pytest.param(
            replace(SPLITS, train=SPLITS.holdout, holdout=SPLITS.train), POLICY, "labels of train became known only after", id="trained on the future"
        ),
        pytest.param(everywhere(hour=LEAK), POLICY, "alone nearly determines the label: hour (0.999)", id="a feature that knows the outcome"),
        pytest.param(everywhere(hour=-LEAK), POLICY, "alone nearly determines the label: hour", id="the same, upside down"),
        pytest.param(everywhere(shop_return_fraction=HOLE), POLICY, "label: shop_return_fraction", id="a feature that is missing when it happened"),
        pytest.param(SPLITS, policy(max_feature_auc=float("nan")), "the policy allows an AUC of nan", id="a bar that is not a number"),
        pytest.param(everywhere(shop=pl.col(LABEL).cast(pl.String)), POLICY, "label: shop", id="a category that knows the outcome"),
    ],
)
def test_split_blocks(splits, policy, reason):
    decision = decide_split(splits, kind=load_kind("binary"), policy=policy, features=CASE.features, label=LABEL)
    assert not decision.passed
    assert reason in decision.reason


def test_split_blocks_a_feature_that_carries_the_name_of_a_leak():
    features = replace(CASE.features, forbidden=("hour", "returned_at"))
    decision = decide_split(SPLITS, kind=load_kind("binary"), policy=POLICY, features=features, label=LABEL)
    assert not decision.passed
    assert "leaking_columns: hour would leak the label" in decision.reason


def test_the_same_parts_pass_when_nothing_is_wrong():
    assert decide_split(SPLITS, kind=load_kind("binary"), policy=POLICY, features=CASE.features, label=LABEL).passed
    assert SPLITS.train[PREDICTED_AT].max() < SPLITS.holdout[PREDICTED_AT].min()
