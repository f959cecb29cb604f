"""What each column of a table is to a question: the label, the key, the time, a feature, or left out, each with its reason."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from headrace.models.splits import single_feature_auc
from headrace.scaffold.reading import INSTANT, Table

# Alone, a column that ranks the label better than this tells it: 0.97 of all pairs in the right order.
LEAK_AUC = 0.97

# More values than this are names or texts, not categories.
_MOST_CATEGORIES = 255

# A list of values is promised where it is short and every value is frequent.
_LISTED = 20

# Where more values than this lie after the row's own instant, the column was filled in later.
_LATER_SHARE = 0.01

_PII_NAMES = re.compile(
    r"(^|_)(e_?mail|phone|mobile|fax|first_?name|last_?name|surname|full_?name|street|address|zip|postcode|ssn|passport|iban|birth|ip)(_|$)|^name$"
)
_EMAIL = r"^[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}$"
_PEOPLE = re.compile(r"(^|_)(customer|client|user|person|patient|member|employee|subject|account)(_|$)")

Kind = Literal["number", "flag", "category", "age"]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature of the generated use case.

    Attributes:
        name: Its name in the feature table.
        column: The column it is made of.
        kind: `number` and `flag` are float64 features, `category` is a string, `age` is days from a date to the prediction.
        auc: ROC AUC of this feature alone, on newer rows than it was measured on.
    """

    name: str
    column: str
    kind: Kind
    auc: float


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns of a table are.

    Attributes:
        label: The label's column.
        positive: The value of it that is predicted.
        label_rate: Share (0 to 1) of that value among labelled rows.
        key: Column that identifies a row.
        time: Column of the row's instant.
        features: The features, strongest first.
        left_out: Column -> why it is no feature.
        personal: Columns that look like personal data.
        subject: Column that identifies a person, where there are personal data or the key is a person.
    """

    label: str
    positive: str | float
    label_rate: float
    key: str
    time: str
    features: Sequence[Feature]
    left_out: Mapping[str, str]
    personal: Sequence[str]
    subject: str | None

    @property
    def positive_text(self) -> str:
        """The value that is predicted, in words."""
        if isinstance(self.positive, str):
            return self.positive
        return str(self.positive).lower() if isinstance(self.positive, bool) else f"{self.positive:g}"


def find_personal(rows: pl.DataFrame) -> list[str]:
    """Columns that look like personal data, by their name or by values that are e-mail addresses."""
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    by_value = {
        name
        for name in texts
        if rows[name].drop_nulls().len() and rows[name].drop_nulls().str.contains(_EMAIL).sum() > rows[name].drop_nulls().len() / 2
    }
    return [name for name in rows.columns if _PII_NAMES.search(name) or name in by_value]


def choose_positive(labels: pl.Series) -> str | float:
    """The value that a binary label is about: true, 1 or yes; else the rarer one."""
    if labels.dtype.is_numeric() and labels.eq(1).any():
        return labels.dtype.to_python()(1)
    counts = dict(labels.drop_nulls().value_counts().iter_rows())
    for wanted in (True, "yes", "1", "true"):
        found = [value for value in counts if type(value) is type(wanted) and (value.lower() if isinstance(value, str) else value) == wanted]
        if found:
            return found[0]
    return min(counts, key=lambda value: (counts[value], str(value)))


def find_roles(table: Table, *, label: str, key: str, time: str) -> Roles:
    """Decide about every column.

    Args:
        table: The table; `time` holds instants (UTC).
        label: Column with two values, and nulls where there is no label.
        key: Column that identifies a row.
        time: Column of the row's instant.
    """
    rows = table.rows
    positive = choose_positive(rows[label])
    measured = rows.with_columns(build_target(rows, label=label, positive=positive)).filter(pl.col("_label").is_not_null()).sort(time, key)
    personal = [name for name in find_personal(rows) if name not in (label, time)]

    features, left_out = [], {}
    for name in rows.columns:
        if name in (label, key, time):
            continue
        kind, reason = _find_kind(rows, name, time=time, is_personal=name in personal)
        if kind is None:
            left_out[name] = reason
            continue
        feature = Feature(name=_name_age(name, rows.columns) if kind == "age" else name, column=name, kind=kind, auc=0.5)
        auc = _measure(measured, feature, time=time)
        if auc <= LEAK_AUC:
            features.append(replace(feature, auc=auc))
        elif math.isnan(auc):
            left_out[name] = f"whether it tells the label cannot be measured: the newer half of the rows has one value of {label} only"
        else:
            left_out[name] = f"alone it tells the label (ROC AUC {auc:.3f} on newer rows): it was probably filled in afterwards"
    is_person = bool(personal) or bool(_PEOPLE.search(key))
    return Roles(
        label=label,
        positive=positive,
        label_rate=float(measured["_label"].to_numpy().mean()),
        key=key,
        time=time,
        features=sorted(features, key=lambda one: (-one.auc, one.name)),
        left_out=left_out,
        personal=personal,
        subject=key if is_person else None,
    )


def list_values(column: pl.Series) -> list[str] | None:
    """The values of a category, sorted, where they are few and each is frequent enough to be no accident; else None."""
    counts = column.drop_nulls().value_counts()
    if counts.height > _LISTED or not counts.height or min(counts["count"].to_list()) < 10:
        return None
    return sorted(counts[column.name].to_list())


def _find_kind(rows: pl.DataFrame, name: str, *, time: str, is_personal: bool) -> tuple[Kind | None, str]:
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


def build_target(rows: pl.DataFrame, *, label: str, positive: str | float) -> pl.Series:
    """1.0 where the label is the value in question, 0.0 where it is the other one, null where there is none."""
    target = pl.when(pl.col(label).is_null()).then(None).otherwise((pl.col(label) == positive).cast(pl.Float64))
    return rows.select(target.alias("_label")).to_series()


def feature_values(feature: Feature, *, time: str) -> pl.Expr:
    """A feature as models see it: numbers, or the strings of a category."""
    column = pl.col(feature.column)
    if feature.kind == "age":
        return (pl.col(time) - column.cast(INSTANT)).dt.total_days().cast(pl.Float64)
    return column if feature.kind == "category" else column.cast(pl.Float64)


def _measure(measured: pl.DataFrame, feature: Feature, *, time: str) -> float:
    """ROC AUC of one feature alone: rates learned on the older half, judged on the newer; not a number where the newer has one class only."""
    rows = measured.select(feature_values(feature, time=time).alias("_value"), "_label")
    half = rows.height // 2
    return single_feature_auc("_value", "_label", train=rows.head(half), validation=rows.tail(rows.height - half))
