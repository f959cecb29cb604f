"""A source of which some rows are taken: how an environment that runs subsets sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import polars as pl

from headrace.source import Delivery, Source


@dataclass(frozen=True, kw_only=True)
class FilteredSource:
    """A source of which some rows are taken: the same deliveries under the same names, with fewer rows.

    Attributes:
        source: The whole of it.
        rows: Feed -> which of its rows are taken; a feed that is not named is taken whole.
    """

    source: Source
    rows: Mapping[str, pl.Expr]

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """The deliveries of the whole source; their rows are filtered when they are read."""
        found = self.source.deliveries(feed, after=after, until=until)
        return [replace(delivery, read=partial(self._read, delivery)) for delivery in found] if feed in self.rows else found

    def _read(self, delivery: Delivery) -> pl.DataFrame:
        return delivery.read().filter(self.rows[delivery.feed])
