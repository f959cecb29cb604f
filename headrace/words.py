"""Numbers in sentences, and sentences that several pages share."""

from datetime import timedelta

# What a page says of a use case whose days are none.
MADE_UP_DAYS = (
    "The days are made up: the table has no time, so its rows lie in random order on days from 2000-01-01 on. Every split is a random one, "
    "and how good a model is holds as it does for a random split. Months, drift and retraining are a rehearsal: they show what happens once "
    "rows come in time, and say nothing about how the world changes. Rows that were delivered later lie on the day on which they came."
)

# Behind these a plural is spoken as a syllable of its own: batches, classes, boxes.
_HISSED = ("s", "x", "z", "ch", "sh")


def format_count(number: int, noun: str) -> str:
    """How many there are, in words: `1 window`, `2,400 rows`.

    Args:
        number: How many.
        noun: What is counted, one of it; the last word is put into the plural.
    """
    return f"{number:,} {noun if number == 1 else format_plural(noun)}"


def format_plural(noun: str) -> str:
    """More than one of it: `batch` -> `batches`, `delivery` -> `deliveries`, `day` -> `days`."""
    if noun.endswith(_HISSED):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def format_interval(value: float | None, lower: float | None, upper: float | None, *, digits: int = 3, is_gain: bool = False) -> str:
    """A figure and where it may lie: `0.731 (0.655 to 0.802)`; `-` where nobody knows.

    Args:
        value: The figure.
        lower: Lower end of its interval.
        upper: Upper end.
        digits: Digits behind the point.
        is_gain: Whether its sign is said also where it is more.
    """
    if value is None or lower is None or upper is None:
        return "-"
    form = f"{'+' if is_gain else ''}.{digits}f"
    return f"{value:{form}} ({lower:{form}} to {upper:{form}})"


def format_span(span: timedelta) -> str:
    """A length of time in its largest whole unit: `30 minutes`, `7 days`."""
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if span >= unit:
            return format_count(round(span / unit), name)
    return "under a minute"
