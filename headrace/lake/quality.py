"""The data quality gate: judge one batch against its contract, row by row and as a whole.

Great Expectations decides what it can express. What it cannot (which repeat of a key stays, NaN beside null, rows per
day) Polars computes, and the same verdict judges it. The gate blocks by default: a promise that could not be decided is a
promise broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.lake.contracts import Contract, list_schema_differences, load_contract
from headrace.lake.expectations import KEY_CHECK, Check, build_checks
from headrace.lake.suites import Result, ask, read_exception

GATE = "data_quality"
TABLE = "metrics.data_quality"

# The row of `metrics.data_quality` that holds the verdict on the batch, and the check that stands before all others.
VERDICT = "batch_verdict"
COLUMNS_CHECK = "columns_are_as_promised"

_BROKEN_ROW: dict[str, pl.DataType] = {"row": pl.Int64()}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one check ended.

    Attributes:
        check: What was promised.
        is_passed: Whether it holds.
        is_decided: Whether that could be found out; False blocks, whatever the severity.
        reason: What was expected and what came, without values of rows.
        rows: Numbers of the rows that break it, ascending (level `row` only).
    """

    check: Check
    is_passed: bool
    is_decided: bool = True
    reason: str
    rows: Sequence[int] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """The verdict on a batch, and all that it rests on.

    Attributes:
        table: Local name of the table.
        contract_version: Version of the contract that judged.
        findings: One per check, in the contract's order.
        broken: Per row of the batch: names of the critical row-level checks it breaks, joined by ", "; null: none.
        decision: The verdict.
    """

    table: str
    contract_version: int
    findings: tuple[Finding, ...]
    broken: pl.Series
    decision: Decision

    @property
    def rows_read(self) -> int:
        """Rows of the batch."""
        return self.broken.len()

    @property
    def rows_rejected(self) -> int:
        """Rows that belong in quarantine."""
        return self.broken.len() - self.broken.null_count()

    def as_rows(self, *, use_case: str, batch_id: str) -> pl.DataFrame:
        """The report as rows of `metrics.data_quality`: one per check, then the verdict."""
        rows = [self._build_row(finding) for finding in self.findings]
        verdict = {"expectation": VERDICT, "level": "batch", "severity": "critical", "is_passed": self.decision.passed}
        rows.append(verdict | {"rows_failed": self.rows_rejected, "reason": self.decision.reason})
        of_batch = {"use_case": use_case, "table_name": self.table, "batch_id": batch_id, "contract_version": self.contract_version}
        return pl.DataFrame([of_batch | {"rows_read": self.rows_read} | row for row in rows], schema=load_contract(TABLE).schema)

    def _build_row(self, finding: Finding) -> dict[str, Any]:
        check = finding.check
        row = {"expectation": check.name, "column_name": check.column, "level": check.level, "severity": check.severity}
        return row | {"is_passed": finding.is_passed, "rows_failed": len(finding.rows), "reason": finding.reason}


def judge(frame: pl.DataFrame, contract: Contract, *, taken: pl.DataFrame | None = None) -> QualityReport:
    """Judge a batch.

    Args:
        frame: The rows, with the columns and types of the contract, system columns included.
        contract: What they must keep.
        taken: Key columns of the rows that other batches brought; where the key is `on_repeat: reject`, a row that
            repeats one of them is rejected. None: the batch is judged alone.

    Returns:
        The report. Data never raises: wrong columns, broken rows and undecided checks are findings.

    Raises:
        ContractError: The contract promises nothing, or what nobody can check.
    """
    checks = build_checks(contract)
    columns = _find_columns(frame, contract)
    if not columns.is_passed:
        nothing_fits = pl.repeat(COLUMNS_CHECK, frame.height, dtype=pl.String, eager=True)
        reason = f"{contract.table}: {columns.reason}. Correct the delivery, or the contract if the table changed"
        return _report(contract, [columns], nothing_fits, blocked(GATE, reason))
    if frame.is_empty():
        return _report(contract, [columns], pl.Series([], dtype=pl.String), _decide_empty(contract))
    findings = _find_by_great_expectations(frame, contract, checks) | _find_by_polars(frame, checks)
    # Repeats are looked for among sound rows only: a broken row must not push a good one with its key out of the table.
    is_sound = _join_names(frame.height, list(findings.values())).is_null()
    findings |= {check.name: _find_repeats(frame, contract, check, is_sound=is_sound, taken=taken) for check in checks if check.name == KEY_CHECK}
    ordered = [findings[check.name] for check in checks]
    broken = _join_names(frame.height, ordered)
    return _report(contract, [columns, *ordered], broken, _decide(contract, [columns, *ordered], broken))


def _report(contract: Contract, findings: Sequence[Finding], broken: pl.Series, decision: Decision) -> QualityReport:
    return QualityReport(table=contract.table, contract_version=contract.version, findings=tuple(findings), broken=broken, decision=decision)


def _decide_empty(contract: Contract) -> Decision:
    if contract.allow_empty:
        return passed(GATE, f"{contract.table}: 0 rows came, which its contract allows")
    return blocked(GATE, f"{contract.table}: 0 rows came, expected at least one. See why the source sent none, or set allow_empty in the contract")


def _decide(contract: Contract, findings: Sequence[Finding], broken: pl.Series) -> Decision:
    """The verdict: every check was decided, no critical promise about the whole is broken, few enough rows are rejected."""
    read, rejected = broken.len(), broken.len() - broken.null_count()
    fraction = rejected / read
    undecided = [finding for finding in findings if not finding.is_decided]
    of_the_whole = [f for f in findings if f.check.level != "row" and f.check.severity == "critical" and not f.is_passed and f.is_decided]
    of_rows = [f for f in findings if f.check.level == "row" and f.check.severity == "critical" and not f.is_passed and f.is_decided]
    evidence: dict[str, float | str] = {"rows_read": float(read), "rows_rejected": float(rejected), "rejected_fraction": fraction}
    evidence |= {"tolerance_fraction": contract.tolerance_fraction, "tolerance_rows": float(contract.tolerance_rows)}
    evidence |= {f"rows_failed/{f.check.name}": float(len(f.rows)) for f in of_rows}

    or_rows = f" or {contract.tolerance_rows} rows" if contract.tolerance_rows else ""
    share = f"{rejected} of {read} rows rejected ({fraction:.2%}, its contract tolerates {contract.tolerance_fraction:.2%}{or_rows})"
    reasons = [f"{finding.check.name} could not be decided: {finding.reason}" for finding in undecided]
    reasons += [f"{finding.check.name}: {finding.reason}" for finding in of_the_whole]
    if fraction > contract.tolerance_fraction and rejected > contract.tolerance_rows:
        reasons.append(f"{share}: " + ", ".join(f"{finding.check.name} {len(finding.rows)}" for finding in of_rows))
    if reasons:
        next_move = f"Correct the source, or, if it is right, the contract (version {contract.version}), and run again"
        return blocked(GATE, f"{contract.table}: {'; '.join(reasons)}. {next_move}", evidence)
    return passed(GATE, f"{contract.table}: {share}", evidence)


def _find_columns(frame: pl.DataFrame, contract: Contract) -> Finding:
    differences = list_schema_differences(frame.schema, contract.schema)
    promise = f"{len(contract.schema)} columns with their types"
    check = Check(name=COLUMNS_CHECK, type=None, level="table", severity="critical", column=None, description=promise)
    return Finding(check=check, is_passed=not differences, reason="; ".join(differences) or f"{promise}, as promised")


def _find_by_great_expectations(frame: pl.DataFrame, contract: Contract, checks: Sequence[Check]) -> dict[str, Finding]:
    asked = [check for check in checks if check.type is not None]
    of_days = [check for check in asked if check.level == "day"]
    of_rows = [check for check in asked if check.level != "day"]
    results = ask(frame.select(list(contract.columns)), contract.table, of_rows)
    if of_days:
        results |= ask(_count_days(frame, str(contract.event_time)), contract.table, of_days)
    return {check.name: _read_result(check, results.get(check.name), frame.height) for check in asked}


def _count_days(frame: pl.DataFrame, event_time: str) -> pl.DataFrame:
    """Rows per UTC day. Grain: one row per day that has any."""
    return frame.group_by(pl.col(event_time).dt.date().alias("date")).agg(pl.len().cast(pl.Int64).alias("row_count")).sort("date")


def _read_result(check: Check, result: Result | None, row_count: int) -> Finding:
    if result is None:
        return _undecided(check, "Great Expectations gave no result")
    if error := read_exception(result["exception"]):
        return _undecided(check, f"Great Expectations raised {error}; correct the expectation's type or arguments")
    if check.level != "row":
        return Finding(check=check, is_passed=result["success"] is True, reason=_explain_whole(check, result))
    rows = [] if result["success"] is True else result.get("unexpected_index_list")
    if not isinstance(rows, list) or (not rows and result["success"] is not True):
        return _undecided(check, "Great Expectations does not say which rows break it; give it the level table")
    return _finding_of_rows(check, sorted(int(row) for row in rows), row_count)


def _undecided(check: Check, reason: str) -> Finding:
    return Finding(check=check, is_passed=False, is_decided=False, reason=reason)


def _explain_whole(check: Check, result: Result) -> str:
    """What was promised and, for counts and shares, what came; the maximum of a column would be some row's value."""
    is_count = check.level == "day" or "row_count" in str(check.type) or "proportion" in str(check.type)
    limits = {"at least": check.kwargs.get("min_value"), "at most": check.kwargs.get("max_value")}
    bounds = [f"{word} {limit:g}" for word, limit in limits.items() if limit is not None]
    if result["success"] is True:
        return f"kept: {check.description}"
    if not is_count or result.get("observed_value") is None or not bounds:
        return f"broken: {check.description}"
    return f"expected {' and '.join(bounds)}, came {float(result['observed_value']):g}: {check.description}"


def _find_by_polars(frame: pl.DataFrame, checks: Sequence[Check]) -> dict[str, Finding]:
    """The promise of finite numbers, which is lost on the way to pandas."""
    asked = [check for check in checks if check.type is None and check.name != KEY_CHECK]
    broken = {check.name: frame[str(check.column)].is_finite().not_().fill_null(False) for check in asked}
    return {check.name: _finding_of_rows(check, broken[check.name].arg_true().to_list(), frame.height) for check in asked}


def _find_repeats(frame: pl.DataFrame, contract: Contract, check: Check, *, is_sound: pl.Series, taken: pl.DataFrame | None) -> Finding:
    """Which rows repeat a key: all but the one that stays, among rows that break nothing else and have a whole key.

    Of events the first known row stays, of reference data the newest; where both were known at once, the order of the
    batch decides.
    """
    key = contract.key
    if key is None:
        return _finding_of_rows(check, [], frame.height)
    columns, number = list(key.columns), "_row"
    order = [*([contract.known_time] if contract.known_time else []), number]
    candidates = frame.with_row_index(number).filter(is_sound).drop_nulls(columns).sort(order)
    stays = candidates.unique(columns, keep="first" if key.on_repeat == "reject" else "last", maintain_order=True)
    if taken is not None and key.on_repeat == "reject":
        stays = stays.join(taken.select(columns).unique(), on=columns, how="anti")
    repeats = candidates.join(stays.select(number), on=number, how="anti")
    return _finding_of_rows(check, repeats[number].sort().to_list(), frame.height)


def _finding_of_rows(check: Check, rows: Sequence[int], row_count: int) -> Finding:
    kept = "the only row keeps" if row_count == 1 else f"all {row_count} rows keep"
    reason = f"{len(rows)} of {row_count} rows break it: {check.description}" if rows else f"{kept} it: {check.description}"
    return Finding(check=check, is_passed=not rows, reason=reason, rows=rows)


def _join_names(row_count: int, findings: Sequence[Finding]) -> pl.Series:
    """Per row: names of the critical row-level checks that it breaks, in the contract's order; null where it breaks none."""
    broken = [finding for finding in findings if finding.check.severity == "critical" and finding.rows]
    pieces = [pl.DataFrame({"row": f.rows}, schema=_BROKEN_ROW).with_columns(pl.lit(f.check.name).alias("name")) for f in broken]
    named = pl.concat(pieces or [pl.DataFrame(schema=_BROKEN_ROW | {"name": pl.String()})])
    named = named.group_by("row", maintain_order=True).agg(pl.col("name").str.join(", "))
    return pl.DataFrame({"row": range(row_count)}, schema=_BROKEN_ROW).join(named, on="row", how="left", maintain_order="left")["name"]
