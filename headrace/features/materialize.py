"""From declared views to rows: the same functions for training, batch scoring and the online store."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from headrace.errors import UseCaseError
from headrace.features.views import REFRESHED_AT, FeatureSet, FeatureView, Inputs
from headrace.features.windows import KNOWN_AT

PREDICTION_AT = "prediction_at"
FEATURES_VERSION = "features_version"

_INSTANT = pl.Datetime("us", "UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def floor_to_grid(instant: datetime, refresh: timedelta) -> datetime:
    """The last instant of the refresh grid (counted from 1970, UTC) at or before `instant`."""
    return instant - (instant - _EPOCH) % refresh


def grid_instant(column: str, refresh: timedelta) -> pl.Expr:
    """`floor_to_grid` for a column of instants (UTC)."""
    since_grid = pl.col(column).cast(pl.Int64) % (refresh // timedelta(microseconds=1))
    return (pl.col(column) - pl.duration(microseconds=since_grid)).alias(REFRESHED_AT)


def build_spine(feature_set: FeatureSet, inputs: Inputs, *, after: datetime | None, until: datetime) -> pl.DataFrame:
    """The rows to score whose prediction is made in `after < prediction_at <= until` (UTC), by what is known at `until`."""
    known = {noun: inputs[noun].filter(pl.col(KNOWN_AT) <= until) for noun in feature_set.spine_inputs}
    spine = feature_set.build_spine(known).filter(pl.col(PREDICTION_AT) <= until)
    return spine if after is None else spine.filter(pl.col(PREDICTION_AT) > after)


def build_features(feature_set: FeatureSet, inputs: Inputs, spine: pl.DataFrame) -> pl.DataFrame:
    """Compute every feature of the given rows.

    Args:
        feature_set: What to compute.
        inputs: Silver rows by noun. More history or rows known later change nothing.
        spine: Rows as `build_spine` gives them: the request columns and `prediction_at`.

    Returns:
        Key, `prediction_at`, `refreshed_at`, the carried columns, `features_version`, then the features in the order of
        `feature_set.names`. Grain: one row per spine row, in its order.
    """
    rows = feature_set.on_demand(spine).with_columns(grid_instant(PREDICTION_AT, feature_set.refresh))
    for view in feature_set.views:
        on = [*view.entity, REFRESHED_AT]
        rows = rows.join(_compute(view, inputs, rows.select(on).unique()), on=on, how="left", nulls_equal=True, maintain_order="left")
    return select_feature_columns(feature_set, rows)


def build_view_rows(view: FeatureView, inputs: Inputs, at: datetime) -> pl.DataFrame:
    """A view of every entity that its inputs know at one instant of the grid, and of the unknown entity.

    An entity is known when a row about it became known within the view's lookback; any other has the features of the
    unknown entity, whose columns are null.

    Returns:
        Entity columns, then the features (float64). Grain: one row per entity, the unknown one first.

    Raises:
        UseCaseError: No input has all entity columns.
    """
    recent = _recent(view, inputs, first=at, last=at)
    named = [rows.select(view.entity) for rows in recent.values() if set(view.entity) <= set(rows.columns)]
    if not named:
        raise UseCaseError(f"view {view.name} has no input with all of {', '.join(view.entity)}; its entities are read from one")
    unknown = pl.DataFrame({column: [None] for column in view.entity}, schema={column: named[0].schema[column] for column in view.entity})
    spine = pl.concat([unknown, pl.concat(named).drop_nulls().unique().sort(view.entity)])
    return _compute(view, recent, spine.with_columns(pl.lit(at, dtype=_INSTANT).alias(REFRESHED_AT))).drop(REFRESHED_AT)


def select_feature_columns(feature_set: FeatureSet, rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of a feature row, in order and with their types; what a request lacks in front of them is left out.

    Categories are strings, all other features float64. What is missing is null, never NaN.
    """
    front = [name for name in (*feature_set.key, PREDICTION_AT, REFRESHED_AT, *feature_set.carried) if name in rows.columns]
    version = pl.lit(feature_set.version, dtype=pl.Int64).alias(FEATURES_VERSION)
    numbers = {name: pl.col(name).cast(pl.Float64).fill_nan(None) for name in feature_set.names if name not in feature_set.categorical}
    return rows.select(*front, version, *(numbers.get(name, pl.col(name).cast(pl.String)) for name in feature_set.names))


def feature_hashes(rows: pl.DataFrame, features: Sequence[str]) -> pl.Series:
    """A fingerprint of each row's feature values, equal wherever the same values are seen.

    Args:
        rows: Rows with the features: float64, or string for categories.
        features: Names in the model's order.

    Returns:
        `feature_hash`: 16 hex digits of BLAKE2b over the numbers (null and NaN are one, and so are both zeros), then the categories.
    """
    texts = [name for name in features if rows.schema[name] == pl.String]
    numbers = [name for name in features if name not in texts]
    matrix = rows.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in numbers).to_numpy().reshape(rows.height, len(numbers))
    # Adding 0.0 turns -0.0 into 0.0; NaN has many bit patterns, one is chosen.
    matrix = np.ascontiguousarray(np.where(np.isnan(matrix), np.nan, matrix + 0.0), dtype="<f8")
    # A length in front keeps "a", "bc" apart from "ab", "c", and null apart from "".
    prefixed = [pl.concat_str(pl.col(name).str.len_bytes().cast(pl.String), pl.lit(":"), name).fill_null("-") for name in texts]
    joined = rows.select(pl.concat_str(prefixed)).to_series().to_list() if texts else [""] * rows.height
    digests = [hashlib.blake2b(number.tobytes() + text.encode(), digest_size=8).hexdigest() for number, text in zip(matrix, joined, strict=True)]
    return pl.Series("feature_hash", digests, dtype=pl.String)


def _compute(view: FeatureView, inputs: Inputs, spine: pl.DataFrame) -> pl.DataFrame:
    """One view for one spine, from the part of the inputs that it may read."""
    if spine.is_empty():
        return spine.with_columns(pl.lit(None, dtype=pl.Float64).alias(feature) for feature in view.features)
    first, last = spine.select(pl.col(REFRESHED_AT).min().alias("first"), pl.col(REFRESHED_AT).max().alias("last")).row(0)
    rows = view.compute(spine, _recent(view, inputs, first=first, last=last))
    return rows.select(*view.entity, REFRESHED_AT, *(pl.col(feature).cast(pl.Float64).fill_nan(None) for feature in view.features))


def _recent(view: FeatureView, inputs: Inputs, *, first: datetime, last: datetime) -> dict[str, pl.DataFrame]:
    """Input rows that became known within the lookback of the first instant, both ends included, and by the last one."""
    is_read = pl.col(KNOWN_AT).is_between(pl.lit(first - view.lookback), pl.lit(last))
    return {noun: inputs[noun].filter(is_read) for noun in view.inputs}
