"""Rules that grade a worded answer from what is known of it, without a model. A grade that cannot be given is None."""

from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]


def grade_grounded(row: Row) -> float | None:
    """Share of what the reader is told that the cited sections hold: quotations are word for word, a model's words were measured."""
    if not row["is_answered"]:
        return None
    return row["grounded_fraction"] if row["is_worded"] else 1.0


def grade_silence(row: Row) -> float:
    """1 where it is silent exactly if no section answers; that no true section is known says so, since unjudged questions are not asked."""
    return float(row["is_answered"] != (row["true_section_cited"] is None))


RULES: Mapping[str, Callable[[Row], float | None]] = {"grounded": grade_grounded, "silent_where_it_should": grade_silence}
