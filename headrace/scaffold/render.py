"""The files of a use case as text: Python from templates, contracts from promises. The same plan writes the same bytes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from headrace.scaffold.contracts import type_name
from headrace.scaffold.forecast import Forecast
from headrace.scaffold.placing import PLACED_AT
from headrace.scaffold.plan import Plan
from headrace.scaffold.promises import build_promises
from headrace.scaffold.roles import LEAK_AUC
from headrace.scaffold.together import SUSPICIOUS_AUC

_TEMPLATES = Path(__file__).parent / "templates"
# What a tuple may take of a line of 150, behind its name.
_LINE = 120

# What holds for every label that is built, as Python.
_LABEL_TESTS = {
    "binary": "set(labels[LABEL.name]) <= {1.0, 0.0}",
    "multiclass": "labels.schema[LABEL.name] == pl.String",
    "regression": "labels.schema[LABEL.name] == pl.Float64",
    "forecast": "labels.schema[LABEL.name] == pl.Float64",
}

# Modules that are other ones for a forecast.
_OF_FORECASTS = ("features", "label", "test")

_MODULES = ("__init__", "refine", "label", "features", "training", "policy", "subset")


def render_files(plan: Plan) -> dict[Path, str]:
    """Every file of the use case, by its path below the root of the clone."""
    # Pages would be escaped as HTML, and none of these is one: what comes from a file passes `literal` or `prose`, which escape for Python.
    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, autoescape=select_autoescape())
    environment.filters |= {"span": _span, "tuple": _tuple, "literal": literal, "prose": _prose, "number": _number}
    values = _build_values(plan)
    folder = Path("use_cases") / plan.name
    files = {folder / f"{module}.py": environment.get_template(_template(module, plan)).render(values) for module in _MODULES}
    contracts = Path("data_contracts") / plan.name
    files |= {contracts / f"{promise.table}.yaml": promise.render() for promise in build_promises(plan)}
    files[Path("tests") / "use_cases" / f"test_{plan.name}.py"] = environment.get_template(_template("test", plan)).render(values)
    return files


def _template(module: str, plan: Plan) -> str:
    """The template of a module; a forecast has some of its own."""
    special = "_forecast" if plan.forecast and module in _OF_FORECASTS else ""
    return f"{module.strip('_')}{special}.py.j2"


def _build_values(plan: Plan) -> dict[str, Any]:
    roles, rows, target = plan.roles, plan.table.rows, plan.roles.target
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
        "columns": plan.landed.rows.columns,
        **(_build_forecast_values(plan, plan.forecast) if plan.forecast else {}),
        "windows": plan.windows,
        "first_share": "60 %",
        "row_count": rows.height,
        "kind": target.kind,
        "objectives": target.objectives,
        "is_placed": PLACED_AT in plan.table.made,
        "label_sentence": f"{target.meaning}. {target.summary}",
        "label_expression": _label_expression(plan),
        "label_values": {"binary": "1.0 or 0.0", "multiclass": "a class"}.get(target.kind.name, "a number"),
        "label_test": _LABEL_TESTS[target.kind.name],
        "label_description": f"{target.meaning[0].upper()}{target.meaning[1:]}. Rows without a value have no label yet.",
        "min_search_gain": _round(0.001 * target.variance),
        "max_slice_loss": _round(0.02 * target.variance),
        "any_loss": _round(100.0 * target.variance),
        "left_out": roles.left_out,
        "request_columns": {name: _polars(rows.schema[name]) for name in columns},
        "ages": ages,
        "features": roles.features,
        "categorical": [feature.name for feature in roles.features if feature.kind == "category"],
        "forbidden": list(dict.fromkeys((roles.label, *roles.left_out))),
        "strongest": max(feature.auc for feature in roles.features),
        # History may foretell nearly everything: a temperature of tomorrow is that of today.
        "leak_auc": 1.0 if plan.forecast else LEAK_AUC,
        "suspicious_auc": 0.9999 if plan.forecast else SUSPICIOUS_AUC,
        "leaf_rows": plan.leaf_rows,
        "min_training_rows": plan.min_training_rows,
        "min_holdout_rows": plan.min_holdout_rows,
        "min_slice_rows": max(100, plan.min_holdout_rows // 10),
        "slices": plan.slices,
        "baseline": plan.baseline,
        "max_age": 2 * plan.windows.between,
        "min_new_labels": max(50, rows.height // 20),
        "sample": {name: _sample(plan.landed.rows.schema[name], number) for number, name in enumerate(plan.landed.rows.columns)},
    }


def _build_forecast_values(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    calendar = [one for one in plan.roles.features if one.name.startswith("target_")]
    on_demand = [forecast.entity, *(one.name for one in calendar)]
    return {
        "forecast": forecast,
        "has_hours": any(one.name == "target_hour" for one in calendar),
        "on_demand": on_demand,
        "in_view": [one.name for one in plan.roles.features if one.name not in on_demand],
    }


def _label_expression(plan: Plan) -> str:
    target, kind = plan.roles.target, plan.table.rows.schema[plan.roles.label]
    if target.kind.name == "multiclass":
        return "pl.col(NAME)" if kind == pl.String else "pl.col(NAME).cast(pl.String)"
    if target.positive is None or kind == pl.Boolean:
        return "pl.col(NAME).cast(pl.Float64)"
    return f"(pl.col(NAME) == {literal(target.positive)}).cast(pl.Float64)"


def _round(value: float) -> float:
    """Two digits: what a person would write."""
    return float(f"{value:.2g}")


def _span(span: timedelta) -> str:
    """`timedelta(days=28)`, as a person writes it."""
    if span % timedelta(days=1) == timedelta(0):
        return f"timedelta(days={span.days})"
    return f"timedelta(hours={span // timedelta(hours=1)})"


def _tuple(names: Sequence[str]) -> str:
    """A tuple of strings as the formatter leaves it: on one line, or one line each."""
    line = f"({', '.join(map(literal, names))}{',' if len(names) == 1 else ''})"
    return line if len(line) <= _LINE else "(\n" + "".join(f"        {literal(name)},\n" for name in names) + "    )"


def literal(value: str | float) -> str:
    """A value as Python, as the formatter leaves it: it may be anything that stood in a file."""
    if not isinstance(value, str):
        return repr(value)
    return repr(value) if '"' in value and value.count('"') > value.count("'") else _double(value)


def _double(text: str) -> str:
    # Behind a quote that is not escaped, `repr` chooses the other kind; its own escapes stay.
    body = repr(f"{text}'\"")[1:-4].replace("\\'", "'")
    return '"' + body.replace('"', '\\"') + '"'


def _number(value: float | None) -> str:
    """A number as Python, as the formatter leaves it: 1e16 without its plus."""
    return repr(value).replace("e+", "e")


def _prose(text: str) -> str:
    """A text from a file inside of a docstring: nothing in it ends the docstring or escapes from it."""
    return repr(text)[1:-1].replace("\\'", "'").replace("\\", "/").replace('"', "'")


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
