"""A short year in a lake: small tables that real contracts guard, and a champion's files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from headrace import use_case as use_cases
from headrace.lake import tables
from headrace.lake.contracts import load_contract
from headrace.lake.runs import build_rows
from headrace.models.baseline import fit_baseline
from headrace.models.candidate import BASELINE, CARD, EXPLANATION, METRICS, Candidate, write_candidate, write_json
from headrace.models.kinds import load_kind
from headrace.registry import version_rows
from headrace.settings import Settings

CASE = use_cases.load("flight_delay")
UTC_MICROSECONDS = pl.Datetime("us", "UTC")
TEXTS = {"reason": "because", "evidence": "{}", "model_id": "abc", "approver": "automatic"}


def at(month: int, day: int = 1, hour: int = 0) -> datetime:
    return datetime(2013, month, day, hour, tzinfo=UTC)


def append(settings: Settings, table: str, rows: list[dict[str, object]]) -> None:
    known = load_contract(table).schema
    filled = [{**{name: text for name, text in TEXTS.items() if name in known}, "use_case": CASE.name, **row} for row in rows]
    tables.append(settings, table, build_rows(table, filled), batch_id=f"test/{CASE.name}/{table}/1")


def write_decisions(settings: Settings) -> None:
    """Version 1 in April, a challenger that is turned away in May for a reason with markup in it, version 3 in July."""
    decided = [(4, "promote", 1, None), (5, "reject", 2, 1), (7, "promote", 3, 1)]
    append(
        settings,
        "metrics.promotions",
        [
            {
                "as_of": at(month),
                "sequence": number,
                "action": action,
                "model_version": version,
                "previous_version": previous,
                "passed": action == "promote",
            }
            | ({"reason": "gain below <script>alert(1)</script>"} if action == "reject" else {})
            for number, (month, action, version, previous) in enumerate(decided, start=1)
        ],
    )
    compared = [(4, 1, None, 0.03, 0.02), (5, 2, 1, -0.001, -0.004), (7, 3, 1, 0.02, 0.01)]
    append(
        settings,
        "metrics.model_comparisons",
        [
            {"as_of": at(month), "challenger_version": version, "opponent": "champion" if opponent else "baseline", "opponent_version": opponent}
            | {"passed": bound > 0, "gain": gain, "gain_lower_bound": bound, "row_count": 100}
            for month, version, opponent, gain, bound in compared
        ],
    )
    triggers = {4: "first", 5: "performance", 6: "none", 7: "schedule"}
    asked = [{"as_of": at(month), "should_retrain": trigger != "none", "trigger": trigger} for month, trigger in triggers.items()]
    append(settings, "metrics.retrain_decisions", asked)


def write_runs(settings: Settings) -> None:
    """At each training tick `train` takes 8 of the 10 seconds of `retrain`."""
    rows = []
    for month in (4, 5, 7):
        for flow, begin, seconds in (("refine", 0, 5.0), ("retrain", 10, 10.0), ("train", 11, 8.0)):
            started = at(12, 1) + timedelta(hours=month, seconds=begin)
            times = {"started_at": started, "finished_at": started + timedelta(seconds=seconds), "duration_s": seconds}
            rows.append(
                {
                    "flow": flow,
                    "slice_name": f"{month}",
                    "as_of": at(month),
                    "status": "passed",
                    "rows_read": 1,
                    "rows_written": 1,
                    "prefect_run_id": "",
                }
                | times
            )
    append(settings, "metrics.pipeline_runs", rows)


def write_measures(settings: Settings) -> None:
    """Six windows of figures from April on, one window of drift in both views, and the judgement of one weather batch, done twice."""
    length = CASE.policy.window
    values = {
        "live/log_loss": 0.5,
        "live/baseline_log_loss": 0.55,
        "live/roc_auc": 0.7,
        "live/label_rate_fraction": 0.2,
        "live/prediction_mean_fraction": 0.25,
    }
    everything = {"slice_column": "all", "slice_value": "all", "model_version": 1, "row_count": 100}
    starts = [at(4) + number * length for number in range(6)]
    measured = [
        {"window_start": start, "window_end": start + length, "metric": m, "value": v} | everything for start in starts for m, v in values.items()
    ]
    append(settings, "metrics.model_performance", measured)
    window = {"window_start": at(4), "window_end": at(4, 29), "metric": "psi", "threshold": 0.25, "current_count": 100, "reference_count": 100}
    distances = {"prediction": (0.02, False), "carrier": (0.4, True), "plane_age_years": (None, None)}
    append(
        settings,
        "metrics.drift",
        [
            {"view": view, "reference": reference, "feature": feature, "value": value, "is_drifted": is_drifted, **window}
            for view, reference in (("season", "the four weeks before"), ("training", "training rows of version 1"))
            for feature, (value, is_drifted) in distances.items()
        ],
    )
    batch = {"table_name": "silver.flight_delay_weather", "contract_version": 1, "severity": "critical", "rows_read": 1000}
    broken = {"expectation": "wind_speed_in_range", "level": "row", "is_passed": False, "reason": "7 of 1000 rows break it: Wind below 250 km/h."}
    verdict = {"expectation": "batch_verdict", "level": "batch", "is_passed": True}
    append(
        settings,
        "metrics.data_quality",
        [
            {"batch_id": f"refine/flight_delay/weather-2013-04-01T00:00:00Z/{revision}", "rows_failed": rows, **batch, **judged}
            for revision, rows in ((1, 900), (2, 7))
            for judged in (broken, verdict)
        ],
    )


def write_outcomes(settings: Settings) -> None:
    """Forty flights over April and May, every fourth late; the last of them too new to be judged by 1 July."""
    instants = [at(4) + timedelta(days=1.5 * number) for number in range(39)] + [at(6, 30)]
    key = [f"2013-01-01/UA/{number}/EWR" for number in range(40)]
    late = [number % 4 == 0 for number in range(40)]
    predicted = {"flight_id": key, "prediction_at": instants, "features_version": 1, "model_version": 1, "model_id": "abc", "feature_hash": "f"}
    predictions = pl.DataFrame(predicted | {"probability_fraction": [0.6 if is_late else 0.2 for is_late in late], "_as_of": at(7)})
    outcomes = pl.DataFrame(
        {
            "flight_id": key,
            "scheduled_departure_at": [instant + timedelta(hours=2) for instant in instants],
            "arrival_delay_minutes": [30 if is_late else 0 for is_late in late],
            "known_at": [instant + timedelta(hours=6) for instant in instants],
        }
    )
    features = pl.DataFrame(
        {"flight_id": key, "prediction_at": instants, "carrier": "UA", "departure_minute_of_day": [60.0 * (number % 8) for number in range(40)]}
    )
    for table, frame in (
        ("inference.flight_delay_predictions", predictions),
        ("silver.flight_delay_flight_outcomes", outcomes),
        ("gold.flight_delay_features", features),
    ):
        schema = load_contract(table).schema
        whole = frame.with_columns(pl.lit(None).alias(name) for name in schema if name not in frame.columns).select(
            pl.col(n).cast(t) for n, t in schema.items()
        )
        tables.append(settings, table, whole, batch_id=f"test/{CASE.name}/{table}/1")


def write_champion(folder: Path) -> Path:
    """A version's files, with a business rule that says 0.25 for everybody and a card with markup that is not Markdown."""
    rows = pl.DataFrame({"carrier": ["UA"] * 4, "departure_minute_of_day": [0.0] * 4, "label": [1.0, 0.0, 0.0, 0.0]})
    write_json(folder / BASELINE, fit_baseline(rows, kind=load_kind("binary"), label="label", outcomes=(), columns=CASE.policy.baseline).as_json())
    write_json(
        folder / METRICS, {"holdout/log_loss": 0.5, "holdout/baseline_log_loss": 0.55, "holdout/roc_auc": 0.7, "holdout/baseline_roc_auc": 0.6}
    )
    write_json(folder / EXPLANATION, {"carrier": 0.2, "departure_minute_of_day": 0.1})
    (folder / CARD).write_text("# Model card\n\n| slice | rows |\n| --- | --- |\n| EWR | 10 |\n\n<img src=x onerror=alert(1)>\n", encoding="utf-8")
    names = ("as_of", "train_start", "train_end", "validation_start", "validation_end", "holdout_start", "holdout_end")
    candidate = Candidate(
        use_case=CASE.name,
        kind="binary",
        outcomes=(),
        label=CASE.label.name,
        features_version=1,
        features=("carrier",),
        categories={"carrier": ("UA",)},
        learns_change=False,
        calibration={},
        params={},
        best_round=12,
        seed=0,
        provenance={},
        **dict.fromkeys(names, at(3)),
    )
    write_candidate(folder, candidate)
    return folder


def write_versions(settings: Settings, folder: Path) -> None:
    """The row of each of the three versions, and of a fourth that waits; all have the same files."""
    write_champion(folder)
    for number in range(1, 5):
        version_rows.record_version(
            settings, CASE, folder, number=number, model_id=f"model{number}", commit="0" * 40, read_from={"gold.flight_delay_features": 3}
        )
