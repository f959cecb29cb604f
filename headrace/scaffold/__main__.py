"""Make a use case from a table: `make use-case NAME=churn FROM=customers.parquet LABEL=churned TIME=signed_up_at KEY=customer_id`.

Nothing that is there is written over. Exit codes as in `headrace.errors`.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl

from headrace.errors import HeadraceError, UseCaseError
from headrace.lake.landing import KNOWN_AT
from headrace.scaffold.more import add_rows
from headrace.scaffold.placing import PLACED_AT
from headrace.scaffold.plan import Plan, Question, build_plan, check_name
from headrace.scaffold.reading import INSTANT, Table, read_table
from headrace.scaffold.render import render_files
from headrace.scaffold.writing import PATCH, build_patch, check_free, find_feed, find_same, hold, land, write_files
from headrace.settings import ROOT
from headrace.words import format_count

_WANTED = ("name", "from", "label", "time", "key")
_OPTIONAL = ("kind", "group")

# A label of more values is a number or a name; the offer lists the others.
_FEW = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, decide, write, and say on one screen what was assumed."""
    parser = argparse.ArgumentParser(prog="python -m headrace.scaffold", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in (*_WANTED, *_OPTIONAL):
        parser.add_argument(f"--{name}", dest=name, default="")
    parser.add_argument("--root", type=Path, default=ROOT, help="the clone that gets the files")
    options = vars(parser.parse_args(sys.argv[1:] if arguments is None else arguments))
    try:
        _make(options, root=options["root"])
    except HeadraceError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    return 0


def _make(options: dict[str, str], *, root: Path) -> None:
    if not options["from"]:
        others = "NAME, LABEL, TIME and KEY are needed too, and what the table offers for them is said once it is known"
        raise UseCaseError(f"FROM is missing: the table to start from; for example FROM=customers.parquet. {others}")
    source = Path(options["from"]).expanduser()
    began = time.monotonic()
    _say(f"reading {source}")
    table = read_table(source)
    _say(f"  {format_count(table.rows.height, 'row')}, {format_count(table.rows.width, 'column')} in {time.monotonic() - began:.1f} s")
    _check_complete(options, table)
    check_name(options["name"])
    try:
        with hold(root):
            _plan_and_write(options, table, source=source, root=root, began=began)
    except OSError as error:
        raise UseCaseError(
            f"{error.filename or root} cannot be written: {error.strerror or error}; make room or ask for the right, then again"
        ) from error


def _plan_and_write(options: dict[str, str], table: Table, *, source: Path, root: Path, began: float) -> None:
    asked = {name: options[name] for name in ("name", "label", "time", "key", *_OPTIONAL)}
    question = Question(source=source, feed=find_feed(options["name"], root=root), **asked)
    if question.feed is not None:
        _add_and_propose(question, table, feed=question.feed, root=root)
        return
    _say("measuring every column against the label")
    plan = build_plan(question, table)
    files = render_files(plan)
    check_free(files, root=root)
    # The rows first: a use case without rows would be half of one, rows without it are only a file.
    rows = plan.landed.rows.with_columns(pl.col(plan.landed_roles.time).alias(KNOWN_AT))
    folder = root / "landing" / plan.name / plan.feed
    # A run that was killed behind its rows has left them.
    landed = find_same(rows, folder) or land(rows, folder=folder, source=source)
    written = write_files(files, root=root)
    _say(_describe(plan, written=len(written), landed=landed.relative_to(root), seconds=time.monotonic() - began))


def _add_and_propose(question: Question, table: Table, *, feed: str, root: Path) -> None:
    """More rows for a use case that is there, and what its files would be, were they made from these."""
    added = add_rows(question, table, feed=feed, root=root)
    where = added.path.relative_to(root)
    replaced = "" if added.replaced_count is None else f"; {added.replaced_count:,} have the key of an earlier row and take its place"
    rows = format_count(added.row_count, "row")
    what = f"adding {rows} to it, in {where}{replaced}" if added.is_new else f"it has these {rows}, in {where}"
    _say(f"\n{question.name} is there already: {what}")
    try:
        files = render_files(build_plan(question, table))
    except UseCaseError as error:
        _say(f"  its files stay as they are; from these rows alone nothing could be proposed: {error}")
        return
    patch = build_patch(files, root=root)
    written = write_files(files, root=root)
    _say(f"  written       {format_count(len(written), 'file')}, missing until now" if written else "  written       0 files, yours were kept")
    if patch:
        path = root / "landing" / question.name / PATCH
        path.write_text(patch, encoding="utf-8")
        count = patch.count("\n+++ ") + patch.startswith("+++ ")
        _say(f"  {format_count(count, 'file')} would differ, made from this table alone: yours (-), made anew (+), in {path.relative_to(root)}")
        _say(f"  take all of it: git apply {path.relative_to(root)}")


def _check_complete(options: dict[str, str], table: Table) -> None:
    """Ask for what is missing, and say what the table offers for it."""
    if all(options[name] for name in _WANTED):
        return
    rows = table.rows
    few = [name for name in rows.columns if 2 <= rows[name].drop_nulls().n_unique() <= _FEW]
    times = [name for name, kind in rows.schema.items() if kind in (INSTANT, pl.Date)]
    unique = [name for name in rows.columns if rows.schema[name] in (pl.String, pl.Int64) and rows[name].drop_nulls().n_unique() == rows.height]
    offers = {
        "name": "a name for the use case, lower case; for example NAME=churn",
        "label": f"the column to predict: yes or no, a class, or a number (columns of 2 to {_FEW} values: {_join(few)})",
        "time": f"the column of each row's date or instant (columns of those: {_join(times)}); a table without one: TIME=none",
        "key": f"the column that identifies a row (columns without a repeated value: {_join(unique)}); a table without one: KEY=none",
    }
    missing = [f"{name.upper()} is missing: {offer}" for name, offer in offers.items() if not options[name]]
    if missing:
        raise UseCaseError("\n  ".join(missing))


def _describe(plan: Plan, *, written: int, landed: Path, seconds: float) -> str:
    roles, windows, target = plan.roles, plan.windows, plan.roles.target
    left_out = [f"    {name}: {why}" for name, why in roles.left_out.items()]
    strongest = ", ".join(f"{one.name} {one.auc:.2f}" for one in roles.features[:4])
    scale = f"{target.kind.words.ranking} on newer rows: 0.5 or below tells nothing, 1 tells all"
    rule = f"the {target.kind.words.rule} of {roles.label} per {' and '.join(plan.baseline)}"
    if plan.forecast:
        rule = f"as it was before: {next(iter(plan.baseline))}"
    is_placed = PLACED_AT in plan.table.made
    first, steps = f"{windows.ticks[0]:%Y-%m-%d}{' (a made-up day)' if is_placed else ''}", format_count(len(windows.ticks) - 1, "step")
    lines = [
        "",
        f"{plan.name}: {plan.title} {target.summary}",
        f"  features      {len(roles.features)}; strongest alone: {strongest}",
        f"                ({scale})",
        f"  left out      {len(left_out)}" + (":" if left_out else ""),
        *left_out[:12],
        *([f"    ... {len(left_out) - 12} more, in use_cases/{plan.name}/features.py"] if len(left_out) > 12 else []),
        f"  {'at random' if is_placed else 'by time':<14}of the rows until {first} the oldest teach the first model, the next "
        f"{_days(windows.validation)} tune it,",
        f"                the last {_days(windows.holdout)} judge it",
        f"                then {steps} (ticks) until {windows.ticks[-1]:%Y-%m-%d}: score, monitor, and retrain where it pays",
        f"  to beat       a business rule: {rule}",
        "  to check",
        *[f"    - {check}" for check in plan.checks],
        f"  written       {written} files in use_cases/{plan.name}, data_contracts/{plan.name}, tests/use_cases; rows in {landed} ({seconds:.0f} s)",
        f"  next          make run USE_CASE={plan.name}",
    ]
    return "\n".join(lines)


def _days(span: timedelta) -> str:
    return f"{span.days} days" if span >= timedelta(days=2) else format_count(span // timedelta(hours=1), "hour")


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) or "none"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
