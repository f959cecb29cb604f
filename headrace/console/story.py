"""The story page: one self-contained HTML file that tells a newcomer what the year was like and where to look further."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from headrace.console import charts, figures
from headrace.console.facts import Facts, read_facts, read_tables
from headrace.console.pages import quality_path, story_path, write_page, write_quality_page
from headrace.errors import HeadraceError
from headrace.lake import tables
from headrace.lake.contracts import REJECTED_SUFFIX, find_contract
from headrace.models.candidate import CARD, EXPLANATION, METRICS, read_candidate, read_json
from headrace.registry import versions
from headrace.settings import Settings
from headrace.use_case import UseCase

_TEMPLATES = Path(__file__).parent / "templates"

# A bar chart that lists every feature is read by nobody.
_TOP_FEATURES = 10


def write_story(settings: Settings, case: UseCase) -> Path:
    """Write the page, and the data quality page that it links to; returns where it lies."""
    write_quality_page(settings, case)
    return write_page(story_path(settings, case), render_story(settings, case))


def render_story(settings: Settings, case: UseCase) -> str:
    """The page as HTML: drawn from rows only, so that whoever draws it gets the same page."""
    facts = read_facts(settings, case)
    outcomes = figures.read_outcomes(settings, case, as_of=facts.as_of)
    context: dict[str, Any] = {
        "settings": settings,
        "case": case,
        "facts": facts,
        "rule": figures.describe_rule(case),
        "months": list_months(outcomes.rows),
        "obstacle": outcomes.obstacle,
        "events": list_events(facts),
        "plots": charts.draw_all(facts, case, outcomes=outcomes.rows, history_start=_find_history_start(settings, case)),
        "causes": list_causes(facts),
        "champion": describe_champion(settings, case, facts),
        "tables": list_tables(settings, case),
        "quality_page": quality_path(settings, case).name,
    }
    return _build_environment().get_template("story.html.j2").render(context)


def _build_environment() -> Environment:
    """Templates that escape what rows hold and stop at a name that nobody set."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"day": _day, "count": "{:,}".format, "percent": _percent, "figure": _figure, "listed": _listed}
    return environment


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


def list_months(outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    """Figures by month and, last, of all of them, with `name` in words and `gain`: log loss of the rule less the champion's."""
    named = (
        pl.when(pl.col("month") == figures.ALL_MONTHS)
        .then(pl.lit("All months"))
        .otherwise(pl.col("month").str.to_date("%Y-%m", strict=False).dt.strftime("%B %Y"))
    )
    return figures.measure_months(outcomes).with_columns(named.alias("name"), (pl.col("rule_log_loss") - pl.col("log_loss")).alias("gain")).to_dicts()


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
    """The champion's own files: metadata, holdout figures, what moves it and its card; only `obstacle` where they cannot be read."""
    if facts.champion is None:
        return None
    try:
        folder = versions.candidate_folder(settings, versions.read(settings, case, number=facts.champion.version))
        candidate, metrics, strengths = read_candidate(folder), read_json(folder / METRICS), read_json(folder / EXPLANATION)
        card = (folder / CARD).read_text(encoding="utf-8")
    except (HeadraceError, OSError) as error:
        return {"obstacle": str(error)}
    return {
        "obstacle": None,
        "candidate": candidate,
        "metrics": {
            name: metrics.get(name) for name in ("holdout/log_loss", "holdout/baseline_log_loss", "holdout/roc_auc", "holdout/baseline_roc_auc")
        },
        "strengths": charts.draw_strengths(_read_strengths(strengths)),
        "card": render_markdown(card),
    }


def _read_strengths(explanation: Mapping[str, Any]) -> list[tuple[str, float]]:
    strengths = [(name, float(value)) for name, value in explanation.items() if isinstance(value, int | float)]
    return sorted(strengths, key=lambda pair: -pair[1])[:_TOP_FEATURES]


def render_markdown(source: str) -> Markup:
    """Markdown as HTML, its headings two steps down; HTML in the source is shown, not obeyed."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(source)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
    # markdown-it escapes whatever it does not understand, and HTML is switched off.
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - the parser escapes HTML in what it renders


def list_tables(settings: Settings, case: UseCase) -> list[dict[str, Any]]:
    """Tables of the use case and of the platform: `layer`, `table`, `row_count`, `version`, `rejected_count` (rows in quarantine) and `meaning`."""
    found = read_tables(settings).to_dicts()
    rejected = {row["table"].removesuffix(REJECTED_SUFFIX): row["row_count"] for row in found if row["table"].endswith(REJECTED_SUFFIX)}
    listed = []
    for row in found:
        table = row["table"]
        if table.endswith(REJECTED_SUFFIX) or not (table.startswith("metrics.") or table.partition(".")[2].startswith(f"{case.name}_")):
            continue
        contract = find_contract(table)
        listed.append({**row, "rejected_count": rejected.get(table), "meaning": contract.description if contract else ""})
    return listed


def _find_history_start(settings: Settings, case: UseCase) -> datetime | None:
    first = tables.read(settings, case.table("gold", "features")).select(pl.col("prediction_at").min()).collect().item()
    return first.astimezone(UTC) if first else None


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"


def _percent(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{value:.{decimals}%}"


def _figure(value: float | None, decimals: int = 4) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
