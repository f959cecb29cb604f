"""What each table of a generated use case promises: bronze, silver, features, predictions, requests."""

from collections.abc import Mapping
from typing import Any

from headrace.scaffold.contracts import UNKNOWN_UNIT, Promise, describe_columns, guess_unit, plain
from headrace.scaffold.placing import PLACED_AT
from headrace.scaffold.plan import Plan
from headrace.scaffold.roles import Feature

Columns = Mapping[str, Mapping[str, Any]]

_INSTANT = {"type": "timestamp", "nullable": False, "unit": "UTC"}
_TEXT = {"type": "string", "nullable": False}

_KNOWN_AT = {**_INSTANT, "description": "Instant at which the row became known."}
_AS_OF = {**_INSTANT, "description": "End of the slice in which the row was written; where the next slice begins."}
_REFRESHED_AT = {**_INSTANT, "description": "Instant of the refresh grid as of which the features hold."}
_PREDICTION_AT = {**_INSTANT, "description": "Instant of the prediction."}
_VERSION = {"type": "int64", "nullable": False, "range": [1, None], "description": "Version of the feature set."}
_HASH = {**_TEXT, "description": "Fingerprint of the feature values; equal online and offline where both saw the same."}
_MODEL: Columns = {
    "model_version": {"type": "int64", "nullable": False, "range": [1, None], "description": "Registered version that scored."},
    "model_id": {**_TEXT, "description": "Hash of what the version was built from."},
}

_LATENCY = {
    "type": "float64",
    "nullable": True,
    "unit": "ms",
    "range": [0, None],
    "description": "Time from the arrival of the request until its reply was computed, all its rows together; the sync of the log comes after.",
}

_RETENTION = "retention_days: 1825  # to review: how long rows may be kept"

_TIMED = ("event_time: prediction_at", "known_time: prediction_at")
_PLAIN = ("volatile: []", "expectations: []")

# Of tables without time; what a catalog shows of the table says so.
_MADE_UP = " Its days are made up, because the file has no time."

_FEATURES_ARE_OLDER = (
    "expectations:",
    "  - name: features_are_older_than_the_prediction",
    "    type: expect_column_pair_values_a_to_be_greater_than_b",
    "    level: row",
    "    severity: critical",
    "    description: A feature refreshed after the prediction would know the future.",
    "    kwargs: {column_A: prediction_at, column_B: refreshed_at, or_equal: true}",
)


def build_promises(plan: Plan) -> list[Promise]:
    """Every contract of the use case."""
    landed, columns = describe_columns(plan.landed, plan.landed_roles), describe_columns(plan.table, plan.roles)
    return [
        _promise_bronze(plan, landed),
        _promise_silver(plan, landed),
        _promise_gold(plan, columns),
        _promise_predictions(plan, columns),
        _promise_requests(plan),
    ]


def _promise_bronze(plan: Plan, columns: Columns) -> Promise:
    odd = {name: {**_leave_out(promise, "range", "allowed"), "nullable": True} for name, promise in columns.items()}
    return Promise(
        table=f"bronze.{plan.name}_{plan.feed}",
        description=f"Rows of {plan.origin} as they landed; values may be odd.{_say_days(plan)}",
        grain="one row of a file",
        owner=plan.owner,
        columns={**odd, "known_at": _KNOWN_AT},
        tail=["key: null", "event_time: known_at", "known_time: known_at", *_life(plan), "tolerance_fraction: 0.0", *_PLAIN],
    )


def _promise_silver(plan: Plan, columns: Columns) -> Promise:
    # The newest row of a key counts, so a row that comes again with its label takes the old one's place.
    key = f"key: {{columns: [{', '.join(map(plain, plan.landed_key))}], on_repeat: update}}"
    return Promise(
        table=f"silver.{plan.name}_{plan.feed}",
        description=f"Rows of {plan.origin} that keep their promises. Ranges and values are those that were seen, to be reviewed.{_say_days(plan)}",
        grain=f"one {' and '.join(plan.landed_key)}",
        owner=plan.owner,
        columns={**columns, "known_at": _KNOWN_AT},
        tail=[key, "event_time: known_at", "known_time: known_at", *_life(plan), "tolerance_fraction: 0.01", *_PLAIN],
    )


def _promise_gold(plan: Plan, columns: Columns) -> Promise:
    what = "Instant that the forecast is for." if plan.forecast else f"As in silver.{plan.name}_{plan.feed}."
    carried = {plan.roles.time: {**columns[plan.roles.time], "description": what}}
    features = {feature.name: _promise_feature(feature, plan) for feature in plan.roles.features}
    return Promise(
        table=f"gold.{plan.name}_features",
        description=f"What a model sees of each row, at the instant of its prediction.{_say_days(plan)}",
        grain=f"one {plan.roles.key}",
        owner=plan.owner,
        columns={
            **_key(plan, columns),
            "prediction_at": _PREDICTION_AT,
            "refreshed_at": _REFRESHED_AT,
            **carried,
            "features_version": _VERSION,
            **features,
            "_as_of": _AS_OF,
        },
        tail=[_once(plan), *_TIMED, *_life(plan), "tolerance_fraction: 0.0", "allow_empty: true", "volatile: []", *_FEATURES_ARE_OLDER],
    )


def _promise_predictions(plan: Plan, columns: Columns) -> Promise:
    return Promise(
        table=f"inference.{plan.name}_predictions",
        description=f"The batch predictions of the champion in force when each row was predicted.{_say_days(plan)}",
        grain=f"one {plan.roles.key}",
        owner=plan.owner,
        columns={
            **_key(plan, columns),
            "prediction_at": _PREDICTION_AT,
            "features_version": _VERSION,
            **_MODEL,
            "feature_hash": _HASH,
            **_promise_prediction(plan),
            "_as_of": _AS_OF,
        },
        tail=[_once(plan), *_TIMED, *_life(plan), "tolerance_fraction: 0.0", *_PLAIN],
    )


def _promise_requests(plan: Plan) -> Promise:
    key = "key: {columns: [request_id], on_repeat: reject}"
    times = ("event_time: requested_at", "known_time: requested_at", "freshness_hours: null", _RETENTION, _name_subject(None))
    return Promise(
        table=f"inference.{plan.name}_requests",
        description="Every answer of the model server, with what was asked and what the model saw.",
        grain="one scored row of one request",
        owner=plan.owner,
        columns={
            "request_id": {**_TEXT, "description": "Id of the request and ordinal of the row in it, from 0."},
            "requested_at": {**_INSTANT, "description": "Arrival of the request."},
            "refreshed_at": _REFRESHED_AT,
            "request": {**_TEXT, "description": "The columns that the caller sent, as JSON."},
            "features": {**_TEXT, "description": "The feature values that were scored, as JSON."},
            "features_version": _VERSION,
            "feature_hash": _HASH,
            **_MODEL,
            "latency_ms": _LATENCY,
            **_promise_prediction(plan),
        },
        tail=[key, *times, "tolerance_fraction: 0.0", "volatile: [requested_at, latency_ms]", "expectations: []"],
    )


def _promise_feature(feature: Feature, plan: Plan) -> dict[str, Any]:
    nulls = plan.forecast is not None or plan.table.rows[feature.column].null_count() > 0
    if feature.kind == "category":
        return {"type": "string", "nullable": nulls, "severity": "warning", "description": feature.meaning or f"As {feature.column} in silver."}
    unit = {"age": "days", "flag": "flag"}.get(feature.kind) or _guess_unit(feature, plan)
    limits = {"range": [0, 1]} if unit == "flag" else {}
    what = f"Days from {feature.column} to {plan.roles.time}." if feature.kind == "age" else feature.meaning or f"As {feature.column} in silver."
    return {"type": "float64", "nullable": nulls, "unit": unit, **limits, "severity": "warning", "description": what}


def _guess_unit(feature: Feature, plan: Plan) -> str:
    """The unit of a feature that is a number; history of a column has that column's."""
    numbers = sorted(plan.forecast.numbers if plan.forecast else [], key=len, reverse=True)
    origin = next((name for name in numbers if feature.name.startswith(f"{name}_")), None)
    unit = guess_unit(plan.landed.rows[origin] if origin else plan.table.rows[feature.column])
    # A change of a flag, or its mean, is none.
    return UNKNOWN_UNIT if origin and unit == "flag" else unit


def _promise_prediction(plan: Plan) -> Columns:
    """The kind's own columns; the probability of yes says of what."""
    target = plan.roles.target
    promised = {}
    for name, column in target.kind.columns.items():
        what = f"Probability that {target.meaning}." if target.kind.name == "binary" else column.description
        limits = {"unit": column.unit, "range": list(column.range) if column.range else None}
        promised[name] = {
            "type": column.type,
            "nullable": False,
            **{key: value for key, value in limits.items() if value is not None},
            "description": what,
        }
    return promised


def _key(plan: Plan, columns: Columns) -> Columns:
    where = "of what, and for when." if plan.forecast else f"as in silver.{plan.name}_{plan.feed}."
    return {plan.roles.key: {**columns[plan.roles.key], "description": f"Identifies the row, {where}"}}


def _once(plan: Plan) -> str:
    return f"key: {{columns: [{plain(plan.roles.key)}], on_repeat: reject}}"


def _life(plan: Plan) -> tuple[str, ...]:
    return ("freshness_hours: null", _RETENTION, _name_subject(plan.roles.subject))


def _say_days(plan: Plan) -> str:
    return _MADE_UP if PLACED_AT in plan.table.made else ""


def _name_subject(subject: str | None) -> str:
    return f"subject_key: {plain(subject) if subject else 'null'}  # to review: the column that identifies a person"


def _leave_out(promise: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in promise.items() if name not in names}
