"""How good the champion was on what it had not seen: month by month, against the business rule, from predictions that have met their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.console.facts import LABEL, PREDICTION, RULE, Facts, read_facts
from headrace.console.pages import name_place
from headrace.errors import CandidateError
from headrace.lake import tables
from headrace.models import evaluation
from headrace.registry import scoring
from headrace.registry.version_rows import read_described
from headrace.settings import Settings
from headrace.use_case import UseCase

# The last line of the table: every month together.
ALL_MONTHS = "all"

_SCHEMA = {
    "month": pl.String,
    "row_count": pl.Int64,
    "label_rate_fraction": pl.Float64,
    "versions": pl.String,
    "roc_auc": pl.Float64,
    "rule_roc_auc": pl.Float64,
    "log_loss": pl.Float64,
    "rule_log_loss": pl.Float64,
}


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Predictions that have met their labels.

    Attributes:
        rows: `prediction_at`, `model_version`, `probability_fraction`, `label` (1.0 or 0.0), `rule_probability` (null where
            the rule is not known). Grain: one row per labelled prediction.
        obstacle: Why the business rule cannot be shown; None when it can.
    """

    rows: pl.DataFrame
    obstacle: str | None


def read_outcomes(settings: Settings, case: UseCase, *, as_of: datetime | None) -> Outcomes:
    """Join predictions with their labels and with what the business rule of the same version would have said.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Newest instant (UTC) worked. Predictions whose labels had no time to mature by then are left out: the
            labels that are known first are not the average ones. Labels that came later than promised count for nobody.
    """
    schema = {"prediction_at": pl.Datetime("us", "UTC"), "model_version": pl.Int64, PREDICTION: pl.Float64, LABEL: pl.Float64, RULE: pl.Float64}
    if as_of is None:
        return Outcomes(rows=pl.DataFrame(schema=schema), obstacle=None)
    rows = _join_labels(settings, case, as_of=as_of)
    if rows.is_empty():
        return Outcomes(rows=pl.DataFrame(schema=schema), obstacle=None)
    try:
        judged, obstacle = _add_rule(settings, case, rows), None
    except CandidateError as error:
        judged, obstacle = rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(RULE)), str(error)
    return Outcomes(rows=judged.select(list(schema)).sort("prediction_at", maintain_order=True), obstacle=obstacle)


def _join_labels(settings: Settings, case: UseCase, *, as_of: datetime) -> pl.DataFrame:
    """Matured predictions with their labels and the columns that the business rule looks at."""
    key = list(case.features.key)
    matured = pl.col("prediction_at") <= as_of - case.label.matures_after
    predictions = tables.read(settings, case.table("inference", "predictions")).filter(matured)
    labels = scoring.build_labels(settings, case, known_by=as_of).select(*key, pl.col(case.label.name).alias(LABEL), "label_known_at")
    features = tables.read(settings, case.table("gold", "features")).select(list(dict.fromkeys([*key, *case.policy.baseline])))
    joined = predictions.select(*key, "prediction_at", "model_version", PREDICTION).collect().join(labels.drop_nulls(LABEL), on=key)
    in_time = pl.col("label_known_at") - pl.col("prediction_at") <= case.label.matures_after
    return joined.filter(in_time).join(features.collect(), on=key, how="left").sort("prediction_at", *key)


def measure_months(rows: pl.DataFrame) -> pl.DataFrame:
    """Figures of champion and rule per calendar month of `prediction_at` (UTC), and a last row for all of them.

    A month begins just after its first instant, as reigns do: a prediction made at the very instant of a promotion is
    still the predecessor's.

    Returns:
        `month` (`2013-04`, or `all`), `row_count`, `label_rate_fraction`, `versions` (those in force, `2, 3`), `roc_auc`,
        `rule_roc_auc`, `log_loss`, `rule_log_loss` (nats). Figures that cannot be computed are null.
    """
    month = (pl.col("prediction_at") - pl.duration(microseconds=1)).dt.strftime("%Y-%m").alias("month")
    parts = [(str(name), part) for (name,), part in rows.with_columns(month).sort("prediction_at").group_by("month", maintain_order=True)]
    records = [_measure(name, part) for name, part in parts]
    if records:
        records.append(_measure(ALL_MONTHS, rows))
    return pl.DataFrame(records, schema=_SCHEMA, orient="row")


def render_monthly_figures(settings: Settings, case: UseCase) -> str:
    """The figures as a Markdown page: months, verdicts on challengers, and how to write it again."""
    facts = read_facts(settings, case)
    outcomes = read_outcomes(settings, case, as_of=facts.as_of)
    months = measure_months(outcomes.rows)
    if months.is_empty():
        body = ["No month yet: nothing was predicted, or no label has matured. `make run` replays the year."]
    else:
        body = [*_explain(case, facts), "", *_table(_MONTH_HEADER, [format_month(row) for row in months.iter_rows(named=True)])]
    if outcomes.obstacle:
        body += ["", f"The business rule cannot be shown: {outcomes.obstacle}"]
    if not facts.promotions.is_empty():
        body += ["", "## Who was champion, and who was turned away", "", *_table(("as of", "decision", "version", "why"), _list_verdicts(facts))]
    if not facts.trainings.is_empty():
        trainings = [(f"{row['as_of']:%Y-%m-%d}", row["trigger"], row["reason"]) for row in facts.trainings.iter_rows(named=True)]
        body += ["", "## What asked for each training", "", *_table(("as of", "trigger", "why"), trainings)]
    command = f"make results {name_place(settings, case)}"
    title = [f"# Results: {case.name}", "", f"{case.title} Figures of a run in `{settings.seen}`, written by `{command}`.", ""]
    return "\n".join([*title, *body]) + "\n"


def write_figures(settings: Settings, case: UseCase, path: Path) -> Path:
    """Write the Markdown page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_monthly_figures(settings, case), encoding="utf-8")
    return path


def describe_rule(case: UseCase) -> str:
    """What the business rule looks at, in words: `carrier and departure minute of day in steps of 60`."""
    parts = [name.replace("_", " ") + ("" if width is None else f" in steps of {width:g}") for name, width in case.policy.baseline.items()]
    return " and ".join(parts)


def format_month(row: dict[str, object]) -> tuple[str, ...]:
    """One line of the table as text, in the order of its header."""
    rate = row["label_rate_fraction"]
    figures = [row[name] for name in ("roc_auc", "rule_roc_auc", "log_loss", "rule_log_loss")]
    label_rate = "-" if rate is None else f"{rate:.1%}"
    return (
        str(row["month"]),
        f"{row['row_count']:,}",
        label_rate,
        str(row["versions"]),
        *("-" if figure is None else f"{figure:.4f}" for figure in figures),
    )


_MONTH_HEADER = ("month", "rows", "label rate", "version", "AUC champion", "AUC rule", "log loss champion", "log loss rule")


def _measure(name: str, rows: pl.DataFrame) -> tuple[object, ...]:
    labels = rows[LABEL].to_numpy()
    champion = evaluation.score(labels=labels, probabilities=rows[PREDICTION].to_numpy())
    rule = evaluation.score(labels=labels, probabilities=rows[RULE].to_numpy())
    served = ", ".join(map(str, rows["model_version"].unique(maintain_order=True)))
    return (name, rows.height, rows[LABEL].mean(), served, champion["roc_auc"], rule["roc_auc"], champion["log_loss"], rule["log_loss"])


def _add_rule(settings: Settings, case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """What the rule that came with each version says about that version's rows."""
    parts = []
    for part in rows.partition_by("model_version", maintain_order=True):
        rule = read_described(settings, case, number=part["model_version"][0]).rule
        parts.append(part.with_columns(pl.Series(RULE, rule.predict(part), dtype=pl.Float64)))
    return pl.concat(parts)


def _explain(case: UseCase, facts: Facts) -> list[str]:
    first = facts.reigns[0].since.astimezone(UTC) if facts.reigns else None
    since = f" from {first:%Y-%m-%d} on" if first else ""
    return [
        f"Every prediction{since} was made by the champion then in force, on rows later than any it had learned from, "
        f"and is judged by the label that came afterwards. The rule is the historical rate by {describe_rule(case)}, "
        "as it stood when that champion was trained. Log loss in nats, less is better; AUC, more is better."
    ]


def _list_verdicts(facts: Facts) -> list[tuple[str, ...]]:
    return [(f"{row['as_of']:%Y-%m-%d}", row["action"], str(row["model_version"]), row["reason"]) for row in facts.promotions.iter_rows(named=True)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
