"""Values as a person reads them."""

import math
from datetime import date, datetime

# A text longer than this is cut in a cell.
LONGEST = 40


def format_value(value: object) -> str:
    """A value in at most `LONGEST` characters: four digits of a number, an instant to the minute, a dash for what is missing."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return format_number(value)
        case datetime():
            return f"{value:%Y-%m-%d}" if (value.hour, value.minute) == (0, 0) else f"{value:%Y-%m-%d %H:%M}"
        case date():
            return f"{value:%Y-%m-%d}"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def format_number(value: float) -> str:
    """A number with four digits that count; whole numbers and thousands have all of theirs."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    decimals = 3 - math.floor(math.log10(abs(value)))
    # Below a millionth more zeros would be written than digits.
    return f"{value:.3g}" if decimals > 9 else f"{value:.{decimals}f}".rstrip("0").rstrip(".")
