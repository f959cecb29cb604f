"""Forecast: a number per entity and day, known some days ahead. What regression does, against another rule.

The rule to beat is a value that was known: the latest (the naive forecast), or that of the same weekday before (the seasonal naive
forecast, Hyndman 2021); the policy's baseline names the feature that holds it. Judged as regression is; rows are split by time, and
days are resampled whole.
"""

from dataclasses import replace

from headrace.models.kinds.regression import WORDS, Regression


class Forecast(Regression):
    """See `headrace.models.kinds.kind.Kind`."""

    name = "forecast"
    # A change may be negative.
    objectives: frozenset[str] = frozenset()
    rule_carries = True
    words = replace(WORDS, rule="last known value")


KIND = Forecast()
