"""The files of a use case as text: Python from templates, contracts from promises. The same plan writes the same bytes."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headrace.scaffold.contracts import type_name
from headrace.scaffold.plan import Plan
from headrace.scaffold.promises import build_promises
from headrace.scaffold.roles import LEAK_AUC
from headrace.scaffold.together import SUSPICIOUS_AUC

_TEMPLATES = Path(__file__).parent / "templates"
_MODULES = ("__init__", "refine", "label", "features", "training", "policy", "subset")


def render_files(plan: Plan) -> dict[Path, str]:
    """Every file of the use case, by its path below the root of the clone."""
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - Python, not HTML
    environment.filters |= {"span": _span, "tuple": _tuple}
    values = _build_values(plan)
    folder = Path("use_cases") / plan.name
    files = {folder / f"{module}.py": environment.get_template(f"{module.strip('_')}.py.j2").render(values) for module in _MODULES}
    contracts = Path("data_contracts") / plan.name
    files |= {contracts / f"{promise.table}.yaml": promise.render() for promise in build_promises(plan)}
    files[Path("tests") / "use_cases" / f"test_{plan.name}.py"] = environment.get_template("test.py.j2").render(values)
    return files


def _build_values(plan: Plan) -> dict[str, Any]:
    roles, rows = plan.roles, plan.table.rows
    ages = [feature for feature in roles.features if feature.kind == "age"]
    columns = dict.fromkeys((roles.key, roles.time, *(feature.column for feature in roles.features)))
    return {
        "name": plan.name,
        "title": plan.title,
        "title_sentence": f"{plan.title[0].upper()}{plan.title[1:]}",
        "origin": plan.origin,
        "owner": plan.owner,
        "feed": plan.feed,
        "roles": roles,
        "columns": rows.columns,
        "windows": plan.windows,
        "first_share": "60 %",
        "row_count": rows.height,
        "label_sentence": f"`{roles.label}` is {json.dumps(roles.positive) if isinstance(roles.positive, str) else roles.positive}, "
        f"as it was for {roles.label_rate:.1%} of the labelled rows.",
        "label_expression": _label_expression(plan),
        "label_description": f"{roles.label} is {roles.positive}. Rows without a value have no label yet.".replace('"', "'"),
        "left_out": roles.left_out,
        "request_columns": {name: _polars(rows.schema[name]) for name in columns},
        "ages": ages,
        "features": roles.features,
        "categorical": [feature.name for feature in roles.features if feature.kind == "category"],
        "forbidden": list(dict.fromkeys((roles.label, *roles.left_out))),
        "strongest": max(feature.auc for feature in roles.features),
        "leak_auc": LEAK_AUC,
        "suspicious_auc": SUSPICIOUS_AUC,
        "leaf_rows": plan.leaf_rows,
        "min_training_rows": plan.min_training_rows,
        "min_holdout_rows": plan.min_holdout_rows,
        "min_slice_rows": max(100, plan.min_holdout_rows // 10),
        "slices": plan.slices,
        "baseline": plan.baseline,
        "max_age": 2 * plan.windows.between,
        "min_new_labels": max(50, rows.height // 20),
        "sample": {name: _sample(rows.schema[name], number) for number, name in enumerate(rows.columns)},
    }


def _label_expression(plan: Plan) -> str:
    if plan.table.rows.schema[plan.roles.label] == pl.Boolean:
        return "pl.col(NAME).cast(pl.Float64)"
    return f"(pl.col(NAME) == {json.dumps(plan.roles.positive)}).cast(pl.Float64)"


def _span(span: timedelta) -> str:
    """`timedelta(days=28)`, as a person writes it."""
    if span % timedelta(days=1) == timedelta(0):
        return f"timedelta(days={span.days})"
    return f"timedelta(hours={span // timedelta(hours=1)})"


def _tuple(names: Sequence[str]) -> str:
    """A tuple of strings on one line, as the formatter leaves it."""
    return f"({', '.join(map(json.dumps, names))}{',' if len(names) == 1 else ''})"


def _polars(kind: pl.DataType) -> str:
    return {"timestamp": 'pl.Datetime("us", "UTC")'}.get(type_name(kind)) or f"pl.{type(kind).__name__}()"


def _sample(kind: pl.DataType, number: int) -> str:
    """A made-up value of a type, as Python: tests hold nobody's data."""
    samples: Mapping[str, str] = {
        "string": f'"a{number}"',
        "int64": str(number),
        "float64": f"{number}.5",
        "bool": "True",
        "date": "date(2020, 1, 1)",
        "timestamp": "datetime(2020, 1, 1, tzinfo=UTC)",
    }
    return samples[type_name(kind)]
