"""The features of a flight, two hours before its scheduled departure.

Everything here is known by then: the schedule itself, the aircraft, the weather as last published, and how flights whose
outcome is already known have done by origin, carrier, route and aircraft.
"""

from datetime import timedelta

import polars as pl

from headrace.features.views import FeatureSet, FeatureView, Inputs
from headrace.features.windows import latest, rolling_means, rolling_sums
from use_cases.flight_delay.label import LATE_MINUTES
from use_cases.flight_delay.source import LOCAL_TIME_ZONE

# Late enough to know the day's weather and delays, early enough to rebook passengers and move crews.
PREDICTED_BEFORE = timedelta(hours=2)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

_LATE = pl.col("arrival_delay_minutes") >= LATE_MINUTES
_DEPARTURE_DELAY = pl.col("departure_delay_minutes")
_CANCELLED = pl.col("is_cancelled")


def build_spine(inputs: Inputs) -> pl.DataFrame:
    """Every scheduled flight with the instant of its prediction. Grain: one row per flight."""
    prediction_at = (pl.col("scheduled_departure_at") - PREDICTED_BEFORE).alias("prediction_at")
    # A flight that was published too late to be predicted was never asked about, whatever a later tick knows.
    published_in_time = inputs["flight_schedules"].filter(pl.col("known_at") <= prediction_at)
    return published_in_time.select(*REQUEST_COLUMNS, prediction_at)


def add_schedule_features(rows: pl.DataFrame) -> pl.DataFrame:
    """Local clock and calendar of the scheduled departure: delays grow over the local day, whatever UTC says."""
    local = pl.col("scheduled_departure_at").dt.convert_time_zone(LOCAL_TIME_ZONE)
    return rows.with_columns(
        (local.dt.hour().cast(pl.Float64) * 60 + local.dt.minute()).alias("departure_minute_of_day"),
        local.dt.weekday().cast(pl.Float64).alias("departure_weekday"),
    )


def origin_history(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """How the airport has run in the last hours."""
    outcomes, by = inputs["flight_outcomes"], ("origin",)
    for hours in (3, 24):
        means = {
            f"origin_late_rate_{hours}h_fraction": _LATE,
            f"origin_departure_delay_{hours}h_minutes": _DEPARTURE_DELAY,
            f"origin_cancelled_rate_{hours}h_fraction": _CANCELLED,
        }
        spine = rolling_means(spine, outcomes, by=by, means=means, count=f"origin_outcomes_{hours}h_count", window=hours * HOUR)
    return spine


def carrier_history(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """How the airline has done today and this week, from any New York airport."""
    outcomes, by = inputs["flight_outcomes"], ("carrier",)
    spine = rolling_means(spine, outcomes, by=by, means={"carrier_late_rate_24h_fraction": _LATE}, window=DAY)
    return rolling_means(spine, outcomes, by=by, means={"carrier_late_rate_7d_fraction": _LATE}, window=7 * DAY)


def origin_carrier_history(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """How the airline has done at this airport: a hub in trouble stays in trouble for hours."""
    outcomes, by = inputs["flight_outcomes"], ("origin", "carrier")
    means = {"origin_carrier_late_rate_6h_fraction": _LATE, "origin_carrier_departure_delay_6h_minutes": _DEPARTURE_DELAY}
    spine = rolling_means(spine, outcomes, by=by, means=means, window=6 * HOUR)
    return rolling_means(spine, outcomes, by=by, means={"origin_carrier_late_rate_28d_fraction": _LATE}, window=28 * DAY)


def destination_history(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """How flights to this airport have done, whoever flew them: a storm there holds aircraft here."""
    outcomes, by = inputs["flight_outcomes"], ("destination",)
    means = {"destination_late_rate_6h_fraction": _LATE, "destination_departure_delay_6h_minutes": _DEPARTURE_DELAY}
    spine = rolling_means(spine, outcomes, by=by, means=means, window=6 * HOUR)
    return rolling_means(spine, outcomes, by=by, means={"destination_late_rate_24h_fraction": _LATE}, window=DAY)


def route_history(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """How the airline has done on this very route."""
    outcomes, by = inputs["flight_outcomes"], ("carrier", "origin", "destination")
    for days in (7, 28):
        spine = rolling_means(spine, outcomes, by=by, means={f"route_late_rate_{days}d_fraction": _LATE}, window=days * DAY)
    return spine


def tail_history(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """How this aircraft came in last, and has done this week."""
    outcomes, by = inputs["flight_outcomes"], ("tail_number",)
    last = {"tail_last_arrival_delay_minutes": pl.col("arrival_delay_minutes")}
    spine = latest(spine, outcomes, by=by, values=last, tolerance=DAY)
    return rolling_means(spine, outcomes, by=by, means={"tail_late_rate_7d_fraction": _LATE}, window=7 * DAY)


def plane(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Age and size of the aircraft."""
    values = {"_manufactured_year": pl.col("manufactured_year"), "plane_seat_count": pl.col("seat_count")}
    found = latest(spine, inputs["planes"], by=("tail_number",), values=values, tolerance=_REFERENCE_LOOKBACK)
    return found.with_columns((pl.col("refreshed_at").dt.year() - pl.col("_manufactured_year")).alias("plane_age_years"))


def weather(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The newest published observation at the airport, and the rain of the last hours."""
    observations, by = inputs["weather"], ("origin",)
    values = {f"weather_{name}": pl.col(name) for name in _WEATHER}
    spine = latest(spine, observations, by=by, values=values, tolerance=6 * HOUR)
    # Sums are exact in integers only, so rain is counted in micrometres; without an observation nothing is known of it.
    rain = {"_rain": (pl.col("precipitation_mm") * 1000).round().cast(pl.Int64), "_observations": pl.col("precipitation_mm").is_not_null()}
    spine = rolling_sums(spine, observations, by=by, sums=rain, window=6 * HOUR)
    return spine.with_columns(pl.when(pl.col("_observations") > 0).then(pl.col("_rain") / 1000).alias("weather_precipitation_6h_mm"))


_WEATHER = (
    "temperature_celsius",
    "dew_point_celsius",
    "humidity_percent",
    "wind_direction_degrees",
    "wind_speed_kmh",
    "pressure_hpa",
    "visibility_km",
)

# Reference rows do not grow old; a lookback of decades reads them all.
_REFERENCE_LOOKBACK = timedelta(days=36_500)

REQUEST_COLUMNS: dict[str, pl.DataType] = {
    "flight_id": pl.String(),
    "carrier": pl.String(),
    "origin": pl.String(),
    "destination": pl.String(),
    "tail_number": pl.String(),
    "scheduled_departure_at": pl.Datetime("us", "UTC"),
    "distance_km": pl.Float64(),
}

FEATURES = FeatureSet(
    version=1,
    key=("flight_id",),
    refresh=timedelta(minutes=30),
    spine_inputs=("flight_schedules",),
    build_spine=build_spine,
    carried=("scheduled_departure_at",),
    request_columns=REQUEST_COLUMNS,
    on_demand=add_schedule_features,
    on_demand_features=("carrier", "origin", "distance_km", "departure_minute_of_day", "departure_weekday"),
    categorical=("carrier", "origin"),
    views=(
        FeatureView(
            name="origin_history",
            entity=("origin",),
            inputs=("flight_outcomes",),
            lookback=DAY,
            features=tuple(
                f"origin_{name.format(hours)}"
                for hours in (3, 24)
                for name in ("late_rate_{}h_fraction", "departure_delay_{}h_minutes", "cancelled_rate_{}h_fraction", "outcomes_{}h_count")
            ),
            compute=origin_history,
        ),
        FeatureView(
            name="carrier_history",
            entity=("carrier",),
            inputs=("flight_outcomes",),
            lookback=7 * DAY,
            features=("carrier_late_rate_24h_fraction", "carrier_late_rate_7d_fraction"),
            compute=carrier_history,
        ),
        FeatureView(
            name="origin_carrier_history",
            entity=("origin", "carrier"),
            inputs=("flight_outcomes",),
            lookback=28 * DAY,
            features=("origin_carrier_late_rate_6h_fraction", "origin_carrier_departure_delay_6h_minutes", "origin_carrier_late_rate_28d_fraction"),
            compute=origin_carrier_history,
        ),
        FeatureView(
            name="destination_history",
            entity=("destination",),
            inputs=("flight_outcomes",),
            lookback=DAY,
            features=("destination_late_rate_6h_fraction", "destination_departure_delay_6h_minutes", "destination_late_rate_24h_fraction"),
            compute=destination_history,
        ),
        FeatureView(
            name="route_history",
            entity=("carrier", "origin", "destination"),
            inputs=("flight_outcomes",),
            lookback=28 * DAY,
            features=("route_late_rate_7d_fraction", "route_late_rate_28d_fraction"),
            compute=route_history,
        ),
        FeatureView(
            name="tail_history",
            entity=("tail_number",),
            inputs=("flight_outcomes",),
            lookback=7 * DAY,
            features=("tail_last_arrival_delay_minutes", "tail_late_rate_7d_fraction"),
            compute=tail_history,
        ),
        FeatureView(
            name="plane",
            entity=("tail_number",),
            inputs=("planes",),
            lookback=_REFERENCE_LOOKBACK,
            features=("plane_age_years", "plane_seat_count"),
            compute=plane,
        ),
        FeatureView(
            name="weather",
            entity=("origin",),
            inputs=("weather",),
            lookback=6 * HOUR,
            features=(*(f"weather_{name}" for name in _WEATHER), "weather_precipitation_6h_mm"),
            compute=weather,
        ),
    ),
    # What is only known after departure, and what the label is made of.
    forbidden=(
        "dep_time",
        "dep_delay",
        "arr_time",
        "arr_delay",
        "air_time",
        "departure_delay_minutes",
        "arrival_delay_minutes",
        "air_time_minutes",
        "is_cancelled",
        "is_diverted",
        "is_late",
    ),
)
