"""Questions are split by their number, whenever they came."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.llm.question_splits import split_questions
from headrace.models.splits import LABEL_KNOWN_AT, PREDICTED_AT, Splits
from tests.serving.tiny_assistant import ASSISTANT

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
SPEC = ASSISTANT.chain_spec


def ask(*hours: float) -> pl.DataFrame:
    """Questions asked so many hours after noon, whose answer is known at once."""
    asked = pl.Series([NOON + timedelta(hours=hour) for hour in hours], dtype=INSTANT)
    names = [f"q{place:03}" for place in range(len(hours))]
    return pl.DataFrame({"question_id": names, PREDICTED_AT: asked, LABEL_KNOWN_AT: asked, "label": ["a"] * len(hours)})


def split(rows: pl.DataFrame, *, as_of: datetime = NOON + timedelta(days=9_000)) -> Splits:
    return split_questions(rows, as_of=as_of, spec=SPEC, label="label", key=["question_id"])


def counts(splits: Splits) -> list[int]:
    return [part.height for part in splits.parts.values()]


@pytest.mark.parametrize("step", [1 / 3600, 1, 24 * 30], ids=["a second", "an hour", "a month"])
def test_the_newest_half_judges_however_far_apart_questions_came(step):
    splits = split(ask(*(place * step for place in range(100))))
    assert counts(splits) == [25, 25, 50]
    assert splits.holdout["question_id"].min() == "q050"
    assert splits.validation[PREDICTED_AT].max() < splits.holdout_start


def test_a_question_that_comes_long_after_the_others_is_one_of_those_that_judge():
    splits = split(ask(*range(99), 24 * 700))
    assert counts(splits) == [25, 25, 50]
    assert splits.holdout["question_id"].max() == "q099"


def test_what_is_asked_at_the_instant_or_later_is_not_looked_at():
    assert counts(split(ask(*range(100)), as_of=NOON + timedelta(hours=40))) == [10, 10, 20]


def test_questions_of_one_instant_stay_together():
    splits = split(ask(*[0] * 30, *[1] * 10))
    assert sorted(counts(splits)) == [0, 0, 40]


def test_without_questions_the_parts_are_empty():
    assert counts(split(ask())) == [0, 0, 0]
    unknown = ask(0, 1).with_columns(pl.lit(None, dtype=pl.String).alias("label"))
    assert counts(split(unknown)) == [0, 0, 0]
