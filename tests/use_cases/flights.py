"""A few weeks of the real flights, refined as the flows refine them, for tests that need no lake."""

from datetime import UTC, date, datetime
from functools import cache

import polars as pl

from headrace.use_case import load
from use_cases.flight_delay.source import NewYorkFlights

CASE = load("flight_delay")
EVERYTHING = datetime(2014, 1, 5, tzinfo=UTC)


@cache
def silver(origin: str = "LGA", last_date: date = date(2013, 2, 10)) -> dict[str, pl.DataFrame]:
    """Silver rows by noun: one airport's flights and weather until a local day, and the reference tables."""
    source = NewYorkFlights(origins=(origin,), last_date=last_date)
    return {feed: refine(source.deliveries(feed, after=None, until=EVERYTHING)[0].read()) for feed, refine in CASE.feeds.items()}


def known_by(inputs: dict[str, pl.DataFrame], instant: datetime) -> dict[str, pl.DataFrame]:
    """What a lake would hold at an instant (UTC)."""
    return {noun: rows.filter(pl.col("known_at") <= instant) for noun, rows in inputs.items()}
