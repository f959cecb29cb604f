"""Another environment's bronze as a source: what it has ingested, batch by batch, read-only.

Staging so trains on what prod has received, without a credential of the systems that prod receives it from. A delivery is one
upstream batch under a name made of the upstream batch's own, so that it is taken once, whenever and however often we look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import polars as pl

from headrace.errors import AccessError, LakeError, SourceError
from headrace.lake import tables
from headrace.lake.batches import parse_batch_id
from headrace.lake.contracts import SYSTEM_COLUMNS
from headrace.settings import Settings
from headrace.source import Delivery


@dataclass(frozen=True, kw_only=True)
class UpstreamBronze:
    """The bronze tables of another environment, one per feed.

    Attributes:
        settings: Of the environment that reads; its `readable` must list the other one.
        environment: The environment that is read.
        use_case: Whose feeds they are.
        rows: Feed -> which of its rows are taken; a feed that is not named is taken whole. Rows left out are not read from disk.
    """

    settings: Settings = field(repr=False)
    environment: str
    use_case: str
    rows: Mapping[str, pl.Expr] = field(default_factory=dict)

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """One delivery per upstream batch that was ingested there until `until` (UTC), oldest first.

        Batches from before `after` are listed too: upstream may commit one late, under the instant that it stands for. Those that
        were taken before are recognised by their name.

        Raises:
            SourceError: The upstream table does not exist yet, or may not or cannot be read.
        """
        table = f"{self.environment}.bronze.{self.use_case}_{feed}"
        try:
            version = tables.read_version(self.settings, table)
            if version is None and has_never_come(self.settings, self.environment, self.use_case, feed):
                return []
            if version is None:
                raise SourceError(
                    f"{self.settings.environment} reads the {feed} of {self.environment}, and {table} does not exist yet; "
                    f"run make ingest ENV={self.environment} USE_CASE={self.use_case} first"
                )
            # One version for all that follows: what is listed is what is read.
            bronze = tables.read(self.settings, table, version=version)
            batches = bronze.select("_batch_id", "_ingested_at").unique().sort("_ingested_at", "_batch_id").collect()
        except AccessError as error:
            raise SourceError(f"the {feed} of {self.environment} may not be read: {error}") from error
        except (LakeError, pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(
                f"{table} cannot be read ({type(error).__name__}); see whether make tables ENV={self.environment} can, and run this again"
            ) from error
        wanted = bronze if feed not in self.rows else bronze.filter(self.rows[feed])
        return [
            Delivery(
                feed=feed,
                slice_name=self._name(batch_id),
                arrived_at=ingested_at.astimezone(UTC),
                origin=table,
                read=partial(_read_batch, wanted, batch_id),
            )
            for batch_id, ingested_at in batches.iter_rows()
            if ingested_at <= until
        ]

    def _name(self, batch_id: str) -> str:
        """`prod:weather-2013-04-01T00:00:00Z:1`: environment, slice and revision name one batch of a feed and no other."""
        batch = parse_batch_id(batch_id)
        slice_name = batch.slice_id.split("/", 2)[2].removesuffix("/*")
        return f"{self.environment}:{slice_name}:{batch.revision}"


def has_never_come(settings: Settings, environment: str, use_case: str, feed: str) -> bool:
    """Whether nothing of a feed ever came to another environment: its `ingest` has passed, and no row of the feed was ever judged there.

    Then the feed has no table because it is empty; otherwise because `ingest` has not run yet, or because the table was lost.
    """
    ended, judged = (tables.read(settings, f"{environment}.metrics.{name}") for name in ("pipeline_runs", "data_quality"))
    is_ingested = (pl.col("use_case") == use_case) & (pl.col("flow") == "ingest") & (pl.col("status") == "passed")
    is_its = pl.col("batch_id").str.starts_with(f"refine/{use_case}/{feed}-") & (pl.col("rows_read") > 0)
    return not ended.filter(is_ingested).head(1).collect().is_empty() and judged.filter(is_its).head(1).collect().is_empty()


def _read_batch(bronze: pl.LazyFrame, batch_id: str) -> pl.DataFrame:
    """The rows of one batch as they came to the upstream environment: without what bronze added."""
    return bronze.filter(pl.col("_batch_id") == batch_id).drop(list(SYSTEM_COLUMNS)).collect()
