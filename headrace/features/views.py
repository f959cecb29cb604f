"""What a team declares about its features: views, their entities, their inputs and their refresh grid.

A view is a function of a *spine* (which entity, at which instant) and of silver rows, and returns one row per spine row.
Training and batch scoring ask for the spine of the rows they score, the online store for every known entity at one grid
instant; both call the same function on the same inputs, which is why the two agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

# Silver rows by noun ("flight_outcomes"), each with the instant it became known.
Inputs = Mapping[str, pl.DataFrame]

# The column every spine carries beside its entity: only what was known at or before this instant may be used.
REFRESHED_AT = "refreshed_at"


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    """Features of one entity (a carrier, a route), refreshed on a grid.

    Attributes:
        name: `snake_case`; also the view's name in the online store.
        entity: Columns of the scored rows that identify the entity, for example `("origin", "destination")`. One of the
            inputs at least has them all: the online store holds the entities that it finds there.
        inputs: Nouns of the silver tables the function reads.
        lookback: How far back from `refreshed_at` the function reads, its longest window; rows known before are not
            passed to it.
        features: Columns the function adds, in order; all float64, null where unknown.
        compute: `(spine, inputs) -> spine + features`. Grain: one row per spine row, any order. `spine` has the entity
            columns and `refreshed_at` (UTC). It must use no input row whose known time is after `refreshed_at` (the
            helpers of `headrace.features.windows` cannot), and look things up by the whole entity: where one of its
            columns is null, nothing is known of it.
    """

    name: str
    entity: tuple[str, ...]
    inputs: tuple[str, ...]
    lookback: timedelta
    features: tuple[str, ...]
    compute: Callable[[pl.DataFrame, Inputs], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """All features of a use case, and the rows they describe.

    Attributes:
        version: Raised by a person when the meaning of a feature changes; a model serves only the version it was trained on.
        key: Columns that identify a scored row.
        refresh: The grid: a prediction at `prediction_at` uses views as of the last grid instant at or before it.
        spine_inputs: Nouns of the silver tables that `build_spine` reads.
        build_spine: Silver rows -> one row per row to score: `key`, `prediction_at` (UTC), the views' entity columns and
            whatever `on_demand` reads. Called with rows that are known; uses nothing else.
        carried: Columns of the spine that a feature row keeps beside its features, for people and for slices.
        request_columns: Columns of the spine that a caller of the server must send (name -> Polars type).
        on_demand: Spine -> spine + `on_demand_features`; pure arithmetic on a row's own request columns, run at request
            time too.
        on_demand_features: Columns `on_demand` adds.
        categorical: The features that are categories (strings); all others are float64.
        views: The views.
        forbidden: Columns that would leak the label; no feature may carry such a name.
    """

    version: int
    key: tuple[str, ...]
    refresh: timedelta
    spine_inputs: tuple[str, ...]
    build_spine: Callable[[Inputs], pl.DataFrame]
    carried: tuple[str, ...]
    request_columns: Mapping[str, pl.DataType]
    on_demand: Callable[[pl.DataFrame], pl.DataFrame]
    on_demand_features: tuple[str, ...]
    categorical: tuple[str, ...]
    views: tuple[FeatureView, ...]
    forbidden: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every feature, in the order models see them."""
        return (*self.on_demand_features, *(feature for view in self.views for feature in view.features))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Nouns of all silver tables that the features read, sorted."""
        return tuple(sorted({*self.spine_inputs, *(noun for view in self.views for noun in view.inputs)}))
