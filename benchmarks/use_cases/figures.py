"""What came of a table: minutes, edits, and the champion's loss beside its rule's and beside a person's script, on the same rows."""

import importlib
import json
from dataclasses import dataclass

import numpy as np
import polars as pl

from headrace.lake import tables
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Outcomes
from headrace.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One real table.

    Attributes:
        table: Its name.
        kind: The kind of task that its label asked for.
        row_count: Its rows.
        minutes: From the file to the end of the first `make run`.
        edited_count: Lines that a person had to edit.
        champion: Version that reigns; None: no challenger was better than the business rule.
        promoted_count: Challengers that became champion.
        loss: The newest champion's loss on its holdout.
        rule_loss: That of the business rule.
        script_loss: That of the script.
    """

    table: str
    kind: str
    row_count: int
    minutes: float
    edited_count: int
    champion: int | None
    promoted_count: int
    loss: float | None
    rule_loss: float | None
    script_loss: float | None

    @property
    def behind_percent(self) -> float | None:
        """By how much the champion's loss is greater than the script's; less than 0 where it is better."""
        return None if self.loss is None or not self.script_loss else 100 * (self.loss / self.script_loss - 1)


def measure(settings: Settings, use_case: str, rows: pl.DataFrame, *, table: str, label: str, minutes: float) -> Figures:
    """Read what a run left.

    Args:
        settings: The environment it ran in.
        use_case: Its name.
        rows: Feature rows of the gold layer.
        table: Name of the table and of its script.
        label: Column of the label.
        minutes: See `Figures`.
    """
    promotions = tables.read(settings, "metrics.promotions").filter((pl.col("use_case") == use_case) & (pl.col("action") == "promote")).collect()
    versions = tables.read(settings, "metrics.model_versions").filter(pl.col("use_case") == use_case).sort("as_of").collect()
    promoted = versions.filter(pl.col("model_version").is_in(promotions["model_version"].to_list()))
    chosen = (promoted if promoted.height else versions).row(-1, named=True)
    candidate, metrics = json.loads(chosen["candidate"]), json.loads(chosen["metrics"])
    kind = load_kind(candidate["kind"])
    loss = kind.metrics[0]
    return Figures(
        table=table,
        kind=kind.name,
        row_count=rows.height,
        minutes=minutes,
        edited_count=0,
        champion=int(promoted["model_version"][-1]) if promoted.height else None,
        promoted_count=promoted.height,
        loss=metrics[f"holdout/{loss}"],
        rule_loss=metrics[f"holdout/baseline_{loss}"],
        script_loss=_run_script(table, rows, label=label, candidate=candidate),
    )


def _run_script(table: str, rows: pl.DataFrame, *, label: str, candidate: dict[str, str]) -> float | None:
    """The script learns from all that the champion could learn from, and is judged on the same rows by the same loss."""
    kind = load_kind(candidate["kind"])
    at = pl.col("prediction_at")
    start, end = (pl.lit(candidate[name]).str.to_datetime(time_zone="UTC") for name in ("holdout_start", "holdout_end"))
    learned = rows.filter(at < pl.lit(candidate["validation_end"]).str.to_datetime(time_zone="UTC"))
    judged = rows.filter((at >= start) & (at < end))
    script = importlib.import_module(f"benchmarks.use_cases.blind.{table}")
    said: tuple[np.ndarray, Outcomes] = script.fit_predict(learned.drop("prediction_at"), judged.drop("prediction_at", label))
    return kind.score(judged[label], *said)[kind.metrics[0]]
