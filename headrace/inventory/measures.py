"""What the lake says about a table: how many rows, how new, too old or not, and a sample for its sketches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.inventory.entries import TableEntry
from headrace.inventory.sketches import Sketch, build_sketches
from headrace.lake import runs, tables
from headrace.settings import Settings, read_declared

# Rows that sketches are drawn from: stretches of this length, spread evenly over a larger table.
SAMPLE_ROWS = 10_000
STRETCHES = 100


@dataclass(frozen=True, kw_only=True)
class TableState:
    """A table as it is in the lake.

    Attributes:
        row_count: Rows of its newest version.
        version: That version.
        committed_at: Clock reading (UTC) of its newest commit.
        batch_id: The newest batch in it; None: none is named.
        newest_at: Newest instant (UTC) at which a row of it became known; None: it has no row, or no such column.
        judged_at: Instant (UTC) at which it is asked whether that is too old; None: no run has worked any instant yet.
        limit_hours: Age that its contract allows; None: it never grows stale.
        sketches: Column -> its shape.
        sampled_rows: Rows that the sketches are drawn from.
    """

    row_count: int
    version: int
    committed_at: datetime
    batch_id: str | None
    newest_at: datetime | None
    judged_at: datetime | None
    limit_hours: float | None
    sketches: Mapping[str, Sketch]
    sampled_rows: int

    @property
    def age(self) -> timedelta | None:
        """How old its newest row is when it is judged; None where either is not known."""
        return self.judged_at - self.newest_at if self.judged_at and self.newest_at else None

    @property
    def is_stale(self) -> bool:
        """Whether its newest row is older than its contract allows. Without a bound, a run or a row there is nothing to judge."""
        return self.age is not None and self.limit_hours is not None and self.age > timedelta(hours=self.limit_hours)


def read_state(settings: Settings, entry: TableEntry, *, judged_at: datetime | None) -> TableState | None:
    """Measure one table of the environment that is looked at; None when nothing was written to it yet.

    Args:
        settings: The environment.
        entry: The table.
        judged_at: Instant (UTC) at which rows may be too old; what became known later is not looked at, as `featurize` does not.
    """
    version = tables.read_version(settings, entry.name)
    if version is None:
        return None
    rows = tables.read(settings, entry.name, version=version)
    commits = tables.read_history(settings, entry.name).filter(pl.col("version") <= version).sort("version", descending=True)
    row_count = int(rows.select(pl.len()).collect().item())
    sample = read_sample(rows, row_count)
    return TableState(
        row_count=row_count,
        version=version,
        committed_at=commits["committed_at"][0],
        batch_id=next((batch for batch in commits["batch_id"] if batch), None),
        newest_at=_read_newest(rows, entry, judged_at),
        judged_at=judged_at,
        limit_hours=entry.contract.freshness_hours if entry.contract else None,
        sketches=build_sketches(sample, entry.contract, personal=entry.personal),
        sampled_rows=sample.height,
    )


def read_sample(rows: pl.LazyFrame, row_count: int) -> pl.DataFrame:
    """At most `SAMPLE_ROWS` rows, the same for the same version: all of them, or stretches that lie evenly over the table."""
    if row_count <= SAMPLE_ROWS:
        return rows.collect()
    length = SAMPLE_ROWS // STRETCHES
    starts = [number * (row_count - length) // (STRETCHES - 1) for number in range(STRETCHES)]
    return pl.concat([rows.slice(start, length) for start in starts]).collect()


def read_judged_at(settings: Settings, use_case: str | None) -> datetime | None:
    """The instant (UTC) at which tables of a use case are old or not: now by a wall clock, else the newest that a run of it has worked.

    A replay is judged by the time that it has reached: by the clock on the wall all of it is years old. Each use case has a time of its
    own, so what several write to (`use_case` is None) is judged by none of them.
    """
    clock = settings.clock if settings.looks_at is None else read_declared(settings.looks_at)["clock"]
    if clock == "wall":
        return datetime.now(UTC)
    if use_case is None:
        return None
    newest = tables.read(settings, runs.TABLE).filter(pl.col("use_case") == use_case).select(pl.col("as_of").max()).collect().item()
    return newest.astimezone(UTC) if newest else None


def _read_newest(rows: pl.LazyFrame, entry: TableEntry, judged_at: datetime | None) -> datetime | None:
    column = entry.contract.known_time if entry.contract else None
    if column is None:
        return None
    known = rows if judged_at is None else rows.filter(pl.col(column) <= judged_at)
    newest = known.select(pl.col(column).max()).collect().item()
    return newest.astimezone(UTC) if newest else None
