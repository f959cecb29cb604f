"""What the plots of the story show: rows turned into lines, marks and squares."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from markupsafe import Markup

from headrace.console import plots
from headrace.console.facts import PREDICTION_FEATURE, Facts
from headrace.console.plots import Bar, Gain, HeatView, Mark, Panel, Reliability, Series, Span
from headrace.console.svg import floor_month
from headrace.models.evaluation import CALIBRATION_BINS
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Kind
from headrace.monitoring.performance import LABEL, RULE
from headrace.use_case import UseCase


def draw_all(facts: Facts, case: UseCase, *, outcomes: pl.DataFrame, history_start: datetime | None) -> dict[str, Markup | None]:
    """Every plot by name, None where there is nothing to draw yet.

    Args:
        facts: Rows of the use case.
        case: The use case.
        outcomes: Predictions that have met their labels.
        history_start: Instant (UTC) of the first feature row.
    """
    kind = load_kind(case.kind)
    return {
        "timeline": draw_timeline(facts, history_start=history_start),
        "windows": draw_windows(facts, kind),
        "drift": draw_drift(facts.drift, case),
        "gains": draw_gains(facts.comparisons, facts.promotions, least=case.policy.min_gain),
        "reliability": draw_reliability(outcomes, kind),
        "times": draw_times(facts),
    }


def draw_timeline(facts: Facts, *, history_start: datetime | None) -> Markup | None:
    """Reigns, trainings, verdicts and, where there were any, stops."""
    if facts.as_of is None or not facts.reigns:
        return None
    first = facts.reigns[0].since
    start = floor_month(history_start) if history_start and history_start < first else first - timedelta(days=1)
    # The present champion's bar goes on a little, so that one which was promoted just now is seen too.
    last = facts.as_of + (facts.as_of - start) * 0.04
    ends = [*(reign.since for reign in facts.reigns[1:]), last]
    history = Span(start=start, end=first, name="history to learn from", hint=f"rows from {start:%d %b %Y} on; nothing was predicted yet")
    reigns = [
        Span(start=reign.since, end=end, name=f"v{reign.version}", hint=f"version {reign.version} since {reign.since:%d %b %Y}")
        for reign, end in zip(facts.reigns, ends, strict=True)
    ]
    kinds = {"promote": "good", "reject": "bad", "rollback": "warn"}
    verdicts = [
        Mark(
            at=row["as_of"],
            name=f"v{row['model_version']}",
            kind=kinds[row["action"]],
            hint=f"{row['action']} version {row['model_version']}: {row['reason']}",
        )
        for row in facts.promotions.iter_rows(named=True)
    ]
    trainings = [Mark(at=row["as_of"], name=row["trigger"], kind="neutral", hint=row["reason"]) for row in facts.trainings.iter_rows(named=True)]
    lanes = {"trainings": trainings, "verdicts": verdicts}
    if not facts.stops.is_empty():
        lanes["stops"] = [Mark(at=row["as_of"], name=row["flow"], kind="bad", hint=row["reason"]) for row in facts.stops.iter_rows(named=True)]
    return plots.draw_timeline(history=history, reigns=reigns, lanes=lanes)


def draw_windows(facts: Facts, kind: Kind) -> Markup | None:
    """What the kind watches, loss and ranking, and what was expected against what happened, in every window that was judged."""
    windowly = _merge_versions(facts.performance)
    if windowly.is_empty() or facts.as_of is None:
        return None
    windows = [start.astimezone(UTC) + (end - start) / 2 for start, end in windowly.select("window_start", "window_end").iter_rows()]

    def series(name: str, kind: str, metric: str) -> Series:
        return Series(name=name, kind=kind, values=windowly[f"live/{metric}"].to_list())

    def both(metric: str) -> list[Series]:
        return [series("champion", "champion", metric), series("business rule", "rule", f"baseline_{metric}")]

    words, (loss, ranking), (happened, expected) = kind.words, kind.watched, kind.described
    panels = [
        Panel(name=f"{_capitalize(words.loss)} ({words.loss_unit}): less is better", series=both(loss), shaded=True),
        Panel(name=f"{_capitalize(words.ranking)}: more is better", series=both(ranking)),
        Panel(
            name=f"{_capitalize(words.described)}: what happened, and what was expected",
            series=[series("happened", "observed", happened), series("expected", "champion", expected)],
            percent=words.is_share,
        ),
    ]
    return plots.draw_windows(
        first=windowly["window_start"][0].astimezone(UTC),
        last=facts.as_of,
        windows=windows,
        panels=panels,
        changes={reign.since: f"v{reign.version}" for reign in facts.reigns},
    )


def _merge_versions(performance: pl.DataFrame) -> pl.DataFrame:
    """One row per window: where two versions shared it, the mean of their figures by rows."""
    figures = [name for name in performance.columns if name.startswith("live/")]
    weights = pl.col("row_count").cast(pl.Float64)

    def mean(name: str) -> pl.Expr:
        known = pl.col(name).is_not_null()
        return ((pl.col(name) * weights).filter(known).sum() / weights.filter(known).sum()).fill_nan(None).alias(name)

    return performance.group_by("window_start", "window_end").agg(*(mean(name) for name in figures)).sort("window_start")


def draw_drift(drift: pl.DataFrame, case: UseCase) -> Markup | None:
    """Both views side by side, the prediction first, then the features in their own order."""
    if drift.is_empty():
        return None
    found = set(drift["feature"])
    features = [name for name in (PREDICTION_FEATURE, *case.features.names) if name in found]
    views = [_build_view(drift.filter(pl.col("view") == view), view) for view in ("season", "training") if view in set(drift["view"])]
    return plots.draw_heat_map(features, views, threshold=case.policy.drift_threshold)


def _build_view(rows: pl.DataFrame, view: str) -> HeatView:
    references = rows["reference"].unique(maintain_order=True).to_list()
    name = "unlike the training rows" if view == "training" else f"unlike {references[0]}" if len(references) == 1 else "unlike the season"
    values, hints = {}, {}
    for row in rows.iter_rows(named=True):
        cell = (row["feature"], row["window_start"].astimezone(UTC))
        values[cell] = row["value"]
        hints[cell] = row["reason"] if row["value"] is None else f"PSI {row['value']:.3f} against {row['reference']}"
    return HeatView(name=name, windows=sorted({window for _, window in values}), values=values, hints=hints)


def draw_gains(comparisons: pl.DataFrame, promotions: pl.DataFrame, *, least: float) -> Markup | None:
    """Every challenger against its opponent, with what became of it and the gain that it needed at `least`."""
    verdicts = {row["model_version"]: row["action"] for row in promotions.filter(pl.col("action") != "rollback").iter_rows(named=True)}
    words = {"promote": "promoted", "reject": "turned away", None: "not decided"}
    gains = []
    for row in comparisons.iter_rows(named=True):
        opponent = "the rule" if row["opponent_version"] is None else f"v{row['opponent_version']}"
        action = verdicts.get(row["challenger_version"])
        name, verdict = f"v{row['challenger_version']} against {opponent}", f"{words[action]}, {row['as_of'].day} {row['as_of']:%b}"
        gains.append(
            Gain(
                name=name,
                gain=row["gain"],
                lower_bound=row["gain_lower_bound"],
                is_promoted=None if action is None else action == "promote",
                verdict=verdict,
            )
        )
    return plots.draw_gains(gains, least=least) if gains else None


def draw_reliability(outcomes: pl.DataFrame, kind: Kind) -> Markup | None:
    """All served predictions in ten bins of equal count, and what the business rule would have said."""
    if outcomes.is_empty():
        return None
    curves = [_bin(outcomes, kind, name="champion in force", role="champion")]
    if outcomes[f"{RULE}{next(iter(kind.columns))}"].null_count() == 0:
        curves.append(_bin(outcomes, kind, name="business rule", role="rule", prefix=RULE))
    return plots.draw_reliability(curves, said=kind.words.said, came=kind.words.came, percent=kind.words.is_share)


def _bin(outcomes: pl.DataFrame, kind: Kind, *, name: str, role: str, prefix: str = "") -> Reliability:
    said, came = kind.compare(outcomes[LABEL], *kind.from_columns(outcomes, prefix=prefix))
    edges = np.quantile(said, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1])
    pairs = pl.DataFrame({"bin": np.searchsorted(edges, said, side="right"), "predicted": said, "observed": came})
    bins = pairs.group_by("bin").agg(pl.col("predicted", "observed").mean()).sort("bin")
    return Reliability(name=name, kind=role, predicted=bins["predicted"].to_list(), observed=bins["observed"].to_list())


def draw_times(facts: Facts) -> Markup | None:
    """Seconds of each stage, those of a stage inside another not counted twice."""
    if facts.runs.is_empty():
        return None
    totals = facts.runs.group_by("flow").agg(pl.col("own_s").sum(), pl.len().alias("runs")).sort("own_s", "flow", descending=[True, False])
    bars = [Bar(name=flow, value=seconds, words=f"{seconds:.1f} s in {runs} run{'s' if runs > 1 else ''}") for flow, seconds, runs in totals.rows()]
    return plots.draw_bars(bars, label="Seconds of each stage.")


def draw_strengths(strengths: Sequence[tuple[str, float]], kind: Kind) -> Markup | None:
    """How much each part of the champion counts: a model's features, a chain's legs of retrieval."""
    bars = [Bar(name=name, value=value, words=f"{value:.3f}") for name, value in strengths]
    return plots.draw_bars(bars, label=f"{_capitalize(kind.words.strength)}.", left=240, width=480) if bars else None


def _capitalize(text: str) -> str:
    """Its first letter only: `ROC AUC` stays."""
    return f"{text[0].upper()}{text[1:]}"
