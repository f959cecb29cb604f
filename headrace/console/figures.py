"""How good the champion was on what it had not seen: month by month, against the business rule, from predictions that have met their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from headrace.console.facts import Facts, read_facts
from headrace.console.pages import name_place
from headrace.errors import CandidateError
from headrace.lake import tables
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Kind, split_columns
from headrace.monitoring.performance import LABEL, RULE
from headrace.registry import scoring
from headrace.registry.version_rows import read_described
from headrace.settings import Settings
from headrace.use_case import UseCase

# The last line of the table: every month together.
ALL_MONTHS = "all"

_SCHEMA = {
    "month": pl.String,
    "row_count": pl.Int64,
    "happened": pl.Float64,
    "versions": pl.String,
    "ranking": pl.Float64,
    "rule_ranking": pl.Float64,
    "loss": pl.Float64,
    "rule_loss": pl.Float64,
}


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Predictions that have met their labels.

    Attributes:
        rows: `prediction_at`, `model_version`, `label`, the kind's prediction columns, and the same of the rule (behind `rule_`; null
            where the rule is not known). Grain: one row per labelled prediction.
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
    rows = None if as_of is None else _join_labels(settings, case, as_of=as_of)
    if rows is None or rows.is_empty():
        return Outcomes(rows=pl.DataFrame(schema={"prediction_at": pl.Datetime("us", "UTC")}), obstacle=None)
    columns = load_kind(case.kind).columns
    try:
        judged, obstacle = _add_rule(settings, case, rows), None
    except CandidateError as error:
        unknown = [pl.lit(None, dtype=column.dtype).alias(f"{RULE}{name}") for name, column in columns.items()]
        judged, obstacle = rows.with_columns(unknown), str(error)
    found = ["prediction_at", "model_version", LABEL, *columns, *(f"{RULE}{name}" for name in columns)]
    return Outcomes(rows=judged.select(found).sort("prediction_at", maintain_order=True), obstacle=obstacle)


def _join_labels(settings: Settings, case: UseCase, *, as_of: datetime) -> pl.DataFrame:
    """Matured predictions with their labels and the columns that the business rule looks at."""
    key = list(case.features.key)
    matured = pl.col("prediction_at") <= as_of - case.label.matures_after
    predictions = tables.read(settings, case.table("inference", "predictions")).filter(matured)
    labels = scoring.build_labels(settings, case, known_by=as_of).select(*key, pl.col(case.label.name).alias(LABEL), "label_known_at")
    features = tables.read(settings, case.table("gold", "features")).select(list(dict.fromkeys([*key, *case.policy.baseline])))
    said = predictions.select(*key, "prediction_at", "model_version", *load_kind(case.kind).columns).collect()
    joined = said.join(labels.drop_nulls(LABEL), on=key)
    in_time = pl.col("label_known_at") - pl.col("prediction_at") <= case.label.matures_after
    return joined.filter(in_time).join(features.collect(), on=key, how="left").sort("prediction_at", *key)


def measure_months(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Figures of champion and rule per calendar month of `prediction_at` (UTC), and a last row for all of them.

    A month begins just after its first instant, as reigns do: a prediction made at the very instant of a promotion is
    still the predecessor's.

    Returns:
        `month` (`2013-04`, or `all`), `row_count`, `happened` (rate or mean of the label), `versions` (those in force, `2, 3`),
        `ranking`, `rule_ranking`, `loss`, `rule_loss` (what the kind watches). Figures that cannot be computed are null.
    """
    month = (pl.col("prediction_at") - pl.duration(microseconds=1)).dt.strftime("%Y-%m").alias("month")
    parts = [(str(name), part) for (name,), part in rows.with_columns(month).sort("prediction_at").group_by("month", maintain_order=True)]
    records = [_measure(name, part, kind) for name, part in parts]
    if records:
        records.append(_measure(ALL_MONTHS, rows, kind))
    return pl.DataFrame(records, schema=_SCHEMA, orient="row")


def render_monthly_figures(settings: Settings, case: UseCase) -> str:
    """The figures as a Markdown page: months, verdicts on challengers, and how to write it again."""
    facts = read_facts(settings, case)
    outcomes = read_outcomes(settings, case, as_of=facts.as_of)
    kind = load_kind(case.kind)
    months = measure_months(outcomes.rows, kind)
    if months.is_empty():
        body = ["No month yet: nothing was predicted, or no label has matured. `make run` replays the year."]
    else:
        body = [*_explain(case, facts), "", *_table(_list_headings(kind), [format_month(row, kind) for row in months.iter_rows(named=True)])]
    if outcomes.obstacle:
        body += ["", f"The business rule cannot be shown: {outcomes.obstacle}"]
    if not facts.promotions.is_empty():
        body += ["", "## Who was champion, and who was turned away", "", *_table(("as of", "decision", "version", "why"), _list_verdicts(facts))]
    if not facts.trainings.is_empty():
        trainings = [(f"{row['as_of']:%Y-%m-%d}", row["trigger"], row["reason"]) for row in facts.trainings.iter_rows(named=True)]
        body += ["", "## What asked for each training", "", *_table(("as of", "trigger", "why"), trainings)]
    command = f"make results {name_place(settings, case)}"
    title = [f"# Results: {case.name}", "", f"{case.title} Figures of a run in `{settings.seen}`, written by `{command}`.", ""]
    title += [case.about_days, ""] if case.about_days else []
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


def format_month(row: dict[str, Any], kind: Kind) -> tuple[str, ...]:
    """One line of the table as text, in the order of its header."""
    happened = row["happened"]
    figures = [row[name] for name in ("ranking", "rule_ranking", "loss", "rule_loss")]
    return (
        str(row["month"]),
        f"{row['row_count']:,}",
        "-" if happened is None else f"{happened:.1%}" if kind.words.is_share else f"{happened:,.4g}",
        str(row["versions"]),
        *("-" if figure is None else format_figure(figure) for figure in figures),
    )


def format_figure(figure: float) -> str:
    """Four decimals; of large numbers, five digits."""
    return f"{figure:.4f}" if abs(figure) < 1_000 else f"{figure:,.5g}"


def _list_headings(kind: Kind) -> tuple[str, ...]:
    figures = (f"{name} {whose}" for name in (kind.words.ranking, kind.words.loss) for whose in ("champion", "rule"))
    return ("month", "rows", kind.words.described, "version", *figures)


def _measure(name: str, rows: pl.DataFrame, kind: Kind) -> tuple[object, ...]:
    labels, predictions = rows[LABEL], kind.from_columns(rows)
    champion, rule = kind.score(labels, *predictions), kind.score(labels, *kind.from_columns(rows, prefix=RULE))
    served = ", ".join(map(str, rows["model_version"].unique(maintain_order=True)))
    loss, ranking = kind.watched
    happened = kind.describe(labels, *predictions)[kind.described[0]]
    return (name, rows.height, happened, served, champion[ranking], rule[ranking], champion[loss], rule[loss])


def _add_rule(settings: Settings, case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """What the rule that came with each version says about that version's rows."""
    parts = []
    for part in rows.partition_by("model_version", maintain_order=True):
        rule = read_described(settings, case, number=part["model_version"][0]).rule
        if rule is None:
            raise CandidateError(f"what {load_kind(case.kind).words.rule} says is asked of an index; `metrics.model_performance` has its figures")
        parts.append(part.with_columns(split_columns(load_kind(case.kind), rule.predict(part), rule.outcomes, prefix=RULE)))
    return pl.concat(parts)


def _explain(case: UseCase, facts: Facts) -> list[str]:
    first = facts.reigns[0].since.astimezone(UTC) if facts.reigns else None
    since, words = f" from {first:%Y-%m-%d} on" if first else "", load_kind(case.kind).words
    return [
        f"Every prediction{since} was made by the champion then in force, on rows later than any it had learned from, "
        f"and is judged by the label that came afterwards. The rule is the {words.rule} by {describe_rule(case)}, "
        f"as it stood when that champion was trained. {words.loss[0].upper()}{words.loss[1:]} ({words.loss_unit}): less is better. "
        f"{words.ranking[0].upper()}{words.ranking[1:]}: more is better."
    ]


def _list_verdicts(facts: Facts) -> list[tuple[str, ...]]:
    return [(f"{row['as_of']:%Y-%m-%d}", row["action"], str(row["model_version"]), row["reason"]) for row in facts.promotions.iter_rows(named=True)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
