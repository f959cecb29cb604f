"""What each column of a table is to a question: the label, the key, the time, a feature, or left out, each with its reason."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from headrace.models.kinds.kind import FittedKind
from headrace.models.splits import single_feature_auc
from headrace.scaffold.labels import Target
from headrace.scaffold.personal import find_personal, is_person
from headrace.scaffold.placing import PLACED_AT
from headrace.scaffold.reading import INSTANT, Table

# Alone, a column that ranks the label better than this tells it: 0.97 of all pairs in the right order.
LEAK_AUC = 0.97

# More values than this are names or texts, not categories.
_MOST_CATEGORIES = 255

# A list of values is promised where it is short and every value is frequent.
_LISTED = 20

# Where more values than this lie after the row's own instant, the column was filled in later.
_LATER_SHARE = 0.01

FeatureKind = Literal["number", "flag", "category", "age"]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature of the generated use case.

    Attributes:
        name: Its name in the feature table.
        column: The column it is made of.
        kind: `number` and `flag` are float64 features, `category` is a string, `age` is days from a date to the prediction.
        meaning: What it says, where that is more than its column.
        auc: How well this feature alone ranks rows newer than those it was measured on: ROC AUC, of numbers concordance.
    """

    name: str
    column: str
    kind: FeatureKind
    auc: float
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns of a table are.

    Attributes:
        target: What is predicted.
        key: Column that identifies a row.
        time: Column of the row's instant.
        features: The features, strongest first.
        left_out: Column -> why it is no feature.
        personal: Columns that look like personal data.
        subject: Column that identifies a person, where there are personal data or the key is a person.
    """

    target: Target
    key: str
    time: str
    features: Sequence[Feature]
    left_out: Mapping[str, str]
    personal: Sequence[str]
    subject: str | None

    @property
    def label(self) -> str:
        """The label's column."""
        return self.target.column


def find_roles(table: Table, target: Target, *, key: str, time: str, group: str | None) -> Roles:
    """Decide about every column.

    Args:
        table: The table; `time` holds instants (UTC).
        target: What is predicted.
        key: Column that identifies a row.
        time: Column of the row's instant.
        group: Column whose values must not tell: rows of one value stay together; None: there is none.
    """
    rows = table.rows
    label = target.column
    measured = rows.with_columns(target.build(rows)).filter(pl.col("_label").is_not_null()).sort(time, key)
    personal = [name for name in find_personal(rows) if name not in (label, time)]

    features, left_out = [], {}
    for name in rows.columns:
        if name in (label, key, time):
            continue
        if name == group:
            left_out[name] = "rows of one value of it stay together, so it cannot tell what others were"
            continue
        kind, reason = _find_kind(rows, name, time=None if PLACED_AT in table.made else time, is_personal=name in personal)
        if kind is None:
            left_out[name] = reason
            continue
        feature = Feature(name=_name_age(name, rows.columns) if kind == "age" else name, column=name, kind=kind, auc=0.5)
        auc = _measure(measured, feature, target.kind, time=time)
        if auc <= LEAK_AUC:
            features.append(replace(feature, auc=auc))
        elif math.isnan(auc):
            left_out[name] = f"whether it tells the label cannot be measured: the newer half of the rows has one value of {label} only"
        else:
            left_out[name] = f"alone it tells the label ({target.kind.words.ranking} {auc:.3f} on newer rows): it was probably filled in afterwards"
    return Roles(
        target=target,
        key=key,
        time=time,
        features=sorted(features, key=lambda one: (-one.auc, one.name)),
        left_out=left_out,
        personal=personal,
        subject=key if personal or is_person(key) else None,
    )


def find_forecast_roles(shaped: Table, target: Target, features: Mapping[str, str], *, entity: str, key: str, time: str) -> Roles:
    """Features of forecasts are history and calendar by construction: none can tell what came, however well it foretells it.

    Args:
        shaped: One row per forecast.
        target: What is predicted.
        features: Feature -> what it means.
        entity: The feature that is a category.
        key: Column of the forecasts' ids.
        time: Column of the targets' instants.
    """
    rows = shaped.rows
    measured = rows.with_columns(target.build(rows)).filter(pl.col("_label").is_not_null()).sort(time, key)
    made = [
        Feature(name=name, column=name, kind="category" if name == entity else "number", auc=0.5, meaning=meaning)
        for name, meaning in features.items()
    ]
    judged = [replace(feature, auc=_measure(measured, feature, target.kind, time=time)) for feature in made]
    return Roles(
        target=target,
        key=key,
        time=time,
        features=sorted(judged, key=lambda one: (-one.auc, one.name)),
        left_out={},
        personal=[],
        subject=entity if is_person(entity) else None,
    )


def list_values(column: pl.Series) -> list[str] | None:
    """The values of a category, sorted, where they are few and each is frequent enough to be no accident; else None."""
    counts = column.drop_nulls().value_counts()
    if counts.height > _LISTED or not counts.height or min(counts["count"].to_list()) < 10:
        return None
    return sorted(counts[column.name].to_list())


def _find_kind(rows: pl.DataFrame, name: str, *, time: str | None, is_personal: bool) -> tuple[FeatureKind | None, str]:
    column = rows[name]
    known = column.drop_nulls()
    distinct = known.n_unique()
    if is_personal:
        return None, "it looks like personal data"
    if distinct <= 1 and known.len() in (0, column.len()):
        return None, "it has one value only" if known.len() else "it is empty"
    if column.dtype == pl.Boolean:
        return "flag", ""
    if column.dtype in (pl.Date, INSTANT):
        if time is None:
            return None, "a date says something beside the row's own time only, and the table has none"
        later = rows.select((pl.col(name).cast(INSTANT) > pl.col(time)).mean()).item() or 0.0
        if later > _LATER_SHARE:
            return None, f"{later:.0%} of its values lie after {time}, so it was not known then"
        return "age", ""
    if column.dtype == pl.String:
        if distinct > _MOST_CATEGORIES:
            what = "it identifies rows" if distinct == known.len() else f"it is text or a name, {distinct:,} different values"
            return None, f"{what}; make a feature of it by hand if it says something"
        return "category", ""
    if column.dtype == pl.Int64 and distinct == column.len() and re.search(r"(^|_)(id|no|number|nr|key|index)$|^column$", name):
        return None, "it numbers the rows"
    return "number", ""


def _name_age(name: str, taken: Sequence[str]) -> str:
    """A name for days since a date, other than the table's own."""
    wanted = f"{name}_age_days"
    return next(found for found in (wanted, *(f"{wanted}_{number}" for number in range(2, len(taken) + 3))) if found not in taken)


def feature_values(feature: Feature, *, time: str) -> pl.Expr:
    """A feature as models see it: numbers, or the strings of a category."""
    column = pl.col(feature.column)
    if feature.kind == "age":
        return (pl.col(time) - column.cast(INSTANT)).dt.total_days().cast(pl.Float64)
    return column if feature.kind == "category" else column.cast(pl.Float64)


def _measure(measured: pl.DataFrame, feature: Feature, kind: FittedKind, *, time: str) -> float:
    """How well one feature alone ranks the newer half, by means learned on the older; not a number where no two of its labels differ."""
    rows = measured.select(feature_values(feature, time=time).alias("_value"), "_label")
    half = rows.height // 2
    return single_feature_auc("_value", "_label", kind=kind, train=rows.head(half), validation=rows.tail(rows.height - half))
