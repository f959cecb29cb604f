"""The contracts of a generated use case, as the YAML that a person would write: one line per column, flow style."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from headrace.lake.contracts import TYPES
from headrace.scaffold.placing import PLACED_AT, ROW_ID
from headrace.scaffold.reading import Table
from headrace.scaffold.roles import Roles, list_values

# Endings and words of a name that tell its unit; anything else is for a person to say.
_UNITS = {
    "eur": "EUR",
    "usd": "USD",
    "km": "km",
    "minutes": "minutes",
    "hours": "hours",
    "days": "days",
    "years": "years",
    "age": "years",
    "percent": "percent",
    "fraction": "fraction",
    "rate": "fraction",
    "count": "count",
    "weekday": "day of the week",
    "month": "month of the year",
    "hour": "hour of the day",
    "number": "count",
}
UNKNOWN_UNIT = "to review"

# A number that is 0 or 1 and nothing else says yes or no, and is one of no unit; shares have bounds of their own.
_FLAG = "flag"
_BOUNDS = {_FLAG: 1, "fraction": 1, "percent": 100}

# Words that YAML takes for true, false or nothing, and texts that it takes as they are.
_YAML_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.,;()-]*(?: [A-Za-z0-9_.,;()-]+)*")

# Columns that the file does not have.
_MADE_HERE = {
    ROW_ID: "Made here: place of the row in the file, from 0, because the table has no key.",
    PLACED_AT: "Made up: day on which the row lies, in random order, because the table has no time; of rows delivered later, when they came.",
}

# JSON leaves these as they are; YAML refuses them, or folds them into a space.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One contract, before it is text.

    Attributes:
        table: `silver.churn_customers`.
        description: What the table is.
        grain: What one row is.
        owner: Who answers for it.
        columns: Name -> the column's promise.
        tail: Lines behind the columns.
    """

    table: str
    description: str
    grain: str
    owner: str
    columns: Mapping[str, Mapping[str, Any]]
    tail: Sequence[str]

    def render(self) -> str:
        """The YAML."""
        head = [f"table: {self.table}", "version: 1", f"description: {plain(self.description)}", f"grain: {plain(self.grain)}"]
        head += [f"owner: {self.owner}", "columns:"]
        return "\n".join([*head, *(f"  {plain(name)}: {_flow(promise)}" for name, promise in self.columns.items()), *self.tail]) + "\n"


def describe_columns(table: Table, roles: Roles) -> dict[str, dict[str, Any]]:
    """A promise for every column of the table, as it was seen: types, nulls, units, values and ranges."""
    promised = {name: _describe(table.rows[name], table.names[name], roles) for name in table.rows.columns}
    return promised | {name: promised[name] | {"description": _MADE_HERE[name]} for name in table.made}


def plain(text: str) -> str:
    """A text as a person writes it in YAML: without quotes where it cannot be taken for anything else."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS else _quote(text)


def guess_unit(column: pl.Series) -> str:
    """The unit of a number: what its name tells, else `flag` where it is 0 or 1, else `to review`."""
    name = column.name
    told = next((unit for word, unit in _UNITS.items() if name == word or name.endswith(f"_{word}")), UNKNOWN_UNIT)
    return _FLAG if told == UNKNOWN_UNIT and (column.min(), column.max(), column.drop_nulls().n_unique()) == (0, 1, 2) else told


def choose_range(column: pl.Series, unit: str) -> list[float | None]:
    """Least and greatest value of a number: those of its unit where it has bounds and keeps them, else what was seen, widened."""
    low, high = column.min(), column.max()
    bound = _BOUNDS.get(unit)
    is_kept = bound is not None and low is not None and float(str(low)) >= 0 and float(str(high)) <= bound
    return [0, bound] if is_kept else _widen(column)


def type_name(kind: pl.DataType) -> str:
    """The contract's name of a Polars type."""
    return next(name for name, found in TYPES.items() if found == kind)


def _describe(column: pl.Series, original: str, roles: Roles) -> dict[str, Any]:
    name = column.name
    is_named = name in (roles.key, roles.time)
    promise: dict[str, Any] = {"type": type_name(column.dtype), "nullable": not is_named and (column.null_count() > 0 or name == roles.label)}
    if column.dtype == pl.Datetime("us", "UTC"):
        promise["unit"] = "UTC"
    elif column.dtype.is_numeric() and name == roles.label:
        promise["unit"] = _FLAG if roles.target.kind.name == "binary" else guess_unit(column)
    elif column.dtype.is_numeric() and not is_named:
        promise["unit"] = guess_unit(column)
        if name not in roles.personal:
            promise["range"] = choose_range(column, promise["unit"])
    elif column.dtype == pl.String and name not in roles.personal and (values := list_values(column)) is not None:
        promise["allowed"] = values
    if not is_named:
        # Seen once is no law of nature: what breaks it is counted, and a person decides whether it is refused.
        promise["severity"] = "warning"
    if name in roles.personal:
        promise["pii"] = "direct"
    promise["description"] = _sentence(original, roles, name)
    return promise


def _sentence(original: str, roles: Roles, name: str) -> str:
    what = {roles.key: "identifies the row", roles.time: "instant of the row", roles.label: "what is to be predicted"}.get(name)
    return f"Column {original!r} of the file{f', {what}' if what else ''}."


def _widen(column: pl.Series) -> list[float | None]:
    """What was seen, widened by half its span; never below 0 where nothing was, and whole where all values are."""
    low, high = column.min(), column.max()
    if low is None or high is None:
        return [0, None]
    low, high = float(str(low)), float(str(high))
    margin = (high - low) / 2 or 1.0
    if column.dtype.is_integer():
        margin = float(math.ceil(margin))
    least = 0.0 if low >= 0 else low - margin
    return [_short(least), _short(high + margin)]


def _short(value: float) -> float:
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() else short


def _flow(promise: Mapping[str, Any]) -> str:
    parts = [f"{key}: {_value(key, value)}" for key, value in promise.items()]
    return "{" + ", ".join(parts) + "}"


def _value(key: str, value: Any) -> str:
    if key in ("type", "severity", "pii"):
        return str(value)
    return _quote(value)


def _quote(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
