"""Tables that are long or wide, made up, from the file to a champion, with the memory it takes: `make bench-large`.

`long` has five million rows, `wide` five hundred columns. Each goes through `make use-case` and `make run` in a clone of its own.
`TABLES=long` does one of them; `--rows 100000` makes the long one shorter.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.use_cases.clone import Clone
from headrace.lake import tables

LONG_ROWS, WIDE_ROWS, WIDE_COLUMNS = 5_000_000, 4_000, 500

_START, _SECONDS = 1_640_995_200, 3 * 365 * 86_400
_CHANNELS = ("web", "shop", "phone", "app", "fair", "mail", "partner", "other")
_LETTERS = ("a", "b", "c", "d")

# Training on millions of rows takes a while.
_PATIENCE_SECONDS = 3 * 3600


def make_long(rows: int) -> pl.DataFrame:
    """Orders of three years, and whether they were returned. Grain: one order."""
    random = np.random.default_rng(7)
    measures = random.normal(size=(rows, 6))
    channels, regions = random.integers(0, len(_CHANNELS), rows), random.integers(0, 40, rows)
    odds = measures[:, 0] - 0.7 * measures[:, 1] + 0.5 * measures[:, 2] * measures[:, 3] + 0.3 * (channels == 2) - 1.2
    return pl.DataFrame(
        {
            "order_id": np.arange(rows),
            "ordered_at": pl.Series((np.sort(random.integers(0, _SECONDS, rows)) + _START) * 1_000_000).cast(pl.Datetime("us", "UTC")),
            **{f"measure_{place}": measures[:, place].round(4) for place in range(6)},
            "items": random.poisson(3, rows),
            "price": np.exp(random.normal(3, 1, rows)).round(2),
            "channel": np.array(_CHANNELS)[channels],
            "region": np.char.add("r", regions.astype(str)),
            "is_member": random.random(rows) < 0.4,
            "returned": random.random(rows) < 1 / (1 + np.exp(-odds)),
        }
    )


def make_wide(rows: int) -> pl.DataFrame:
    """Customers with hundreds of measurements, every fifth of them a category, and whether they left. Grain: one customer."""
    random = np.random.default_rng(1)
    count = WIDE_COLUMNS - 3
    values = random.normal(size=(rows, count)).round(3)
    columns = {
        f"feature_{place:03}": np.array(_LETTERS)[np.digitize(values[:, place], (-1, 0, 1))] if place % 5 == 0 else values[:, place]
        for place in range(count)
    }
    days = pl.Series(np.sort(random.integers(0, 700, rows)) + 18_993).cast(pl.Int32).cast(pl.Date)
    left = values[:, 1] + values[:, 2] - 0.5 * values[:, 3] + random.normal(size=rows) > 1
    return pl.DataFrame({"customer_id": np.arange(rows), "joined_on": days, **columns, "churned": left})


# Name -> how it is made, and what a person asks of it.
SHAPES: Mapping[str, tuple[Callable[[int], pl.DataFrame], Mapping[str, str]]] = {
    "long": (make_long, {"label": "returned", "time": "ordered_at", "key": "order_id"}),
    "wide": (make_wide, {"label": "churned", "time": "joined_on", "key": "customer_id"}),
}


def main() -> int:
    """Run them one after the other; say minutes and peak memory of each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.use_cases.large", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=LONG_ROWS, help="rows of the long table")
    parser.add_argument("--tables", default="", help=f"some of {', '.join(SHAPES)}, with commas between")
    options = parser.parse_args()
    names = [name for name in options.tables.split(",") if name] or list(SHAPES)
    if unknown := [name for name in names if name not in SHAPES]:
        sys.stderr.write(f"TABLES={','.join(unknown)} is none of {', '.join(SHAPES)}\n")
        return 2
    for name in names:
        rows = options.rows if name == "long" else WIDE_ROWS
        with tempfile.TemporaryDirectory(prefix="headrace-large-") as folder:
            run_shape(Path(folder), name, rows)
    return 0


def run_shape(folder: Path, name: str, rows: int) -> None:
    """One table, from the file to its champion."""
    make, asked = SHAPES[name]
    clone = Clone(folder)
    source = clone.folder / f"{name}.parquet"
    made = make(rows)
    made.write_parquet(source)
    _say(f"{name}: {made.height:,} rows, {made.width} columns, {made.estimated_size() / 1e6:,.0f} MB in memory")
    del made
    for what, run in (
        ("make use-case", lambda: clone.make_use_case(source, {"name": name, **asked})),
        ("make run", lambda: clone.type("flows", "lifecycle", "--use-case", name, seconds=_PATIENCE_SECONDS)),
    ):
        began = time.monotonic()
        run()
        # The greatest of all child processes so far: the later verb needs more.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        _say(f"  {what:<14} {(time.monotonic() - began) / 60:5.1f} min, at most {peak:,.0f} MB")
    judged = tables.read(clone.settings, f"gold.{name}_features").select(pl.len()).collect().item()
    promoted = tables.read(clone.settings, "metrics.promotions").filter(pl.col("action") == "promote").collect().height
    _say(f"  {judged:,} rows have features, {promoted} challengers promoted")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
