"""What the story asserts on: rows of tables and aliases of registries, never lines of a log."""

from datetime import datetime

import polars as pl

from benchmarks.story.place import StoryError
from headrace import use_case as use_cases
from headrace.lake import tables
from headrace.lake.batches import content_hash
from headrace.lake.contracts import find_contract
from headrace.settings import Settings

USE_CASE = "flight_delay"

# Written by every environment from the same deliveries, whoever approves what when.
DATA_LAYERS = ("bronze", "silver", "gold")


def check(is_so: bool, sentence: str) -> None:
    """Go on only where a sentence holds.

    Raises:
        StoryError: It does not.
    """
    if not is_so:
        raise StoryError(f"not so: {sentence}")


def read_rows(settings: Settings, table: str) -> pl.DataFrame:
    """All rows of the use case in a metrics table."""
    return tables.read(settings, table).filter(pl.col("use_case") == USE_CASE).collect()


def read_finished(settings: Settings, flow: str) -> list[datetime]:
    """Ends (UTC) of the slices that a stage has finished, oldest first."""
    rows = read_rows(settings, "metrics.pipeline_runs").filter((pl.col("flow") == flow) & (pl.col("status") == "passed"))
    return sorted(rows["as_of"].to_list())


def read_promotions(settings: Settings) -> list[dict[str, object]]:
    """Decisions about versions in the order they were made."""
    return read_rows(settings, "metrics.promotions").sort("sequence").to_dicts()


def list_differing(left: Settings, right: Settings) -> list[str]:
    """Tables of the data layers whose rows differ between two lakes, volatile columns aside."""
    case = use_cases.load(USE_CASE)
    names = [case.table(layer, feed) for layer in ("bronze", "silver") for feed in case.feeds] + [case.table("gold", "features")]
    return [name for name in names if _hash(left, name) != _hash(right, name)]


def list_all_differing(left: Settings, right: Settings) -> list[str]:
    """Tables of any layer whose rows differ between two lakes, to the last column."""
    found = {f"{log.parent.parent.name}.{log.parent.name}" for settings in (left, right) for log in settings.lake_root.glob("*/*/_delta_log")}
    return [name for name in sorted(found) if _hash(left, name, whole=True) != _hash(right, name, whole=True)]


def _hash(settings: Settings, table: str, *, whole: bool = False) -> int | None:
    if tables.read_version(settings, table) is None:
        return None
    contract = None if whole else find_contract(table)
    return content_hash(tables.read(settings, table).collect(), volatile=contract.volatile if contract else ())
