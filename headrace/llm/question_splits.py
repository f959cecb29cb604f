"""Split questions with a known answer by their number, the newest last: they come when somebody asks, not so many a day.

    train | validation | holdout | as_of

Retrieval is tuned on the first two, the holdout judges. A window of so many days would hold a hundred questions one month and none the
next, and an assistant that nobody asked for a while could never be built again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from headrace.llm.chain_spec import ChainSpec
from headrace.models.splits import PREDICTED_AT, Splits, split_by_time

# Ends are exclusive, and the newest question counts.
_RIGHT_AFTER = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class QuestionWindows:
    """Lengths of the windows that hold so many questions."""

    holdout: timedelta
    validation: timedelta
    history: timedelta | None = None


def split_questions(rows: pl.DataFrame, *, as_of: datetime, spec: ChainSpec, label: str, key: Sequence[str]) -> Splits:
    """Split by the order in which questions were asked.

    Args:
        rows: Feature rows with the label (or null), `prediction_at` and `label_known_at`. Any order.
        as_of: Instant (UTC) whose knowledge counts; what was asked then or later is not looked at.
        spec: Shares of holdout and validation.
        label: Name of the label column.
        key: Columns that identify a question.

    Returns:
        The parts; questions of one instant stay together, and a part may be empty, which `decide_parts` blocks.
    """
    asked = rows.filter(pl.col(PREDICTED_AT) < as_of).drop_nulls(label)[PREDICTED_AT].sort().to_list()
    end = asked[-1] + _RIGHT_AFTER if asked else as_of
    holdout_start, validation_start = (
        _find_start(asked, share, end=end) for share in (spec.holdout_fraction, spec.holdout_fraction + spec.validation_fraction)
    )
    windows = QuestionWindows(holdout=end - holdout_start, validation=holdout_start - validation_start)
    return split_by_time(rows, as_of=end, spec=windows, gap=timedelta(0), label=label, key=key)


def _find_start(asked: Sequence[datetime], share: float, *, end: datetime) -> datetime:
    """When the newest share of the questions begins (UTC)."""
    count = round(len(asked) * share)
    return asked[len(asked) - count] if count else end
