"""From the feeds' columns to silver: one name and one unit per quantity, instants in UTC. One row in, one row out.

Values are converted, never repaired: an impossible wind speed stays impossible, so that the contract sends it to
quarantine where a person can see it.
"""

import polars as pl

KILOMETRES_PER_MILE = 1.609344
MILLIMETRES_PER_INCH = 25.4
METRES_PER_FOOT = 0.3048

# Columns that the platform added in bronze and that every silver row keeps.
_SYSTEM = pl.col("^_(ingested_at|source|batch_id)$")


def refine_flight_schedules(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per scheduled flight."""
    return rows.select(
        _flight_id(),
        "carrier",
        pl.col("flight").alias("flight_number"),
        "origin",
        pl.col("dest").alias("destination"),
        pl.col("tailnum").alias("tail_number"),
        _scheduled_departure_at(),
        (pl.col("distance").cast(pl.Float64) * KILOMETRES_PER_MILE).alias("distance_km"),
        "known_at",
        _SYSTEM,
    )


def refine_flight_outcomes(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per flight that landed, was cancelled (it never departed) or diverted (it departed, and never arrived as planned)."""
    is_cancelled = pl.col("dep_delay").is_null()
    return rows.select(
        _flight_id(),
        "carrier",
        "origin",
        pl.col("dest").alias("destination"),
        pl.col("tailnum").alias("tail_number"),
        _scheduled_departure_at(),
        pl.col("dep_delay").alias("departure_delay_minutes"),
        pl.col("arr_delay").alias("arrival_delay_minutes"),
        pl.col("air_time").alias("air_time_minutes"),
        is_cancelled.alias("is_cancelled"),
        (~is_cancelled & pl.col("arr_delay").is_null()).alias("is_diverted"),
        "known_at",
        _SYSTEM,
    )


def refine_weather(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per airport and hour of observation. Pressure is in millibar already, which is hectopascal."""
    return rows.select(
        "origin",
        _parse_hour().alias("observed_at"),
        _celsius("temp").alias("temperature_celsius"),
        _celsius("dewp").alias("dew_point_celsius"),
        pl.col("humid").alias("humidity_percent"),
        pl.col("wind_dir").cast(pl.Float64).alias("wind_direction_degrees"),
        (pl.col("wind_speed") * KILOMETRES_PER_MILE).alias("wind_speed_kmh"),
        (pl.col("wind_gust") * KILOMETRES_PER_MILE).alias("wind_gust_kmh"),
        (pl.col("precip") * MILLIMETRES_PER_INCH).alias("precipitation_mm"),
        pl.col("pressure").alias("pressure_hpa"),
        (pl.col("visib") * KILOMETRES_PER_MILE).alias("visibility_km"),
        "known_at",
        _SYSTEM,
    )


def refine_planes(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per aircraft. Cruising speed is left in bronze: 99 % of it is missing."""
    return rows.select(
        pl.col("tailnum").alias("tail_number"),
        pl.col("year").alias("manufactured_year"),
        pl.col("type").alias("plane_type"),
        "manufacturer",
        "model",
        pl.col("engines").alias("engine_count"),
        pl.col("seats").alias("seat_count"),
        "engine",
        "known_at",
        _SYSTEM,
    )


def refine_airports(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per airport."""
    return rows.select(
        pl.col("faa").alias("airport"),
        "name",
        pl.col("lat").alias("latitude_degrees"),
        pl.col("lon").alias("longitude_degrees"),
        (pl.col("alt").cast(pl.Float64) * METRES_PER_FOOT).alias("altitude_m"),
        pl.col("tzone").alias("timezone"),
        "known_at",
        _SYSTEM,
    )


def refine_airlines(rows: pl.DataFrame) -> pl.DataFrame:
    """Grain: one row per airline."""
    return rows.select("carrier", "name", "known_at", _SYSTEM)


def _flight_id() -> pl.Expr:
    """`2013-01-01/UA/1545/EWR`: local day of departure, carrier, number, origin; without the origin 48 flights share one."""
    day = pl.date("year", "month", "day").dt.strftime("%Y-%m-%d")
    return pl.concat_str(day, "carrier", pl.col("flight").cast(pl.String), "origin", separator="/").alias("flight_id")


def _scheduled_departure_at() -> pl.Expr:
    return (_parse_hour() + pl.duration(minutes="minute")).alias("scheduled_departure_at")


def _parse_hour() -> pl.Expr:
    """The feed's hour is UTC, so the hour that clocks repeat or skip needs no rule here."""
    return pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def _celsius(column: str) -> pl.Expr:
    return (pl.col(column) - 32) * 5 / 9
