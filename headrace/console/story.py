"""The story page: one self-contained HTML file that tells a newcomer what the year was like and where to look further."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from headrace.console import charts, figures, service
from headrace.console.facts import Facts, read_facts, read_tables
from headrace.console.pages import build_templates, name_place, quality_path, render_markdown, story_path, write_page, write_quality_page
from headrace.errors import CandidateError
from headrace.inventory.entries import find_owner
from headrace.lake import tables
from headrace.lake.contracts import REJECTED_SUFFIX, find_contract
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Kind
from headrace.registry.version_rows import read_described
from headrace.settings import Settings
from headrace.use_case import UseCase, names

# A bar chart that lists every feature is read by nobody.
_TOP_FEATURES = 10


def write_story(settings: Settings, case: UseCase) -> Path:
    """Write the page, and the data quality page that it links to; returns where it lies."""
    write_quality_page(settings, case)
    return write_page(story_path(settings, case), render_story(settings, case))


def render_story(settings: Settings, case: UseCase) -> str:
    """The page as HTML: drawn from rows only, so that whoever draws it gets the same page."""
    facts, kind = read_facts(settings, case), load_kind(case.kind)
    outcomes = figures.read_outcomes(settings, case, as_of=facts.as_of)
    context: dict[str, Any] = {
        "settings": settings,
        "case": case,
        "facts": facts,
        "rule": figures.describe_rule(case),
        "kind": kind,
        "months": list_months(outcomes.rows, kind),
        "obstacle": outcomes.obstacle,
        "events": list_events(facts),
        "plots": charts.draw_all(facts, case, outcomes=outcomes.rows, history_start=_find_history_start(settings, case)),
        "causes": list_causes(facts),
        "service": service.list_figures(facts.live),
        "alerts": service.list_alerts(facts.alerts),
        "champion": describe_champion(settings, case, facts),
        "tables": list_tables(settings, case),
        "quality_page": quality_path(settings, case).name,
        "place": name_place(settings, case),
    }
    return build_templates().get_template("story.html.j2").render(context)


def list_events(facts: Facts) -> list[dict[str, Any]]:
    """What happened, oldest first: `at` (UTC), `kind` (a class of the style sheet), `what` and `why`."""
    events = [
        {"at": row["as_of"], "order": 1, "kind": "neutral", "what": f"training ({row['trigger']})", "why": row["reason"]}
        for row in facts.trainings.iter_rows(named=True)
    ]
    words = {"promote": ("good", "{} is champion"), "reject": ("bad", "{} turned away"), "rollback": ("warn", "back to {}")}
    for row in facts.promotions.iter_rows(named=True):
        kind, what = words[row["action"]]
        events.append({"at": row["as_of"], "order": 2, "kind": kind, "what": what.format(f"version {row['model_version']}"), "why": row["reason"]})
    for row in facts.stops.iter_rows(named=True):
        events.append({"at": row["as_of"], "order": 0, "kind": "bad", "what": f"{row['flow']} blocked", "why": row["reason"]})
    return sorted(events, key=lambda event: (event["at"], event["order"]))


def list_months(outcomes: pl.DataFrame, kind: Kind) -> list[dict[str, Any]]:
    """Figures by month and, last, of all of them, with `name` in words and `gain`: the rule's loss less the champion's."""
    named = (
        pl.when(pl.col("month") == figures.ALL_MONTHS)
        .then(pl.lit("All months"))
        .otherwise(pl.col("month").str.to_date("%Y-%m", strict=False).dt.strftime("%B %Y"))
    )
    return figures.measure_months(outcomes, kind).with_columns(named.alias("name"), (pl.col("rule_loss") - pl.col("loss")).alias("gain")).to_dicts()


def list_causes(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Per judged table, what its rows broke, most rows first: `expectation`, `severity`, `rows`, `meaning`."""
    broken = facts.quality.filter((pl.col("level") == "row") & (pl.col("rows_failed") > 0))
    sums = broken.group_by("table_name", "expectation", "severity").agg(pl.col("rows_failed").sum().alias("rows"), pl.col("reason").last())
    causes: dict[str, list[dict[str, Any]]] = {}
    for row in sums.sort("severity", "rows", "expectation", descending=[False, True, False]).iter_rows(named=True):
        meaning = row["reason"].partition("break it: ")[2] or row["reason"]
        causes.setdefault(row["table_name"], []).append({**row, "meaning": meaning})
    return causes


def describe_champion(settings: Settings, case: UseCase, facts: Facts) -> dict[str, Any] | None:
    """The champion as its row tells it: metadata, holdout figures, what moves it and its card; only `obstacle` where it has none."""
    if facts.champion is None:
        return None
    try:
        version = read_described(settings, case, number=facts.champion.version)
    except CandidateError as error:
        return {"obstacle": str(error)}
    return {
        "obstacle": None,
        "candidate": version.candidate,
        "metrics": {
            f"{whose}{metric}": version.metrics.get(f"holdout/{whose}{metric}")
            for metric in load_kind(case.kind).watched
            for whose in ("", "baseline_")
        },
        "strengths": charts.draw_strengths(_list_strengths(version.explanation), load_kind(case.kind)),
        "card": render_markdown(version.card),
    }


def _list_strengths(explanation: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(explanation.items(), key=lambda pair: -pair[1])[:_TOP_FEATURES]


def list_tables(settings: Settings, case: UseCase) -> list[dict[str, Any]]:
    """Tables of the use case and of the platform: `layer`, `table`, `row_count`, `version`, `rejected_count` (rows in quarantine) and `meaning`."""
    found = read_tables(settings).to_dicts()
    rejected = {row["table"].removesuffix(REJECTED_SUFFIX): row["row_count"] for row in found if row["table"].endswith(REJECTED_SUFFIX)}
    listed = []
    for row in found:
        table = row["table"]
        if table.endswith(REJECTED_SUFFIX) or not (table.startswith("metrics.") or find_owner(table, names()) == case.name):
            continue
        contract = find_contract(table)
        listed.append({**row, "rejected_count": rejected.get(table), "meaning": contract.description if contract else ""})
    return listed


def _find_history_start(settings: Settings, case: UseCase) -> datetime | None:
    first = tables.read(settings, case.table("gold", "features")).select(pl.col("prediction_at").min()).collect().item()
    return first.astimezone(UTC) if first else None
