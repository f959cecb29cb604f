"""From a contract to checks: what Great Expectations shall be asked about a batch, and what Polars decides beside it.

Great Expectations drops an expectation whose type it does not know, and an empty suite passes. Here both are errors: a
contract compiles to as many checks as it makes promises, and to at least one.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from headrace.errors import ContractError
from headrace.lake.contracts import Column, Contract, Expectation, Level, Severity

# Columns of the frame that expectations of level `day` are about.
DAY_COLUMNS = ("date", "row_count")

KEY_CHECK = "key_is_unique"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One promise, ready to be asked.

    Attributes:
        name: The claim; unique in its contract.
        type: Great Expectations' name of it; None: Polars decides.
        level: What breaks it: single rows, the table, or the rows of a day.
        severity: `critical` rejects rows or stops the batch, `warning` counts.
        column: The column it is about; None where it is about several or none.
        description: What is promised, for a person.
        kwargs: Its arguments in Great Expectations' words.
    """

    name: str
    type: str | None
    level: Level
    severity: Severity
    column: str | None
    description: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def build_checks(contract: Contract) -> tuple[Check, ...]:
    """Compile a contract.

    Returns:
        Its checks, in the order of its columns, then its key, then its own expectations.

    Raises:
        ContractError: It promises nothing, names an expectation or a column that does not exist, or uses one name twice.
    """
    checks = [check for name, column in contract.columns.items() for check in _column_checks(name, column)]
    if contract.key:
        promise = f"no two rows share {' and '.join(contract.key.columns)}"
        only = contract.key.columns[0] if len(contract.key.columns) == 1 else None
        checks.append(Check(name=KEY_CHECK, type=None, level="row", severity="critical", column=only, description=promise))
    checks += [_own_check(contract, expectation) for expectation in contract.expectations]
    if not checks:
        raise ContractError(f"contract of {contract.table} promises nothing; give it a column that is not nullable, a key or an expectation")
    names = [check.name for check in checks]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ContractError(f"contract of {contract.table} has two expectations called {', '.join(repeated)}; rename one")
    if asked := [check for check in checks if check.type is not None]:
        build_suite(contract.table, asked)
    return tuple(checks)


def build_suite(table: str, checks: list[Check]) -> Any:
    """The Great Expectations suite of the checks that it decides.

    Raises:
        ContractError: It does not accept one of them, or silently left one out.
    """
    gx = great_expectations()
    configurations = [
        {"type": check.type, "kwargs": dict(check.kwargs), "severity": check.severity, "meta": {"name": check.name}} for check in checks
    ]
    try:
        suite = gx.ExpectationSuite(name=table, expectations=configurations)
    except ValueError as error:  # what its validation of arguments raises
        findings = " ".join(str(error).split())
        raise ContractError(f"contract of {table}: Great Expectations refuses an expectation's arguments: {findings}") from error
    if len(suite.expectations) != len(checks) or not checks:
        taken = len(suite.expectations)
        raise ContractError(f"contract of {table} makes {len(checks)} promises, Great Expectations took {taken}; correct what it left out")
    return suite


@cache
def great_expectations() -> ModuleType:
    """Great Expectations, imported when first needed (2 to 4 CPU-seconds), without its telemetry and its chatter."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    # Its modules set levels of their own when they are imported, so theirs come after.
    for name in ("great_expectations", "great_expectations.data_context.types.base"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return gx


def _column_checks(name: str, column: Column) -> Iterator[Check]:
    def check(claim: str, kind: str | None, promise: str, **kwargs: Any) -> Check:
        arguments = {"column": name, **kwargs}
        return Check(name=f"{name}_{claim}", type=kind, level="row", severity=column.severity, column=name, description=promise, kwargs=arguments)

    if not column.nullable:
        yield check("is_not_null", "expect_column_values_to_not_be_null", f"{name} is never null")
    if column.type == "float64":
        # pandas has one sign for "missing" and "not a number", so Great Expectations cannot tell a NaN from a null.
        yield check("is_finite", None, f"{name} is a finite number or null")
    if column.allowed is not None:
        promise = f"{name} is one of {len(column.allowed)} allowed values"
        yield check("is_allowed", "expect_column_values_to_be_in_set", promise, value_set=list(column.allowed))
    if column.range is not None:
        low, high = column.range
        unit = f" {column.unit}" if column.unit else ""
        bounds = " and ".join(f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None)
        yield check("is_in_range", "expect_column_values_to_be_between", f"{name} is {bounds}{unit}", min_value=low, max_value=high)


def _own_check(contract: Contract, expectation: Expectation) -> Check:
    where = f"contract of {contract.table}, expectation {expectation.name}"
    kwargs, known = expectation.kwargs, DAY_COLUMNS if expectation.level == "day" else tuple(contract.columns)
    columns = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs] + list(kwargs.get("column_list", ()))
    if unknown := [column for column in columns if column not in known]:
        raise ContractError(f"{where}: is about {', '.join(map(str, unknown))}; columns: {', '.join(known)}")
    if expectation.level == "row" and "mostly" in kwargs:
        raise ContractError(f"{where}: `mostly` would let broken rows through; leave it out, tolerance_fraction says how many rows may be rejected")
    _check_type(expectation, where)
    column = columns[0] if len(columns) == 1 else None
    return Check(
        name=expectation.name,
        type=expectation.type,
        level=expectation.level,
        severity=expectation.severity,
        column=column,
        description=expectation.description.rstrip("."),
        kwargs=kwargs,
    )


def _check_type(expectation: Expectation, where: str) -> None:
    """Refuse a type that Great Expectations would drop in silence, and one of level `row` that could not name the rows."""
    great_expectations()
    from great_expectations.expectations import expectation as kinds
    from great_expectations.expectations.registry import get_expectation_impl, list_registered_expectation_implementations

    known = sorted(list_registered_expectation_implementations())
    if expectation.type not in known:
        alike = [name for name in known if expectation.type.split("_to_")[0] in name] or known
        raise ContractError(f"{where}: Great Expectations has no {expectation.type}; it has {', '.join(alike)}")
    judges_rows = issubclass(
        get_expectation_impl(expectation.type), (kinds.ColumnMapExpectation, kinds.ColumnPairMapExpectation, kinds.MulticolumnMapExpectation)
    )
    if expectation.level == "row" and not judges_rows:
        raise ContractError(f"{where}: {expectation.type} judges the table and cannot name rows; give it the level table")
