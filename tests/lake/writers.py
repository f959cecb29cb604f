"""Processes that write the same lake at once, or are killed while they write it."""

import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import polars as pl

from headrace.lake import tables
from headrace.settings import Settings, load_settings

SALES, PRICES, DAYS = "silver.shop_sales", "silver.shop_prices", "silver.shop_days"
FIRST = "ingest/shop/monday/1"
MONDAY = datetime(2013, 7, 1, tzinfo=UTC)


def sales(*amounts: int) -> pl.DataFrame:
    return pl.DataFrame({"amount": list(amounts)}, schema={"amount": pl.Int64})


def prices(**price_of: float) -> pl.DataFrame:
    return pl.DataFrame({"item": list(price_of), "price_eur": list(price_of.values())}, schema={"item": pl.String, "price_eur": pl.Float64})


def append_same(settings: Settings, writer: int) -> bool:
    return tables.append(settings, SALES, sales(1, 2, 3), batch_id=FIRST).is_new


def append_own(settings: Settings, writer: int) -> bool:
    return all(tables.append(settings, SALES, sales(writer), batch_id=f"ingest/shop/{writer}-{part}/1").is_new for part in range(5))


def merge_same(settings: Settings, writer: int) -> bool:
    return tables.merge(settings, PRICES, prices(tea=2.0, milk=1.0), keys=["item"], batch_id="refine/shop/monday/1").is_new


def merge_own(settings: Settings, writer: int) -> bool:
    return tables.merge(
        settings, PRICES, prices(tea=float(writer), **{f"own{writer}": 1.0}), keys=["item"], batch_id=f"refine/shop/{writer}/1"
    ).is_new


def replace_same(settings: Settings, writer: int) -> bool:
    return tables.replace(settings, SALES, sales(1), where={"amount": 1}, batch_id="refine/shop/monday/1").is_new


def replace_own(settings: Settings, writer: int) -> bool:
    return tables.replace(settings, SALES, sales(writer), where={"amount": writer}, batch_id=f"refine/shop/{writer}/1").is_new


def race_threads(write: Callable[[Settings, int], bool], home: Path, *, writers: int) -> list[bool]:
    """Let that many threads write at the same moment, and return what each was told: whether its write was new."""
    settings, barrier = load_settings("dev", home=home), threading.Barrier(writers)

    def run(writer: int) -> bool:
        barrier.wait(timeout=60)
        return write(settings, writer)

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(run, range(writers)))


def race_processes(write: Callable[[Settings, int], bool], home: Path, *, writers: int) -> list[bool]:
    """As `race_threads`, in processes that share nothing but the disk."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(writers), context.SimpleQueue()
    processes = [context.Process(target=_run_writer, args=(write, home, writer, barrier, answers)) for writer in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * writers
    return [answers.get() for _ in processes]


def _run_writer(
    write: Callable[[Settings, int], bool], home: Path, writer: int, barrier: Barrier, answers: "multiprocessing.SimpleQueue[bool]"
) -> None:
    settings = load_settings("dev", home=home)
    barrier.wait(timeout=60)
    answers.put(write(settings, writer))


def write_week(settings: Settings, started: Callable[[int], object]) -> None:
    """Twelve batches of all three kinds, told one by one; what a flow does on a rerun: all of it again."""
    for day in range(4):
        instant = MONDAY + timedelta(days=day)
        day_rows = pl.DataFrame(
            {"sold_at": [instant + timedelta(minutes=minute) for minute in range(500)], "receipt": [b"%d\xff" % minute for minute in range(500)]},
            schema={"sold_at": pl.Datetime("us", "UTC"), "receipt": pl.Binary},
        )
        started(3 * day)
        tables.append(settings, SALES, sales(*range(500 * day, 500 * day + 500)), batch_id=f"ingest/shop/{day}/1")
        started(3 * day + 1)
        tables.merge(settings, PRICES, prices(tea=2.0, **{f"item{day}": float(day)}), keys=["item"], batch_id=f"refine/shop/{day}/1")
        started(3 * day + 2)
        tables.replace(settings, DAYS, day_rows, where={"sold_at": (instant, instant + timedelta(days=1))}, batch_id=f"refine/shop/{day}/1")


def read_sorted(settings: Settings, table: str) -> pl.DataFrame:
    rows = tables.read(settings, table).collect()
    return rows.sort(rows.columns)


def say(step: int) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    write_week(load_settings("dev", home=Path(arguments[0])), say)


if __name__ == "__main__":
    main(sys.argv[1:])
