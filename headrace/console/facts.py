"""What the rows say about a use case: read once from the lake, in the order things happened, for every page and summary."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from headrace.lake import catalog, tables
from headrace.models.kinds import load_kind
from headrace.monitoring.performance import ALL
from headrace.registry import history
from headrace.registry.history import Reign
from headrace.settings import Settings
from headrace.use_case import UseCase

VERDICT = "batch_verdict"

# Predictions are watched for drift beside the features, under this name (`headrace.monitoring.drift`, which loads Evidently).
PREDICTION_FEATURE = "prediction"

# A training that no decision of the policy asked for was started by a person.
BY_HAND = "by hand"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Rows of one use case, oldest first. Every frame has the columns of its contract unless it says otherwise.

    Attributes:
        as_of: Newest instant (UTC) that a stage has worked; None: nothing ran yet.
        reigns: Champions, the last one reigns.
        promotions: Decisions about versions.
        comparisons: Challengers against their opponents.
        retrain_decisions: The policy's answers.
        trainings: Finished trainings: `as_of`, `trigger`, `reason`. Grain: one row per candidate.
        runs: Ends of stages, with `own_s`: seconds of the run less those of runs inside it, as `train` runs inside `retrain`.
        performance: Metrics of all predictions together, one column per metric. Grain: one row per window and version.
        drift: Distance of features from their references.
        quality: What was expected of batches and what came; the newest judgement of each batch.
        live: How what was served did, figure by figure and window by window.
        alerts: What crossed a bar of the policy.
    """

    as_of: datetime | None
    reigns: list[Reign]
    promotions: pl.DataFrame
    comparisons: pl.DataFrame
    retrain_decisions: pl.DataFrame
    trainings: pl.DataFrame
    runs: pl.DataFrame
    performance: pl.DataFrame
    drift: pl.DataFrame
    quality: pl.DataFrame
    live: pl.DataFrame
    alerts: pl.DataFrame

    @property
    def champion(self) -> Reign | None:
        """The version that reigns now."""
        return self.reigns[-1] if self.reigns else None

    @property
    def rejections(self) -> pl.DataFrame:
        """Challengers that a gate turned away."""
        return self.promotions.filter(pl.col("action") == "reject")

    @property
    def stops(self) -> pl.DataFrame:
        """Stages that a gate stopped, but for challengers turned away: those are verdicts, and the line went on."""
        blocked = self.runs.filter(pl.col("status") == "blocked")
        return blocked.join(self.rejections.select("as_of", "reason"), on=["as_of", "reason"], how="anti", maintain_order="left")

    @property
    def why_nobody(self) -> str:
        """Why there is no champion, as a sentence's end."""
        blocked = self.stops.filter(pl.col("flow") == "train")
        if self.trainings.is_empty() and blocked.height:
            newest = blocked.row(-1, named=True)
            return f"each training was blocked, the newest on {newest['as_of']:%Y-%m-%d}: {newest['reason']}"
        return "nothing has been trained" if self.trainings.is_empty() else "no challenger has passed its gates"

    @property
    def promoted_count(self) -> int:
        """Number of challengers that became champion."""
        return self.promotions.filter((pl.col("action") == "promote") & pl.col("passed")).height

    @property
    def judged_count(self) -> int:
        """Rows of batches that were judged."""
        return int(self.quarantine["rows_read"].sum())

    @property
    def rejected_count(self) -> int:
        """Rows that went to quarantine."""
        return int(self.quarantine["rows_rejected"].sum())

    @property
    def triggers(self) -> Mapping[str, int]:
        """Number of trainings by what asked for them, the first kind first."""
        counts = self.trainings["trigger"].value_counts(sort=True).rows()
        return dict(sorted(counts, key=lambda pair: (pair[0] != "first", -pair[1], pair[0])))

    @property
    def quarantine(self) -> pl.DataFrame:
        """Rows of each judged table: `table_name`, `batch_count`, `rows_read`, `rows_accepted`, `rows_rejected`, `blocked_count`."""
        verdicts = self.quality.filter(pl.col("expectation") == VERDICT)
        accepted = pl.when("is_passed").then(pl.col("rows_read") - pl.col("rows_failed")).otherwise(0)
        sums = verdicts.group_by("table_name").agg(
            pl.len().cast(pl.Int64).alias("batch_count"),
            pl.col("rows_read").sum(),
            accepted.sum().alias("rows_accepted"),
            pl.col("rows_failed").filter(pl.col("is_passed")).sum().alias("rows_rejected"),
            pl.col("is_passed").not_().sum().cast(pl.Int64).alias("blocked_count"),
        )
        return sums.sort(_layer_order(), "table_name")


def read_facts(settings: Settings, case: UseCase) -> Facts:
    """Read everything that the console shows of a use case; tables that nothing was written to yet give empty frames."""
    runs = _add_own_seconds(_read(settings, case, "pipeline_runs", "as_of", "finished_at"))
    decisions = _read(settings, case, "retrain_decisions", "as_of")
    newest = runs["as_of"].max()
    return Facts(
        as_of=newest.astimezone(UTC) if isinstance(newest, datetime) else None,
        reigns=history.read_reigns(settings, case),
        promotions=history.read_promotions(settings, case),
        comparisons=_read(settings, case, "model_comparisons", "as_of", "challenger_version"),
        retrain_decisions=decisions,
        trainings=_find_trainings(runs, decisions),
        runs=runs,
        performance=spread_metrics(_read(settings, case, "model_performance", "window_start", "model_version"), case=case),
        drift=_read(settings, case, "drift", "window_start", "view", "feature"),
        quality=_keep_newest(_read(settings, case, "data_quality", "table_name", "batch_id")),
        live=_read(settings, case, "live_figures", "window_start", "figure", "slice_column", "slice_value"),
        alerts=_read(settings, case, "alerts", "window_end", "alert", "figure"),
    )


def read_tables(settings: Settings) -> pl.DataFrame:
    """Every table of the environment: `layer`, `table` (`layer.noun`), `row_count`, `version`. Grain: one row per table."""
    found = []
    for table in tables.list_tables(settings):
        rows = tables.read(settings, table).select(pl.len().cast(pl.Int64)).collect().item()
        found.append((table.partition(".")[0], table, rows, tables.read_version(settings, table)))
    return pl.DataFrame(found, schema={"layer": pl.String, "table": pl.String, "row_count": pl.Int64, "version": pl.Int64}, orient="row")


def _read(settings: Settings, case: UseCase, noun: str, *order: str) -> pl.DataFrame:
    return tables.read(settings, f"metrics.{noun}").filter(pl.col("use_case") == case.name).sort(*order).collect()


def _add_own_seconds(runs: pl.DataFrame) -> pl.DataFrame:
    spans = list(runs.select("as_of", "started_at", "finished_at", "duration_s").iter_rows())
    own = []
    for as_of, started, finished, duration in spans:
        inside = [
            other for at, begin, end, other in spans if at == as_of and started <= begin and end <= finished and (begin, end) != (started, finished)
        ]
        own.append(max(duration - sum(inside), 0.0))
    return runs.with_columns(pl.Series("own_s", own, dtype=pl.Float64))


def _find_trainings(runs: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    asked = decisions.filter("should_retrain").select("as_of", "trigger", asked_for="reason")
    done = runs.filter((pl.col("flow") == "train") & (pl.col("status") == "passed")).select("as_of", "reason")
    joined = done.join(asked, on="as_of", how="left", maintain_order="left")
    return joined.select("as_of", pl.col("trigger").fill_null(BY_HAND), pl.coalesce("asked_for", "reason").alias("reason"))


def spread_metrics(performance: pl.DataFrame, *, case: UseCase) -> pl.DataFrame:
    """One column per metric of all predictions together. Grain: one row per window and version.

    Windows of another length than the policy's are left out: they would be drawn over the others.
    """
    overall = performance.filter((pl.col("slice_column") == ALL) & (pl.col("window_end") - pl.col("window_start") == case.policy.window))
    # Of all predictions some never get a label, so that metric alone counts other rows than the rest.
    judged = overall.filter(pl.col("metric") != "live/unlabelled_fraction")
    kind = load_kind(case.kind)
    baseline = (f"baseline_{metric}" for metric in kind.watched)
    names = [f"live/{metric}" for metric in (*kind.watched, *baseline, *kind.described)]
    index = ["window_start", "window_end", "model_version", "row_count"]
    return (
        judged.filter(pl.col("metric").is_in(names))
        .pivot(on="metric", on_columns=names, index=index, values="value")
        .sort("window_start", "model_version")
    )


def _keep_newest(quality: pl.DataFrame) -> pl.DataFrame:
    """The judgement of each batch's highest revision: a batch that was done again counts once."""
    parts = quality.with_columns(
        pl.col("batch_id").str.replace(r"/\d+$", "").alias("_slice"), pl.col("batch_id").str.extract(r"/(\d+)$").cast(pl.Int64).alias("_revision")
    )
    newest = pl.col("_revision") == pl.col("_revision").max().over("table_name", "_slice")
    return parts.filter(newest).drop("_slice", "_revision")


def _layer_order() -> pl.Expr:
    layer = pl.col("table_name").str.split(".").list.first()
    return layer.replace_strict({name: order for order, name in enumerate(catalog.LAYERS)}, default=len(catalog.LAYERS), return_dtype=pl.Int64)
