"""All that is decided about a use case before a file is written: what the columns are, windows, bars, and what a person must check."""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from headrace.errors import UseCaseError
from headrace.scaffold.checks import list_checks, list_placeholders, list_suspicions
from headrace.scaffold.columns import check_time, count_repeated, find_column, show_names
from headrace.scaffold.forecast import FORECAST_ID, TARGET_AT, Forecast, choose_forecast, choose_rule, describe_features, shape_forecasts
from headrace.scaffold.labels import Target, choose_target
from headrace.scaffold.personal import find_personal
from headrace.scaffold.placing import NONE, PLACED_AT, ROW_ID, check_group, number_rows, place_at_random
from headrace.scaffold.reading import Table, show_name
from headrace.scaffold.roles import Feature, Roles, feature_values, find_forecast_roles, find_roles
from headrace.scaffold.windows import Windows, choose_windows
from headrace.use_case import NAME

# A column that tells less than this alone (ROC AUC) makes no business rule.
_LEAST_TELLING = 0.52

# Share of newer values within the range of the older ones from which on a number does not run with time.
_STEADY_SHARE = 0.9

# Rows before the windows that judge and tune, and rows in the one that judges: fewer make no model and no comparison.
_LEAST_TRAINED, _LEAST_JUDGED = 100, 50

# A name is part of lines, paths and table names.
_LONGEST_NAME = 30

# A category of few values can be guarded value by value.
_MOST_SLICES = 10

# A number says more than a yes: leaves of so few rows lost 3 % less on 54,000 diamonds than leaves of 170.
_NUMBER_LEAF_ROWS = 20


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a person asks for.

    Attributes:
        name: Name of the use case.
        source: The table's path.
        feed: Noun of the tables of a use case that is there already; None: named after the file.
        label: Column to predict, as the file or the new name has it.
        time: Column of the row's instant; `none`: the table has no time.
        key: Column that identifies a row; `none`: no column does.
        kind: The kind of task; empty: what the label's values make it.
        group: Column whose rows stay together in a table without time; empty: each row for itself.
    """

    name: str
    source: Path
    label: str
    time: str
    key: str
    kind: str = ""
    group: str = ""
    feed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A use case that can be written.

    Attributes:
        name: Its name.
        title: The question in words.
        owner: Who answers for it.
        origin: Name of the file or table that it was made from.
        feed: Noun of its bronze and silver table.
        table: The rows that are predicted, with instants in the time column.
        roles: What their columns are.
        landed: The rows as they lie in bronze and silver; those of `table`, but for a forecast.
        landed_roles: What their columns are.
        landed_key: Columns that identify them.
        forecast: Of a forecast, what is forecast; else None.
        windows: Spans and ticks.
        slices: Categories that are guarded value by value.
        baseline: Columns of the business rule, with the width of their groups.
        min_training_rows: Bar for training.
        min_holdout_rows: Bar for judging.
        leaf_rows: Least rows in a leaf.
        checks: What a person must check, one sentence each.
    """

    name: str
    title: str
    owner: str
    origin: str
    feed: str
    table: Table
    roles: Roles
    landed: Table
    landed_roles: Roles
    landed_key: Sequence[str]
    forecast: Forecast | None
    windows: Windows
    slices: Sequence[str]
    baseline: Mapping[str, float | None]
    min_training_rows: int
    min_holdout_rows: int
    leaf_rows: int
    checks: Sequence[str]


def build_plan(question: Question, table: Table) -> Plan:
    """Decide everything.

    Raises:
        UseCaseError: A column is not there or cannot be what it is said to be, or there are too few rows; the sentence says what would do.
    """
    check_name(question.name)
    label, group = find_column(table, "LABEL", question.label), find_column(table, "GROUP", question.group) if question.group else None
    if question.kind == "forecast":
        return _plan_forecast(question, table, label=label)
    table, key = _name_rows(table, question)
    table, time = _name_instants(table, question, key=key, group=group)
    timed, target = _check_columns(table, question, label=label, time=time, key=key)
    repeated = count_repeated(timed, key)
    spans = _choose_spans(timed.rows, target, time=time)
    roles = find_roles(timed, target, key=key, time=time, group=group)
    if not roles.features:
        reasons = show_names([f"{name}: {why}" for name, why in roles.left_out.items()], by="; ")
        raise UseCaseError(f"no column is left that could predict {label}: {reasons or 'the table has LABEL, TIME and KEY only'}")
    baseline = _choose_baseline(timed.rows, roles.features, time=time)
    checks = [*list_suspicions(timed.rows, roles), *list_checks(timed, roles, repeated=repeated)]
    return _complete(question, timed, roles, spans, landed=timed, landed_roles=roles, landed_key=(key,), baseline=baseline, checks=checks)


def _plan_forecast(question: Question, table: Table, *, label: str) -> Plan:
    """A forecast of one value per KEY and TIME."""
    if NONE in (question.time, question.key) or question.group:
        raise UseCaseError("KIND=forecast needs TIME, the column of the days, and KEY, the column of what the values belong to; it knows no GROUP")
    time, entity = find_column(table, "TIME", question.time), find_column(table, "KEY", question.key)
    timed, target = _check_columns(table, question, label=label, time=time, key=entity)
    if timed.rows.schema[entity] not in (pl.String, pl.Int64) or timed.rows[entity].has_nulls():
        raise UseCaseError(f"KEY={entity} is {timed.rows.schema[entity]} or empty in some rows; what values belong to is a text or a whole number")
    forecast = choose_forecast(timed, entity=entity, time=time, label=label)
    shaped = shape_forecasts(timed, forecast)
    spans = _choose_spans(shaped.rows, target, time=TARGET_AT)
    roles = find_forecast_roles(shaped, target, describe_features(forecast), entity=entity, key=FORECAST_ID, time=TARGET_AT)
    landed_roles = replace(roles, key=entity, time=time, personal=[name for name in find_personal(timed.rows) if name not in (label, time, entity)])
    known = f"A value is taken to be known at {time}: if it is reported later, set KNOWN_AFTER in label.py."
    checks = [*timed.notes, known, *list_placeholders(timed.rows.select(label, *forecast.covariates), subject=landed_roles.subject)]
    landed = {"landed": timed, "landed_roles": landed_roles, "landed_key": (entity, time)}
    return _complete(question, shaped, roles, spans, **landed, baseline={choose_rule(shaped, forecast): None}, checks=checks, forecast=forecast)


def _check_columns(table: Table, question: Question, *, label: str, time: str, key: str) -> tuple[Table, Target]:
    """The table with instants, and what its label asks."""
    if len({label, time, key}) < 3:
        raise UseCaseError("LABEL, TIME and KEY must be three columns; one was named twice")
    timed = check_time(table, time)
    return timed, choose_target(timed, label=label, kind=question.kind)


@dataclass(frozen=True, kw_only=True)
class _Spans:
    """Windows, how many labelled rows the first tick knows and trains on, and how few any tick has to tune or to judge with."""

    windows: Windows
    first_count: int
    trained_count: int
    judged_count: int


def _choose_spans(rows: pl.DataFrame, target: Target, *, time: str) -> _Spans:
    labelled = rows.filter(pl.col(target.column).is_not_null())
    windows = choose_windows(labelled[time])
    trained, judged = _check_windows(labelled, windows, target, time=time)
    first = labelled.filter(pl.col(time) < windows.ticks[0]).height
    return _Spans(windows=windows, first_count=first, trained_count=trained, judged_count=judged)


def _complete(
    question: Question,
    table: Table,
    roles: Roles,
    spans: _Spans,
    *,
    landed: Table,
    landed_roles: Roles,
    landed_key: Sequence[str],
    baseline: Mapping[str, float | None],
    checks: Sequence[str],
    forecast: Forecast | None = None,
) -> Plan:
    """Windows and bars, by the number of rows."""
    first, judged = spans.first_count, spans.judged_count
    return Plan(
        name=question.name,
        title=roles.target.title,
        owner="to-review@example.org",
        origin=show_name(question.source.resolve().name),
        feed=question.feed or _name_feed(question),
        table=table,
        roles=roles,
        landed=landed,
        landed_roles=landed_roles,
        landed_key=landed_key,
        forecast=forecast,
        windows=spans.windows,
        slices=[one.name for one in roles.features if one.kind == "category" and table.rows[one.column].n_unique() <= _MOST_SLICES][:2],
        baseline=baseline,
        min_training_rows=max(_LEAST_TRAINED, min(first * 3 // 10, spans.trained_count * 4 // 5)),
        min_holdout_rows=max(_LEAST_JUDGED, judged // 2),
        leaf_rows=_NUMBER_LEAF_ROWS if roles.target.is_number else max(10, min(500, first // 200)),
        checks=checks,
    )


def _name_rows(table: Table, question: Question) -> tuple[Table, str]:
    """The table and its key."""
    if question.key != NONE:
        return table, find_column(table, "KEY", question.key)
    _check_unused(table, ROW_ID)
    return number_rows(table), ROW_ID


def _name_instants(table: Table, question: Question, *, key: str, group: str | None) -> tuple[Table, str]:
    """The table and its column of instants."""
    if question.time == NONE:
        _check_unused(table, PLACED_AT)
        return place_at_random(check_group(table, group) if group else table, group=group or key, is_grouped=group is not None), PLACED_AT
    if group is not None:
        raise UseCaseError(f"GROUP={group} is for tables without time (TIME={NONE}): where there is time, rows are split by it")
    return table, find_column(table, "TIME", question.time)


def _check_unused(table: Table, name: str) -> None:
    if name in table.rows.columns:
        raise UseCaseError(f"the table has a column {name}, which would be made here; rename it, or name it as KEY or TIME")


def check_name(name: str) -> None:
    """Refuse a name that cannot be one of a package and of tables.

    Raises:
        UseCaseError: It is not lower case, digits and underscores, too long, or taken.
    """
    if not NAME.fullmatch(name):
        raise UseCaseError(f"NAME={show_name(name)} is not lower case letters, digits and underscores; for example NAME=churn")
    if len(name) > _LONGEST_NAME:
        raise UseCaseError(f"NAME={show_name(name)} has {len(name)} letters, at most {_LONGEST_NAME} fit into names of tables and files; shorten it")
    if keyword.iskeyword(name) or name == "metrics":
        what = "a word of Python" if keyword.iskeyword(name) else "the name of the platform's own tables"
        raise UseCaseError(
            f"NAME={name} is {what}, so no use case can be called so; for example NAME={name}_{'case' if what[0] == 'a' else 'of_mine'}"
        )


def _check_windows(labelled: pl.DataFrame, windows: Windows, target: Target, *, time: str) -> tuple[int, int]:
    """How many labelled rows teach the first model, and the fewest that any tick tunes or judges with.

    Refuses a table whose instants cannot be divided into windows: training would be blocked at every tick.
    """

    def between(start: datetime, end: datetime) -> pl.DataFrame:
        return labelled.filter(pl.col(time).is_between(start, end, closed="left"))

    start = windows.ticks[0] - windows.holdout
    judged, tuned = between(start, windows.ticks[0]), between(start - windows.validation, start)
    trained = labelled.filter(pl.col(time) < start - windows.validation)
    if trained.height < _LEAST_TRAINED or min(judged.height, tuned.height) < _LEAST_JUDGED:
        raise UseCaseError(
            f"TIME={time} has {labelled[time].n_unique()} different instants, which leave {trained.height} rows to train on (at least "
            f"{_LEAST_TRAINED} are needed), {tuned.height} to tune on and {judged.height} to judge on (at least {_LEAST_JUDGED} each); name a "
            "column whose instants lie further apart, or say TIME=none"
        )
    if min(part[target.column].n_unique() for part in (trained, tuned, judged)) < 2:
        raise UseCaseError(
            f"LABEL={target.column} has one value only in the {trained.height} rows to train on or in the {judged.height} to judge on; "
            "the rarer value is too rare, or came up later: deliver more rows with it, or rows of another time"
        )
    ends = [(tick - windows.holdout, tick) for tick in windows.ticks]
    parts = ends + [(start - windows.validation, start) for start, _ in ends]
    return trained.height, min(between(start, end).height for start, end in parts)


def _name_feed(question: Question) -> str:
    noun = re.sub(r"[^a-z0-9]+", "_", question.source.resolve().stem.lower())[:_LONGEST_NAME].strip("_")
    # A table of that ending is one of refused rows.
    return noun if noun and noun[0].isalpha() and noun != question.name and not f"_{noun}".endswith("_rejected") else "rows"


def _choose_baseline(rows: pl.DataFrame, features: Sequence[Feature], *, time: str) -> dict[str, float | None]:
    """The strongest category and the strongest number: what an experienced person would go by.

    A number that runs with time (a year, a serial number) has groups that nobody has seen yet, so it makes no rule.
    """
    telling = [one for one in features if one.auc >= _LEAST_TELLING and (one.kind == "category" or _is_steady(rows, one, time=time))]
    chosen: dict[str, float | None] = {}
    for wanted in (("category",), ("number", "flag", "age")):
        found = next((one for one in telling if one.kind in wanted), None)
        if found is not None:
            chosen[found.name] = None if found.kind == "category" else _choose_width(rows, found)
    strongest = features[0]
    return chosen or {strongest.name: None if strongest.kind == "category" else _choose_width(rows, strongest)}


def _is_steady(rows: pl.DataFrame, feature: Feature, *, time: str) -> bool:
    """Whether the newer half of the rows has values that the older half has seen."""
    values = rows.sort(time).select(feature_values(feature, time=time).alias("value"))["value"]
    older, newer = values.head(values.len() // 2).drop_nulls(), values.tail(values.len() - values.len() // 2).drop_nulls()
    if not older.len() or not newer.len():
        return False
    return newer.is_between(older.min(), older.max()).sum() >= _STEADY_SHARE * newer.len()


def _choose_width(rows: pl.DataFrame, feature: Feature) -> float:
    """A fifth of the span of the middle four fifths of the values, to one digit."""
    if feature.kind == "flag":
        return 1.0
    if feature.kind == "age":
        return 365.0
    values = rows[feature.column].cast(pl.Float64)
    low, high = (values.quantile(share) or 0.0 for share in (0.1, 0.9))
    return float(f"{(high - low) / 5 or 1.0:.1g}")
