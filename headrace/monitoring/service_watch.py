"""How a server answered, whatever the kind of task: how many requests, and how long they took."""

from datetime import UTC, datetime

import polars as pl

from headrace.lake import tables
from headrace.monitoring.figures import Figure, measure_percentile
from headrace.monitoring.windows import Window
from headrace.serving.request_rows import requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase

PERCENTS = (50, 95, 99)


class ServiceWatch:
    """Latencies of the requests that arrived in a window."""

    def __init__(self, requests: pl.DataFrame) -> None:
        """Watch these.

        Args:
            requests: `requested_at` and `latency_ms`. Grain: one request.
        """
        self._requests = requests

    def find_first(self) -> datetime | None:
        """Arrival of the first request."""
        first = self._requests["requested_at"].min()
        return first.astimezone(UTC) if isinstance(first, datetime) else None

    def measure(self, window: Window) -> list[Figure]:
        """Requests, and the milliseconds that half of them, nineteen of twenty and ninety-nine of a hundred took at most."""
        found = self._requests.filter(pl.col("requested_at").is_between(*window, closed="left"))
        latencies = [measure_percentile(f"service/latency_p{percent}_ms", found["latency_ms"], percent) for percent in PERCENTS]
        return [Figure(name="service/request_count", value=float(found.height), count=found.height), *latencies]


def open_watch(settings: Settings, case: UseCase, *, after: datetime | None, as_of: datetime) -> ServiceWatch:
    """The watch over the requests that arrived after an instant (UTC; None: the first) and until `as_of`."""
    rows = tables.read(settings, requests_table(case.name)).filter(pl.col("requested_at") <= as_of)
    if after is not None:
        rows = rows.filter(pl.col("requested_at") >= after)
    # A request of several rows is one, and took the time of all of them.
    is_first = pl.col("request_id").str.ends_with("/0")
    return ServiceWatch(rows.filter(is_first).select("requested_at", "latency_ms").collect())
