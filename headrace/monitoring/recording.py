"""Monitoring as rows: gathers predictions, labels and features from the lake, has them measured, appends what came out."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.decisions import passed
from headrace.lake import runs, tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.contracts import load_contract
from headrace.lake.runs import Step
from headrace.models.candidate import DRIFT_REFERENCE, METRICS, read_candidate, read_json
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import split_columns
from headrace.monitoring import drift, performance, retraining
from headrace.monitoring.retraining import RetrainDecision, RetrainFacts
from headrace.monitoring.windows import Window, list_windows
from headrace.registry import candidates, history, scoring, versions
from headrace.registry.history import Reign
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count

PERFORMANCE, DRIFT, DECISIONS = "metrics.model_performance", "metrics.drift", "metrics.retrain_decisions"
INDEX_VERSIONS = "metrics.index_versions"

# Four whole weeks: every weekday counts the same, and a month of flights gives full samples.
DRIFT_WINDOW = timedelta(days=28)
YEAR = timedelta(days=364)


def append_performance(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the live metrics of every window whose last label was due since the last run and until `as_of` (UTC)."""
    predictions = tables.read(settings, case.table("inference", "predictions")).filter(pl.col("prediction_at") <= as_of).collect()
    if predictions.is_empty():
        return Step(decision=passed("performance", "nothing was predicted yet"), rows_read=0, rows_written=0)
    first = predictions["prediction_at"].min()
    last = runs.read_previous_end(settings, case.name, "monitor", before=as_of)
    windows = list_windows(first=_instant(first), after=last, until=as_of, length=case.policy.window, delay=case.label.matures_after)
    rows = _join_outcomes(settings, case, predictions, windows=windows, as_of=as_of)
    written = 0
    for window in windows:
        measured = performance.measure_window(_within(rows, window), kind=load_kind(case.kind), window=window, slices=case.policy.slices)
        written += _append_window(settings, case, PERFORMANCE, measured, window)
    return Step(decision=passed("performance", f"{format_count(len(windows), 'window')} measured"), rows_read=rows.height, rows_written=written)


def append_drift(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Append the drift of every four-week window that ended since the last run and until `as_of` (UTC), once there is a champion."""
    reigns = history.read_reigns(settings, case)
    if not reigns:
        return Step(decision=passed("drift", "there is no champion whose inputs could drift"), rows_read=0, rows_written=0)
    rows = tables.read(settings, case.table("gold", "features")).filter(pl.col("prediction_at") <= as_of).collect()
    windows = list_windows(
        first=reigns[0].since, after=runs.read_previous_end(settings, case.name, "monitor", before=as_of), until=as_of, length=DRIFT_WINDOW
    )
    read_count, written = 0, 0
    for window in windows:
        reign = _reign_during(reigns, window)
        current = _within(rows, window)
        if reign is None or current.is_empty():
            continue
        read_count += current.height
        written += _append_window(settings, case, DRIFT, _measure_drift(settings, case, rows, current, window=window, reign=reign), window)
    return Step(decision=passed("drift", f"{format_count(len(windows), 'window')} measured"), rows_read=read_count, rows_written=written)


def decide_retraining(settings: Settings, case: UseCase, *, as_of: datetime) -> RetrainDecision:
    """The policy's answer at `as_of` (UTC); it is given once, and read back afterwards."""
    batch_id = build_batch_id("retrain", case.name, format_instant(as_of))
    if tables.is_written(settings, DECISIONS, batch_id=batch_id):
        is_mine = (pl.col("use_case") == case.name) & (pl.col("as_of") == as_of)
        row = tables.read(settings, DECISIONS).filter(is_mine).collect().row(0, named=True)
        return RetrainDecision(
            should_retrain=row["should_retrain"], trigger=row["trigger"], reason=row["reason"], evidence=json.loads(row["evidence"])
        )
    decision = retraining.decide_retraining(_gather_facts(settings, case, as_of=as_of), case.policy)
    row = {
        "use_case": case.name,
        "as_of": as_of,
        "should_retrain": decision.should_retrain,
        "trigger": decision.trigger,
        "reason": decision.reason,
        "evidence": json.dumps(dict(decision.evidence), sort_keys=True),
    }
    tables.append(settings, DECISIONS, runs.build_row(DECISIONS, row), batch_id=batch_id)
    return decision


def _append_window(settings: Settings, case: UseCase, table: str, measured: pl.DataFrame, window: Window) -> int:
    """Append a window's rows once; the number of rows that the table has of it."""
    batch_id = build_batch_id("monitor", case.name, "--".join(map(format_instant, window)))
    if measured.is_empty():
        return 0
    rows = measured.with_columns(pl.lit(case.name).alias("use_case")).select(list(load_contract(table).schema))
    return tables.append(settings, table, rows, batch_id=batch_id).rows


def _join_outcomes(settings: Settings, case: UseCase, predictions: pl.DataFrame, *, windows: Sequence[Window], as_of: datetime) -> pl.DataFrame:
    """Predictions of the windows with slices, label and what the business rule said."""
    if not windows:
        return predictions.clear()
    due = _within(predictions, (windows[0][0], windows[-1][1]))
    key = list(case.features.key)
    features = (
        tables.read(settings, case.table("gold", "features")).select(*key, *dict.fromkeys([*case.policy.slices, *case.policy.baseline])).collect()
    )
    labels = scoring.build_labels(settings, case, known_by=as_of).select(*key, pl.col(case.label.name).alias(performance.LABEL), "label_known_at")
    joined = due.join(features, on=key, how="left").join(labels, on=key, how="left")
    # A label that came later than promised would count or not by when somebody looked, so it never does.
    in_time = pl.col("label_known_at") - pl.col("prediction_at") <= case.label.matures_after
    joined = joined.with_columns(pl.when(in_time).then(performance.LABEL).alias(performance.LABEL)).drop("label_known_at")
    parts = [
        part.with_columns(_predict_by_rule(settings, case, part))
        for part in joined.sort("model_version", "prediction_at", *key).partition_by("model_version", maintain_order=True)
    ]
    return pl.concat(parts) if parts else joined


def _predict_by_rule(settings: Settings, case: UseCase, part: pl.DataFrame) -> list[pl.Series]:
    """What the business rule that came with the version of these rows says about them."""
    version = versions.read(settings, case, number=part["model_version"][0])
    rule = candidates.load_rule(settings, case, versions.candidate_folder(settings, version))
    return split_columns(load_kind(case.kind), rule.predict(part), rule.outcomes, prefix=performance.RULE)


def _measure_drift(settings: Settings, case: UseCase, rows: pl.DataFrame, current: pl.DataFrame, *, window: Window, reign: Reign) -> pl.DataFrame:
    """Both views of one window. Predictions of the champion are compared like a feature, so that outputs are watched too."""
    folder = versions.candidate_folder(settings, versions.read(settings, case, number=reign.version))
    scorer = candidates.load_candidate(settings, case, folder, threads=settings.threads)
    season, season_name = _find_season(rows, window)
    references = {
        "training": (pl.read_parquet(folder / DRIFT_REFERENCE), f"training rows of version {reign.version}"),
        "season": (season, season_name),
    }
    start, end = (pl.lit(instant).cast(pl.Datetime("us", "UTC")) for instant in window)
    categorical = [name for name in case.features.names if name in case.features.categorical]
    numerical = [name for name in case.features.names if name not in categorical]

    def prepare(frame: pl.DataFrame) -> pl.DataFrame:
        key = [name for name in ("prediction_at", *case.features.key, *case.features.names) if name in frame.columns]
        sample = drift.sample_rows(frame, limit=case.policy.drift_sample_rows, seed=settings.seed, key=key)
        return sample.with_columns(scorer.kind.drift_values(scorer.predict(sample), scorer.outcomes).alias(drift.PREDICTION))

    sample = prepare(current)
    (categorical if sample.schema[drift.PREDICTION] == pl.String else numerical).append(drift.PREDICTION)
    parts = []
    for view, (reference, name) in references.items():
        measured = drift.measure_drift(
            sample, prepare(reference), numerical=numerical, categorical=categorical, threshold=case.policy.drift_threshold
        )
        parts.append(measured.with_columns(pl.lit(view).alias("view"), pl.lit(name).alias("reference")))
    return pl.concat(parts).with_columns(start.alias("window_start"), end.alias("window_end"))


def _find_season(rows: pl.DataFrame, window: Window) -> tuple[pl.DataFrame, str]:
    """Rows of the same weeks a year earlier; in a lake that is younger, of the four weeks before, which lie in nearly the same season."""
    year_ago = _within(rows, (window[0] - YEAR, window[1] - YEAR))
    if year_ago.height >= drift.MIN_VALUES:
        return year_ago, "the same weeks a year earlier"
    return _within(rows, (window[0] - DRIFT_WINDOW, window[0])), "the four weeks before"


def _gather_facts(settings: Settings, case: UseCase, *, as_of: datetime) -> RetrainFacts:
    reign = history.read_reign(settings, case, as_of=as_of)
    trainings = [run["as_of"] for run in runs.read_finished(settings, case.name, "train").iter_rows(named=True) if run["as_of"] < as_of]
    last = max(trainings, default=None)
    labels = scoring.build_labels(settings, case, known_by=as_of).filter(pl.col(case.label.name).is_not_null())
    new = labels if last is None else labels.filter(pl.col("label_known_at") > last)
    challenger = versions.read_alias(settings, case, alias=versions.CHALLENGER)
    champion_as_of, reference = None, None
    if reign is not None:
        folder = versions.candidate_folder(settings, versions.read(settings, case, number=reign.version))
        champion_as_of = read_candidate(folder).as_of
        reference = read_json(folder / METRICS).get(case.policy.performance_metric.replace("live/", "holdout/"))
    return RetrainFacts(
        as_of=as_of,
        champion_as_of=champion_as_of,
        trainings=sorted(trainings),
        new_label_count=new.height,
        reference_metric=reference,
        live_metrics=_read_live_metrics(settings, case, reign, as_of=as_of) if reign else [],
        drifted_fractions=_read_drifted_fractions(settings, case, reign, as_of=as_of) if reign else [],
        index_change=_find_index_change(settings, case, since=max([champion_as_of, *trainings]), as_of=as_of) if champion_as_of else None,
        pending_version=challenger.number if challenger else None,
    )


def _find_index_change(settings: Settings, case: UseCase, *, since: datetime, as_of: datetime) -> str | None:
    """How the newest index at `as_of` differs from the newest that was there at an instant before (UTC); None where it holds the same."""
    versions_of = tables.read(settings, INDEX_VERSIONS).filter((pl.col("use_case") == case.name) & (pl.col("as_of") <= as_of))
    known = versions_of.sort("as_of", "gold_version").collect().to_dicts()
    before = [version for version in known if version["as_of"] <= since]
    if not before or known[-1]["content_digest"] == before[-1]["content_digest"]:
        return None
    came, went = (sum(version[name] for version in known[len(before) :]) for name in ("added_count", "deleted_count"))
    return f"the documents changed: {format_count(came, 'chunk')} of them came to the index and {went} went since {since:%Y-%m-%d %H:%M}Z"


def _read_live_metrics(settings: Settings, case: UseCase, reign: Reign, *, as_of: datetime) -> list[float | None]:
    """The watched metric on every window that the champion served from begin to end, oldest first; None where there is no row, too."""
    is_mine = (pl.col("use_case") == case.name) & (pl.col("model_version") == reign.version) & (pl.col("slice_column") == performance.ALL)
    found = tables.read(settings, PERFORMANCE).filter(is_mine & (pl.col("metric") == case.policy.performance_metric)).collect()
    values = {(row["window_start"], row["window_end"]): row["value"] for row in found.iter_rows(named=True)}
    due = list_windows(first=reign.since, after=None, until=as_of, length=case.policy.window, delay=case.label.matures_after)
    return [values.get(window) for window in due if window[0] >= reign.since]


def _read_drifted_fractions(settings: Settings, case: UseCase, reign: Reign, *, as_of: datetime) -> list[float | None]:
    """Share of drifted features in every window of the champion's reign, in the view that the policy reads; None where nobody can tell."""
    is_mine = (pl.col("use_case") == case.name) & (pl.col("view") == case.policy.drift_view) & (pl.col("feature") != drift.PREDICTION)
    found = tables.read(settings, DRIFT).filter(is_mine).collect()
    due = list_windows(first=reign.since, after=reign.since, until=as_of, length=DRIFT_WINDOW)
    return [drift.measure_drifted_fraction(found.filter(pl.col("window_start") == start), bar=case.policy.max_drifted_fraction) for start, _ in due]


def _reign_during(reigns: Sequence[Reign], window: Window) -> Reign | None:
    """The champion in force at the end of a window."""
    earlier = [reign for reign in reigns if reign.since < window[1]]
    return earlier[-1] if earlier else None


def _within(rows: pl.DataFrame, window: Window) -> pl.DataFrame:
    return rows.filter(pl.col("prediction_at").is_between(window[0], window[1], closed="left"))


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
