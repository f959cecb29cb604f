"""What orchestration costs: the lifecycle as Prefect flows against the same work as a plain script, both cold, in one run.

    make bench-lifecycle

Each side is a fresh process with an empty home. The outputs are compared table by table; then it prints where the time of
the product went and, last, `ratio <product seconds / plain seconds>`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from headrace.lake import tables
from headrace.lake.batches import content_hash
from headrace.lake.contracts import find_contract
from headrace.settings import ROOT, Settings, load_settings

PRODUCT = [sys.executable, "-m", "flows", "lifecycle", "--use-case"]
PLAIN = [sys.executable, "-m", "benchmarks.plain_lifecycle", "--use-case"]


def main() -> int:
    """Run both sides, compare what they wrote, print the figures. 1 when the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--use-case", default="flight_delay")
    parser.add_argument("--runs", type=int, default=1, help="pairs of runs; the figures are medians")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        pairs = [_run_pair(Path(folder), options.use_case, index) for index in range(options.runs)]
        product_home, plain_home = Path(folder) / "product", Path(folder) / "plain"
        differing = compare_tables(_settings(product_home), _settings(plain_home))
        _print_stages(_settings(product_home), _settings(plain_home))
    product, plain = (sorted(times)[len(times) // 2] for times in zip(*pairs, strict=True))
    print(f"\nproduct {product:.1f} s, plain script {plain:.1f} s, median of {options.runs} cold run(s) each, on {os.cpu_count()} cores")
    print("tables: " + ("equal, row for row, volatile columns aside" if not differing else f"DIFFERENT: {', '.join(differing)}"))
    print(f"ratio {product / plain:.2f}")
    return 1 if differing else 0


def compare_tables(left: Settings, right: Settings) -> list[str]:
    """Names of the tables that differ between two homes, volatile columns and column order aside."""
    names = sorted({*list_tables(left), *list_tables(right)})
    return [name for name in names if _table_hash(left, name) != _table_hash(right, name)]


def list_tables(settings: Settings) -> list[str]:
    """`layer.noun` of every table in a lake."""
    return sorted(f"{log.parent.parent.name}.{log.parent.name}" for log in settings.lake_root.glob("*/*/_delta_log"))


def _table_hash(settings: Settings, table: str) -> int | None:
    if tables.read_version(settings, table) is None:
        return None
    contract = find_contract(table)
    return content_hash(tables.read(settings, table).collect(), volatile=contract.volatile if contract else ())


def _run_pair(folder: Path, use_case: str, index: int) -> tuple[float, float]:
    """Seconds of one cold run of each side; which side goes first alternates, so that a warming machine favours neither."""
    sides = {"product": PRODUCT, "plain": PLAIN}
    order = ["product", "plain"] if index % 2 == 0 else ["plain", "product"]
    seconds = {side: _run_cold(folder / side, [*sides[side], use_case]) for side in order}
    print(f"pair {index + 1}: product {seconds['product']:.1f} s, plain {seconds['plain']:.1f} s", flush=True)
    return seconds["product"], seconds["plain"]


def _run_cold(home: Path, command: list[str]) -> float:
    shutil.rmtree(home, ignore_errors=True)
    variables = {**os.environ, "HEADRACE_ENV": "dev", "HEADRACE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    finished = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{' '.join(command[1:])} ended with {finished.returncode}:\n{finished.stderr[-4000:]}")
    return time.perf_counter() - started


def _settings(home: Path) -> Settings:
    return load_settings("dev", home=home)


def _print_stages(product: Settings, plain: Settings) -> None:
    """Seconds inside each stage on both sides, from `metrics.pipeline_runs`."""
    sides: Mapping[str, Settings] = {"product": product, "plain": plain}
    frames = [_stage_seconds(settings).rename({"seconds": f"{side}_s", "runs": f"{side}_runs"}) for side, settings in sides.items()]
    joined = frames[0].join(frames[1], on="flow", how="full", coalesce=True).sort("product_s", descending=True)
    print(f"\n{'stage':<12}{'runs':>6}{'product s':>12}{'plain s':>12}")
    for row in joined.iter_rows(named=True):
        print(f"{row['flow']:<12}{row['product_runs'] or 0:>6}{row['product_s'] or 0:>12.1f}{row['plain_s'] or 0:>12.1f}")


def _stage_seconds(settings: Settings) -> pl.DataFrame:
    """`retrain` contains `train`, so what `train` took is taken off it."""
    rows = tables.read(settings, "metrics.pipeline_runs").group_by("flow").agg(seconds=pl.col("duration_s").sum(), runs=pl.len()).collect()
    train = rows.filter(pl.col("flow") == "train")["seconds"].sum()
    own = pl.when(pl.col("flow") == "retrain").then(pl.col("seconds") - train).otherwise(pl.col("seconds"))
    return rows.with_columns(own.alias("seconds"))


if __name__ == "__main__":
    sys.exit(main())
