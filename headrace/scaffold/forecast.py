"""A table of one value per entity and day (or hour) as a table of forecasts: each known row asks for the value one step later.

What is measured here with joins, the generated use case computes as a view of history (`features_forecast.py.j2`); both look at the
same rows, those that were known when the forecast is made.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from headrace.errors import UseCaseError
from headrace.scaffold.reading import INSTANT, Table
from headrace.words import format_count

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

FORECAST_ID, TARGET_AT = "forecast_id", "target_at"

# The step of the rows -> after which values repeat, shortest first, and what that is called.
_SEASONS = {DAY: {"a_week_before": 7 * DAY}, HOUR: {"a_day_before": 24 * HOUR, "a_week_before": 7 * DAY}}

# Windows of the means, in steps.
_WINDOWS = (7, 28)

# Digits that a mean keeps of the spread of the values; sums are exact in integers only.
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is forecast.

    Attributes:
        entity: Column of what the values belong to.
        time: Column of their instants.
        label: Column of the values.
        horizon: One step: a forecast is made when a value is known, of the value so much later.
        seasons: What it is called -> after which values repeat; the shortest first.
        covariates: Other columns of numbers, known as of the forecast.
        parts: Integers are counted in such parts of the label's unit.
    """

    entity: str
    time: str
    label: str
    horizon: timedelta
    seasons: Mapping[str, timedelta]
    covariates: Sequence[str]
    parts: int

    @property
    def latest(self) -> str:
        """Feature: the value that is known."""
        return f"{self.label}_latest"

    @property
    def before(self) -> dict[str, timedelta]:
        """Feature -> the season; it is the value so long before the target."""
        return {f"{self.label}_{name}": season for name, season in self.seasons.items()}

    @property
    def numbers(self) -> list[str]:
        """Columns of the history, the label first."""
        return [self.label, *self.covariates]

    @property
    def step_name(self) -> str:
        """`days` or `hours`."""
        return "days" if self.horizon == DAY else "hours"

    @property
    def means(self) -> dict[str, int]:
        """Feature -> its window in steps."""
        return {f"{self.label}_mean_{steps}_{self.step_name}": steps for steps in _WINDOWS}


def choose_forecast(table: Table, *, entity: str, time: str, label: str) -> Forecast:
    """Find step and season.

    Raises:
        UseCaseError: Rows repeat, or come neither daily nor hourly.
    """
    rows = table.rows
    repeated = rows.height - rows.select(entity, time).n_unique()
    if repeated:
        raise UseCaseError(
            f"KEY={entity} and TIME={time} repeat together in {format_count(repeated, 'row')} of {rows.height:,}; for KIND=forecast a row is one "
            f"{entity} at one time: add such rows up in the export, or name the column as KEY that tells them apart"
        )
    steps = rows.sort(entity, time).select(pl.col(time).diff().over(entity)).to_series().drop_nulls()
    step = next(iter(steps.mode().sort()), None)
    if step is None or step not in _SEASONS:
        raise UseCaseError(f"TIME={time} goes in steps of {step}, KIND=forecast knows one value per day or per hour; choose KIND=regression")
    spread = float(rows[label].cast(pl.Float64).to_numpy()[~rows[label].is_null().to_numpy()].std())
    return Forecast(
        entity=entity,
        time=time,
        label=label,
        horizon=step,
        seasons=_SEASONS[step],
        covariates=[name for name, kind in rows.schema.items() if kind.is_numeric() and name not in (entity, time, label)],
        parts=10 ** max(0, _DIGITS - math.floor(math.log10(spread or 1.0))),
    )


def shape_forecasts(table: Table, forecast: Forecast) -> Table:
    """One row per forecast: `forecast_id`, `target_at`, the entity, the features, and the value that came.

    Args:
        table: One row per entity and instant; the time column holds instants (UTC).
        forecast: See `choose_forecast`.
    """
    entity, time, label = forecast.entity, forecast.time, forecast.label
    rows = table.rows.select(entity, pl.col(time).cast(INSTANT), label, *forecast.covariates).sort(entity, time)
    on, numbers = [entity, time], forecast.numbers
    came = rows.select(entity, pl.col(time) - forecast.horizon, pl.col(label).cast(pl.Float64))
    values = rows.select(*on, pl.col(numbers).cast(pl.Float64).name.suffix("_latest"))
    one_before = values.select(entity, pl.col(time) + forecast.horizon, *(pl.col(f"{name}_latest").alias(f"{name}_change") for name in numbers))
    changes = [(pl.col(f"{name}_latest") - pl.col(f"{name}_change")).alias(f"{name}_change") for name in numbers]
    known = values.join(one_before, on=on, how="left").with_columns(changes)
    for name, season in forecast.seasons.items():
        then = [
            pl.col(forecast.latest).alias(f"{label}_{name}"),
            *(pl.col(f"{number}_change").alias(f"{number}_change_{name}") for number in numbers),
        ]
        known = known.join(known.select(entity, pl.col(time) + season - forecast.horizon, *then), on=on, how="left")
    means = [
        pl.col(forecast.latest).rolling_mean_by(time, window_size=steps * forecast.horizon).over(entity).alias(name)
        for name, steps in forecast.means.items()
    ]
    target = pl.col(TARGET_AT)
    shaped = (
        known.join(came, on=on, how="left")
        .with_columns(*means, (pl.col(time) + forecast.horizon).alias(TARGET_AT))
        .with_columns(
            pl.concat_str(pl.col(entity).cast(pl.String), pl.lit("/"), target.dt.strftime("%Y-%m-%dT%H:%M")).alias(FORECAST_ID),
            pl.col(entity).cast(pl.String),
            target.dt.weekday().cast(pl.Float64).alias("target_weekday"),
            target.dt.hour().cast(pl.Float64).alias("target_hour"),
            target.dt.month().cast(pl.Float64).alias("target_month"),
        )
        .drop(time)
    )
    kept = shaped if forecast.horizon == HOUR else shaped.drop("target_hour")
    return Table(rows=kept, names={name: name for name in kept.columns}, notes=table.notes)


def choose_rule(shaped: Table, forecast: Forecast) -> str:
    """The rule to beat: the latest value, or one a season before the target, whichever came closest (mean squared error)."""
    label = pl.col(forecast.label)
    errors = shaped.rows.select((pl.col(name) - label).pow(2).mean().alias(name) for name in (*forecast.before, forecast.latest)).row(0, named=True)
    return min(errors, key=lambda name: math.inf if errors[name] is None else errors[name])


def describe_features(forecast: Forecast) -> dict[str, str]:
    """Feature -> what it means."""
    label, step = forecast.label, forecast.step_name
    said = {
        forecast.entity: f"What the forecast is for: {forecast.entity}.",
        "target_weekday": "Weekday of the target, 1 is Monday.",
        **({"target_hour": "Hour of the target (UTC)."} if forecast.horizon == HOUR else {}),
        "target_month": "Month of the target.",
        forecast.latest: f"Latest known {label}.",
        f"{label}_change": f"Change of {label} over the last {step.removesuffix('s')}.",
    }
    for name in forecast.seasons:
        said[f"{label}_{name}"] = f"Value of {label} {name.replace('_', ' ')} the target."
        said |= {
            f"{number}_change_{name}": f"Change of {number} into the instant {name.replace('_', ' ')} the target." for number in forecast.numbers
        }
    said |= {name: f"Mean of {label} in the {steps} {step} until the forecast." for name, steps in forecast.means.items()}
    for name in forecast.covariates:
        said |= {f"{name}_latest": f"Latest known {name}.", f"{name}_change": f"Change of {name} over the last {step.removesuffix('s')}."}
    return said
