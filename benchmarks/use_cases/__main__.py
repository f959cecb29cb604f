"""Four real tables, from the file to a champion, with what a person had to do: `make bench-use-cases`.

Each table goes through `make use-case` and `make run` in a clone of its own. The champion's loss on its holdout is set beside its rule of
thumb's and beside that of a LightGBM script that somebody wrote by hand for this table (`blind/`), without having seen what is generated.
`TABLES=bundesliga,diamonds` does some of them.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.use_cases.clone import Clone
from benchmarks.use_cases.figures import Figures, measure
from benchmarks.use_cases.public_templates import format_templates
from benchmarks.use_cases.real_tables import TABLES, RealTable
from headrace.lake import tables


def main() -> int:
    """Run them one after the other and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.use_cases", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="", help=f"some of {', '.join(TABLES)}, with commas between")
    chosen = parser.parse_args().tables
    names = [name for name in chosen.split(",") if name] or list(TABLES)
    if unknown := [name for name in names if name not in TABLES]:
        sys.stderr.write(f"TABLES={','.join(unknown)} is none of {', '.join(TABLES)}\n")
        return 2
    found = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
            found.append(run_table(Path(folder), name, TABLES[name]))
        _say(_format(found[-1]))
    _say("\n" + "\n".join(format_table(found)))
    _say("\nBeside public templates (each read at one commit, none run):\n")
    _say("\n".join(format_templates(f"{min(one.minutes for one in found):.1f} to {max(one.minutes for one in found):.1f}")))
    return 0


def run_table(folder: Path, name: str, table: RealTable) -> Figures:
    """One table, from the file to its figures."""
    clone = Clone(folder)
    source = clone.folder / f"{name}.csv"
    table.read().write_csv(source)
    began = time.monotonic()
    _say(clone.make_use_case(source, {"name": name, **table.asked}))
    _say(clone.type("flows", "lifecycle", "--use-case", name))
    minutes = (time.monotonic() - began) / 60
    return measure(clone.settings, name, _read_rows(clone, name, table), table=name, label=table.label, minutes=minutes)


def _read_rows(clone: Clone, name: str, table: RealTable) -> pl.DataFrame:
    """Every row as the person's file has it, typed, with the instant of its prediction; a label of yes and no as 1.0 and 0.0."""
    if table.asked.get("kind") == "forecast":
        return _read_series(clone, name, table)
    features = tables.read(clone.settings, f"gold.{name}_features").select(table.key, "prediction_at").collect()
    rows = tables.read(clone.settings, f"silver.{name}_{table.feed}").drop("known_at", "^_.*$").collect()
    label = pl.col(table.label).cast(pl.Float64) if rows.schema[table.label] == pl.Boolean else pl.col(table.label)
    return rows.join(features, on=table.key, how="inner").with_columns(label).drop_nulls(table.label).sort("prediction_at", table.key)


def _read_series(clone: Clone, name: str, table: RealTable) -> pl.DataFrame:
    """Every row of a series, with the value that came one step later as the label."""
    rows = tables.read(clone.settings, f"silver.{name}_{table.feed}").sort("known_at").collect()
    value, entity = table.label.removeprefix("next_"), table.asked["key"]
    came = rows.select(entity, (pl.col("known_at") - rows["known_at"].diff().mode()[0]).alias("prediction_at"), pl.col(value).alias(table.label))
    known = rows.rename({"known_at": "prediction_at"}).drop("^_.*$")
    return known.join(came, on=[entity, "prediction_at"], how="inner").drop_nulls(table.label).sort("prediction_at")


def format_table(found: list[Figures]) -> list[str]:
    """The figures as Markdown."""
    header = ("table", "kind", "rows", "minutes", "lines edited", "promoted", "loss", "business rule", "script by hand", "behind it")
    lines = [header, ("---",) * len(header), *map(_cells, found)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _cells(one: Figures) -> tuple[str, ...]:
    losses = ("-" if loss is None else f"{loss:,.5g}" for loss in (one.loss, one.rule_loss, one.script_loss))
    behind = "-" if one.behind_percent is None else f"{one.behind_percent:+.1f} %"
    return (one.table, one.kind, f"{one.row_count:,}", f"{one.minutes:.1f}", str(one.edited_count), str(one.promoted_count), *losses, behind)


def _format(one: Figures) -> str:
    return "  ".join(_cells(one))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
