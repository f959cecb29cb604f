"""The data quality page: what was expected of every batch and what came, as one HTML file that needs no network.

What is broken stands first, and blocked batches are open; all others are folded, so that a page about a year of batches is
still read from its top.
"""

from collections.abc import Iterator
from html import escape

import polars as pl

from headrace.words import format_count

_VERDICT = "batch_verdict"

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --quiet: #5d6875; --paper: #f6f7f9; --card: #fff; --line: #dde2e8;
        --good: #1a7f45; --bad: #b8242f; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --quiet: #98a4b3; --paper: #12161c; --card: #1a2029; --line: #303a46;
        --good: #5ccb8a; --bad: #ff8a8a; --warn: #e6b450; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font: 600 1.05rem/1.4 ui-monospace, monospace; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
p { margin: 0; color: var(--quiet); }
details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .6rem .9rem; overflow-wrap: anywhere; }
summary code { margin: 0 .5rem; }
details > p { padding: 0 .9rem .6rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border-top: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:last-child { min-width: 18rem; }
code { font: .86rem ui-monospace, monospace; overflow-wrap: anywhere; }
.mark { font-weight: 600; white-space: nowrap; }
.passed { color: var(--good); } .broken, .blocked { color: var(--bad); } .warned { color: var(--warn); }
"""

_HEAD = f"""<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality</title><style>{_STYLE}</style>"""

_HEADINGS = ("Result", "Expectation", "Level", "Rows that break it", "Expected, and what came")


def render_quality_page(rows: pl.DataFrame) -> str:
    """The page of some batches.

    Args:
        rows: Rows of `metrics.data_quality`, for one use case or many.

    Returns:
        HTML, complete in itself. By table and batch, blocked batches first, then those with a broken expectation.
    """
    verdicts = rows.filter(pl.col("expectation") == _VERDICT)
    blocked_count = verdicts.height - int(verdicts["is_passed"].sum())
    rejected_count = int(verdicts["rows_failed"].sum())
    batches, rows_read = format_count(verdicts.height, "batch"), format_count(int(verdicts["rows_read"].sum()), "row")
    summary = f"{batches}, {blocked_count} blocked; {rows_read} read, {rejected_count:,} rejected."
    sections = "".join(_render_tables(rows)) or "<p>No batch has been judged yet.</p>"
    body = f"<h1>Data quality</h1><p>{escape(summary)}</p>{sections}"
    return f'<!doctype html>\n<html lang="en"><head>{_HEAD}</head><body>{body}</body></html>\n'


def _render_tables(rows: pl.DataFrame) -> Iterator[str]:
    """One section per table, the worst batches first; tables follow each other by their worst batch."""
    batches = rows.group_by("table_name", "batch_id").agg(_trouble().alias("trouble")).sort("trouble", "batch_id", descending=[True, False])
    tables = batches.group_by("table_name").agg(pl.col("trouble").max()).sort("trouble", "table_name", descending=[True, False])
    for table in tables["table_name"]:
        yield f"<h2>{escape(table)}</h2>"
        for batch in batches.filter(pl.col("table_name") == table).iter_rows(named=True):
            of_batch = (pl.col("table_name") == table) & (pl.col("batch_id") == batch["batch_id"])
            yield _render_batch(batch["batch_id"], rows.filter(of_batch), trouble=batch["trouble"])


def _trouble() -> pl.Expr:
    """How bad a batch is: 2 blocked or without a verdict, 1 with a broken expectation, 0 clean."""
    is_blocked = ~((pl.col("expectation") == _VERDICT) & pl.col("is_passed")).any()
    is_broken = (~pl.col("is_passed")).any()
    return pl.when(is_blocked).then(2).when(is_broken).then(1).otherwise(0)


def _render_batch(batch_id: str, rows: pl.DataFrame, *, trouble: int) -> str:
    verdict = rows.filter(pl.col("expectation") == _VERDICT)
    reason = verdict["reason"][0] if verdict.height else "no verdict was recorded for this batch"
    mark, word = (("passed", "✓ passed"), ("warned", "! passed, with findings"), ("blocked", "✕ blocked"))[trouble]
    ordered = rows.filter(pl.col("expectation") != _VERDICT).sort("is_passed", "severity", maintain_order=True)
    body = "".join(_render_expectation(row) for row in ordered.iter_rows(named=True))
    headings = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    opened = " open" if trouble == 2 else ""
    return (
        f'<details{opened}><summary><span class="mark {mark}">{word}</span><code>{escape(batch_id)}</code></summary><p>{escape(reason)}</p>'
        f'<div class="scroll"><table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def _render_expectation(row: dict[str, object]) -> str:
    if row["is_passed"]:
        mark, word = "passed", "✓ kept"
    else:
        mark, word = ("broken", "✕ broken") if row["severity"] == "critical" else ("warned", "! warning")
    # A long name may break after an underscore, and the column of sentences keeps its width.
    name = escape(str(row["expectation"])).replace("_", "_<wbr>")
    failed = f"{row['rows_failed']:,} of {row['rows_read']:,}" if row["level"] == "row" else "–"
    cells = (
        f'<td class="mark {mark}">{word}</td><td><code>{name}</code></td><td>{escape(str(row["level"]))}</td>'
        f'<td class="number">{failed}</td><td>{escape(str(row["reason"]))}</td>'
    )
    return f"<tr>{cells}</tr>"
