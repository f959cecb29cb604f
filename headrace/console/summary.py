"""The story in fifteen lines, for the terminal."""

import polars as pl

from headrace.console import service
from headrace.console.facts import PREDICTION_FEATURE, Facts, read_facts
from headrace.console.figures import ALL_MONTHS, format_figure, measure_months, read_outcomes
from headrace.console.pages import name_place, story_path
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Kind
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count

_LABEL_WIDTH = 14


def summarize(settings: Settings, case: UseCase) -> str:
    """Who is champion, how good it was, what was trained and turned away, where the time went and what to do next."""
    facts = read_facts(settings, case)
    lines = {
        "champion": _describe_champion(facts),
        **_describe_figures(settings, case, facts),
        "trainings": _describe_trainings(facts),
        "turned away": _describe_rejections(facts),
        "data": _describe_data(facts),
        "drift": f"{_describe_drift(facts)}{_describe_alerts(facts)}",
        "time": _describe_time(facts),
        "the page": str(story_path(settings, case)),
        "next": ", ".join(_list_next(settings, case, is_served=facts.champion is not None)),
    }
    if case.has_made_up_days:
        lines = {"days": "made up, the table has no time: a rehearsal, not a history", **lines}
    as_of = f", as of {facts.as_of:%Y-%m-%d}" if facts.as_of else ""
    title = [f"headrace: {case.name} in {settings.seen}{as_of}", case.title, ""]
    return "\n".join(title + [f"  {label:<{_LABEL_WIDTH}}{text}" for label, text in lines.items()])


def _list_next(settings: Settings, case: UseCase, *, is_served: bool) -> list[str]:
    if settings.looks_at:
        return [f"make {verb} {name_place(settings, case)}" for verb in ("runs", "page")]
    first = f"serve USE_CASE={case.name}" if is_served else f"page USE_CASE={case.name}"
    return [f"make {verb} ENV={settings.environment}" for verb in (first, "ui-mlflow", "reset")]


def _describe_champion(facts: Facts) -> str:
    if facts.champion is None:
        return f"none yet: {facts.why_nobody}"
    others = len({reign.version for reign in facts.reigns}) - 1
    before = f", after {others} other{'s' if others > 1 else ''}" if others else ", the first"
    return f"version {facts.champion.version} since {facts.champion.since:%Y-%m-%d}{before}"


def _describe_figures(settings: Settings, case: UseCase, facts: Facts) -> dict[str, str]:
    kind = load_kind(case.kind)
    outcomes = read_outcomes(settings, case, as_of=facts.as_of)
    months = measure_months(outcomes.rows, kind)
    if months.is_empty():
        return {"served": "nothing yet: " + ("no prediction has met its label" if facts.champion else "there is no champion")}
    total = months.row(-1, named=True)
    month_count = months.filter(months["month"] != ALL_MONTHS).height
    return {
        "served": f"{format_count(month_count, 'month')}, {format_count(total['row_count'], 'prediction')} judged by their labels",
        kind.words.loss: _compare(total["loss"], total["rule_loss"], kind) + ", less is better",
        kind.words.ranking: _compare(total["ranking"], total["rule_ranking"], kind) + ", more is better",
    }


def _compare(champion: float | None, rule: float | None, kind: Kind) -> str:
    """The champion's figure, and that of the business rule where the kind has one: nobody asks a plain search of each served question."""
    own, other = ("not computable" if value is None else format_figure(value) for value in (champion, rule))
    return f"{own}, the business rule {other}" if kind.is_fitted else own


def _describe_trainings(facts: Facts) -> str:
    kinds = ", ".join(f"{trigger} {count}" for trigger, count in facts.triggers.items())
    return f"{facts.trainings.height} ({kinds})" if kinds else "none yet"


def _describe_rejections(facts: Facts) -> str:
    if facts.rejections.is_empty():
        return "no challenger"
    listed = ", ".join(f"version {row['model_version']} on {row['as_of']:%Y-%m-%d}" for row in facts.rejections.iter_rows(named=True))
    return f"{facts.rejections.height} ({listed})"


def _describe_data(facts: Facts) -> str:
    if facts.quarantine.is_empty():
        return "none judged yet"
    blocked = int(facts.quarantine["blocked_count"].sum())
    stopped = f", {format_count(blocked, 'batch')} stopped" if blocked else ""
    return f"{format_count(facts.judged_count, 'row')} judged, {facts.rejected_count:,} in quarantine{stopped}"


def _describe_drift(facts: Facts) -> str:
    if facts.drift.is_empty():
        return "not measured yet"
    end = facts.drift["window_end"].max()
    newest = facts.drift.filter(pl.col("window_end") == end).filter(pl.col("feature") != PREDICTION_FEATURE).drop_nulls("is_drifted")
    words = {"season": "the season", "training": "the training rows"}
    shares = newest.group_by("view").agg(pl.col("is_drifted").sum().alias("drifted_count"), pl.len().alias("row_count")).sort("view")
    listed = ", ".join(f"{drifted} of {format_count(count, 'feature')} unlike {words[view]}" for view, drifted, count in shares.rows())
    return f"{listed or 'no feature had enough values to compare'} in the four weeks to {end:%Y-%m-%d}"


def _describe_alerts(facts: Facts) -> str:
    """How many alerts there were, and the newest; nothing where nothing was watched."""
    if facts.alerts.is_empty():
        return "" if facts.live.is_empty() else "; what was served raised no alert"
    newest = service.list_alerts(facts.alerts)[0]
    return f"; {format_count(facts.alerts.height, 'alert')}, the newest about {newest['figure']} until {newest['at']:%Y-%m-%d}"


def _describe_time(facts: Facts) -> str:
    if facts.runs.is_empty():
        return "nothing ran yet"
    totals = facts.runs.group_by("flow").agg(pl.col("own_s").sum()).sort("own_s", descending=True)
    listed = ", ".join(f"{flow} {seconds:.0f} s" for flow, seconds in totals.head(4).rows())
    return f"{totals['own_s'].sum():.0f} s in {format_count(facts.runs.height, 'stage run')}: {listed}"
