"""The page about runs: what waits for a person, every version with its figures and card, the latest runs with what they logged.

Drawn from rows only, so that dev may look at prod with nothing of prod's but the right to read its tables.
"""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import polars as pl

from headrace.console.pages import build_templates, name_place, render_markdown, runs_path, write_page
from headrace.lake import runs, tables
from headrace.models.kinds import load_kind
from headrace.registry import approvals, history, version_rows
from headrace.registry.evidence import SHOWN_DIGITS
from headrace.settings import Settings
from headrace.use_case import UseCase

# Newest runs on the page; `metrics.pipeline_runs` has them all.
MAX_RUNS = 100


def write_runs_page(settings: Settings, case: UseCase) -> Path:
    """Write the page and return where it lies."""
    return write_page(runs_path(settings, case), render_runs_page(settings, case))


def render_runs_page(settings: Settings, case: UseCase) -> str:
    """The page as HTML, complete in itself."""
    versions, ended = list_versions(settings, case), list_runs(settings, case)
    context: dict[str, Any] = {
        "settings": settings,
        "case": case,
        "kind": load_kind(case.kind),
        "place": name_place(settings, case),
        "versions": versions,
        "waiting": [version for version in versions if version["state"] == "waits"],
        "digits": SHOWN_DIGITS,
        "champion": next((version for version in versions if version["state"] == "champion"), None),
        "runs": ended,
        "run_count": _count_runs(settings, case),
        "newest": ended[0] if ended else None,
        "blocked": [run for run in ended if run["status"] == "blocked"],
    }
    return build_templates().get_template("runs.html.j2").render(context)


def list_versions(settings: Settings, case: UseCase) -> list[dict[str, Any]]:
    """Every registered version, newest first: its row with JSON read, `why` and last `request` and `answer`.

    Its `state` is champion, previous, waits or archived.
    """
    rows = version_rows.read_versions(settings, case)
    decided = {row["model_version"]: row for row in history.read_promotions(settings, case).iter_rows(named=True)}
    reigns = history.read_reigns(settings, case)
    champion, previous = reigns[-1].version if reigns else None, history.find_predecessor(reigns)
    requests = _read_newest(settings, case, approvals.REQUESTS, order="requested_at")
    answers = _read_newest(settings, case, approvals.APPROVALS, order="approved_at")
    listed = []
    for row in rows.sort("model_version", descending=True).iter_rows(named=True):
        number = row["model_version"]
        verdict = decided.get(number)
        state = "champion" if number == champion else "previous" if number == previous else "archived" if verdict else "waits"
        listed.append(
            row
            | {name: json.loads(row[name]) for name in ("tables", "parameters", "metrics")}
            | {"as_of": row["as_of"].astimezone(UTC), "state": state, "card": render_markdown(row["card"])}
            | {"why": verdict["reason"] if verdict else "no verdict yet"}
            | {"request": requests.get(row["model_id"]), "answer": answers.get(row["model_id"])}
        )
    # Only the newest version can still be promoted: the one registered after it took its place as challenger.
    for older in [version for version in listed if version["state"] == "waits"][1:]:
        older |= {"state": "archived", "why": "replaced by a newer version before it was judged"}
    return listed


def _read_newest(settings: Settings, case: UseCase, table: str, *, order: str) -> dict[str, dict[str, Any]]:
    """Model id -> the newest row of a table about it."""
    rows = tables.read(settings, table).filter(pl.col("use_case") == case.name).sort(order).collect()
    return {row["model_id"]: row for row in rows.iter_rows(named=True)}


def list_runs(settings: Settings, case: UseCase) -> list[dict[str, Any]]:
    """The latest runs that ended, newest first: their rows, and their `lines`."""
    ended = _read_runs(settings, case).sort("finished_at", descending=True).head(MAX_RUNS).collect()
    instants = ("as_of", "finished_at")
    return [
        row | {name: row[name].astimezone(UTC) for name in instants} | {"lines": json.loads(row["log_lines"] or "[]")}
        for row in ended.iter_rows(named=True)
    ]


def _count_runs(settings: Settings, case: UseCase) -> int:
    return int(_read_runs(settings, case).select(pl.len()).collect().item())


def _read_runs(settings: Settings, case: UseCase) -> pl.LazyFrame:
    return tables.read(settings, runs.TABLE).filter(pl.col("use_case") == case.name)
