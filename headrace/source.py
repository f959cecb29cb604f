"""A connector: what a team's data come through, as deliveries that had arrived by an instant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

import polars as pl

from headrace.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One slice that a source has for us: a window of a feed, or a file.

    Attributes:
        feed: Noun of the bronze and silver tables it belongs to.
        slice_name: What it stands for: the end of its window, or the file's name. Part of its batch id.
        arrived_at: Instant (UTC) at which it was there to be read.
        origin: Where it came from, for `_source`: a package and version, or a file.
        read: Reads the rows, verbatim: the feed's own columns, no system columns.
        parts: How the names of its parts begin, where a replay may have taken it part by part before; what they held is left out then.
    """

    feed: str
    slice_name: str
    arrived_at: datetime
    origin: str
    read: Callable[[], pl.DataFrame]
    parts: str | None = None


class Source(Protocol):
    """A connector: it answers what had arrived by an instant."""

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """What arrived for a feed in `after < arrived_at <= until` (UTC), oldest first.

        Raises:
            SourceError: The source cannot be reached or holds what cannot be read.
        """
        ...


@runtime_checkable
class PlacedSource(Source, Protocol):
    """A source whose place, or whose memory of what was delivered, is an environment's."""

    def within(self, settings: Settings) -> Source:
        """The same source as the environment sees it."""
        ...


@runtime_checkable
class Wrapper(Source, Protocol):
    """A source that adds what only the environment itself can have, whoever brings the rest."""

    def around(self, source: Source) -> Source:
        """The same around another source."""
        ...
