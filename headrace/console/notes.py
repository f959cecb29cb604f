"""What an orchestrator's pages show beside a run: tables and Markdown, drawn from rows, with plots as pictures in the text."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
from markupsafe import Markup

from headrace.console import charts, service
from headrace.console.facts import spread_metrics
from headrace.console.svg import embed
from headrace.decisions import Decision
from headrace.inventory.markdown import escape, render_table
from headrace.lake import tables
from headrace.lake.runs import Step
from headrace.models.candidate import CARD, EXPLANATION, METRICS, read_json
from headrace.models.kinds import load_kind
from headrace.registry import history, versions
from headrace.settings import Settings
from headrace.use_case import UseCase

# Features of a model that a picture shows, strongest first; windows that a table shows, newest first.
_STRONGEST, _NEWEST = 10, 6

Table = list[dict[str, object]]


def build_quality(steps: Mapping[str, Step], *, reshaped: Collection[str] = ()) -> Table:
    """One row per feed: rows that came, were kept and were refused, the verdict, and why.

    Args:
        steps: Feed -> what became of it.
        reshaped: Feeds of which refining makes something else (documents become sections): rows kept and rows that came have no difference.
    """
    return [
        {
            "feed": feed,
            "verdict": "passed" if step.decision.passed else "BLOCKED",
            "rows read": step.rows_read,
            "rows kept": step.rows_written,
            "rows refused": step.rows_read - step.rows_written if step.decision.passed and feed not in reshaped else None,
            "why": step.decision.reason,
        }
        for feed, step in steps.items()
    ]


def build_comparison(settings: Settings, case: UseCase, version: versions.Version, judged: Decision) -> str:
    """A challenger's verdict, its loss beside its opponent's on the same rows, its own figures, and pictures of both."""
    folder, words = versions.candidate_folder(settings, version), load_kind(case.kind).words
    metrics = read_json(folder / METRICS)
    losses = _table(("on the same held-out rows", "value"), [(_spell(name), _figure(value)) for name, value in sorted(judged.evidence.items())])
    names = sorted({name.removeprefix("holdout/") for name in metrics if f"holdout/baseline_{name.removeprefix('holdout/')}" in metrics})
    is_fitted = load_kind(case.kind).is_fitted
    # A chain has no linear model beside it, and its rule is a search.
    beside = {"": "this version", "linear_": "linear", "baseline_": "business rule"} if is_fitted else {"": "this version", "baseline_": words.rule}
    own = [(_spell(name), *(_figure(metrics.get(f"holdout/{part}{name}")) for part in beside)) for name in names]
    return "\n".join(
        [
            f"# Version {version.number} of {version.name}: {'passed' if judged.passed else 'turned away'}",
            "",
            f"{judged.reason}.",
            "",
            *losses,
            "",
            *_picture(f"Gain of each challenger over its opponent ({words.loss_unit})", _draw_gains(settings, case)),
            *_table(("on its own holdout", *beside.values()), own),
            "",
            *_picture(f"What moves it: {words.strength} ({words.score_unit})", charts.draw_strengths(_read_strengths(folder), load_kind(case.kind))),
            *build_links(settings, version),
        ]
    )


def read_card(settings: Settings, version: versions.Version) -> str:
    """The model card of a version, Markdown; a sentence where it has none."""
    path = versions.candidate_folder(settings, version) / CARD
    return path.read_text(encoding="utf-8") if path.is_file() else f"Version {version.number} has no model card."


def build_drift(settings: Settings, case: UseCase) -> str:
    """Features of the newest window, the most changed first, and every window as a picture; empty where nothing was measured."""
    drift = tables.read(settings, "metrics.drift").filter(pl.col("use_case") == case.name).sort("window_start", "view", "feature").collect()
    if drift.is_empty():
        return ""
    newest = drift.filter(pl.col("window_start") == pl.col("window_start").max()).sort("value", descending=True, nulls_last=True)
    marks = {True: "drifted", False: "calm", None: "unknown"}
    rows = [
        (row["feature"], row["view"], _figure(row["value"]), marks[row["is_drifted"]], row["reason"] or row["reference"])
        for row in newest.iter_rows(named=True)
    ]
    return "\n".join(
        [
            f"# Drift of {case.name}, window {_window(newest)}",
            "",
            f"{newest['is_drifted'].sum()} of {newest.height} comparisons reach the threshold of {case.policy.drift_threshold:g} (PSI).",
            "",
            *_picture("All windows", charts.draw_drift(drift, case)),
            *_table(("feature", "unlike the", "PSI", "verdict", "compared with"), rows),
        ]
    )


def build_performance(settings: Settings, case: UseCase) -> str:
    """The champion against the business rule in the newest windows; empty where no window was judged."""
    rows = tables.read(settings, "metrics.model_performance").filter(pl.col("use_case") == case.name).sort("window_start", "model_version").collect()
    windows = spread_metrics(rows, case=case).reverse().head(_NEWEST)
    if windows.is_empty():
        return ""
    kind = load_kind(case.kind)
    figures = (kind.watched[0], f"baseline_{kind.watched[0]}", kind.watched[1], *kind.described)
    lines = [
        (_window(row), str(row["model_version"]), f"{row['row_count']:,}", *(_figure(row[f"live/{name}"]) for name in figures))
        for row in windows.iter_rows(named=True)
    ]
    header = ("window", "version", "labelled rows", kind.words.loss, f"rule's {kind.words.loss}", kind.words.ranking, "happened", "expected")
    return "\n".join([f"# Live performance of {case.name}, newest window first", "", *_table(header, lines)])


def build_service(settings: Settings, case: UseCase) -> str:
    """How the newest window that was served did against the policy's bars, and the newest alerts; empty where nothing was served."""
    live, alerts = (tables.read(settings, table).filter(pl.col("use_case") == case.name).collect() for table in (service.LIVE, service.ALERTS))
    if live.is_empty() and alerts.is_empty():
        return ""
    figures = service.list_figures(live)
    lines = [(row["name"], row["value"], row["interval"], row["count"], row["bar"], row["verdict"], row["reason"]) for row in figures["rows"]]
    raised = [(f"{row['at']:%Y-%m-%d}", row["figure"], row["reason"]) for row in service.list_alerts(alerts)]
    return "\n".join(
        [
            f"# How {case.name} served{', ' + figures['window'] if figures['window'] else ''}",
            "",
            *_table(("figure", "value", "95 % interval", "of", "bar", "verdict", "why"), lines),
            "",
            "## Alerts, newest first",
            "",
            *(_table(("window", "figure", "what happened"), raised) if raised else ["None."]),
        ]
    )


def build_links(settings: Settings, version: versions.Version) -> list[str]:
    """Where else a version can be looked at."""
    page = f"/#/models/{version.name}/versions/{version.number}"
    is_served = settings.registry_uri.startswith("http")
    registry = settings.registry_uri if is_served else "http://127.0.0.1:5001"
    note = "" if is_served else f" (after `make ui-mlflow ENV={settings.environment}`)"
    return [
        f"[Version {version.number} in MLflow]({registry}{page}){note}",
        f"[Model server](http://{settings.serving_host}:{settings.serving_port}/docs), where it runs",
    ]


def _read_strengths(folder: Path) -> list[tuple[str, float]]:
    found = [(name, float(value)) for name, value in read_json(folder / EXPLANATION).items() if value is not None]
    return sorted(found, key=lambda pair: -pair[1])[:_STRONGEST]


def _draw_gains(settings: Settings, case: UseCase) -> Markup | None:
    comparisons = tables.read(settings, "metrics.model_comparisons").filter(pl.col("use_case") == case.name).sort("as_of", "challenger_version")
    return charts.draw_gains(comparisons.collect(), history.read_promotions(settings, case), least=case.policy.min_gain)


def _picture(caption: str, svg: Markup | None) -> list[str]:
    return [] if svg is None else [f"**{caption}**", "", f"![{caption}]({embed(svg)})", ""]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return render_table(header, [[escape(str(cell)) for cell in row] for row in rows]).splitlines()


def _window(row: Mapping[str, object] | pl.DataFrame) -> str:
    start, end = (row["window_start"][0], row["window_end"][0]) if isinstance(row, pl.DataFrame) else (row["window_start"], row["window_end"])
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}" if isinstance(start, datetime) and isinstance(end, datetime) else "?"


def _spell(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: object) -> str:
    return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)
