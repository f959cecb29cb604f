from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.errors import UseCaseError
from headrace.features.materialize import build_features, build_spine, build_view_rows, feature_hashes, floor_to_grid, grid_instant
from tests.features.shops import INSTANT, NOON, RETURNS, SHOPS, minutes, shop_inputs

INPUTS = shop_inputs(
    sales=[("a", "north", 9.5, minutes(44)), ("b", "south", 1.0, minutes(5)), ("c", None, float("nan"), minutes(60))],
    returns=[("north", True, minutes(30)), ("north", False, minutes(10)), ("north", True, minutes(31)), ("south", True, minutes(1))],
)


def build(inputs=INPUTS, feature_set=SHOPS):
    return build_features(feature_set, inputs, build_spine(feature_set, inputs, after=None, until=minutes(60)))


def test_a_prediction_uses_what_was_known_at_the_last_instant_of_the_grid():
    rows = build()
    assert rows["refreshed_at"].to_list() == [minutes(30), NOON, minutes(60)]
    assert rows.select(RETURNS.features).rows() == [(0.5, 2.0), (None, 0.0), (None, 0.0)]


def test_a_feature_row_has_declared_columns_and_types_in_order():
    front = {"sale_id": pl.String(), "prediction_at": INSTANT, "refreshed_at": INSTANT, "sold_at": INSTANT, "features_version": pl.Int64()}
    on_demand = {"shop": pl.String(), "amount_eur": pl.Float64(), "hour": pl.Float64()}
    assert build().schema == pl.Schema({**front, **on_demand, **dict.fromkeys(RETURNS.features, pl.Float64())})


def test_what_is_missing_is_null_and_never_nan():
    assert build()["amount_eur"].to_list() == [9.5, 1.0, None]


def test_a_slice_holds_the_rows_after_its_start_until_its_end():
    assert build_spine(SHOPS, INPUTS, after=minutes(5), until=minutes(44))["sale_id"].to_list() == ["a"]


def test_a_sale_that_was_not_known_at_the_end_of_the_slice_is_not_in_it():
    late = {**INPUTS, "sales": INPUTS["sales"].with_columns(known_at=pl.lit(minutes(50)))}
    assert build_spine(SHOPS, late, after=None, until=minutes(44)).is_empty()


def test_no_rows_to_score_give_no_feature_rows():
    nothing = build_features(SHOPS, INPUTS, build_spine(SHOPS, INPUTS, after=minutes(60), until=minutes(90)))
    assert nothing.is_empty()
    assert nothing.schema == build().schema


def test_a_view_is_given_no_row_from_before_its_lookback_and_none_from_the_future():
    seen = []

    def look(spine, inputs):
        seen.extend(inputs["returns"]["known_at"].to_list())
        return spine.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in RETURNS.features)

    curious = replace(SHOPS, views=(replace(RETURNS, lookback=timedelta(minutes=20), compute=look),))
    last = build_spine(SHOPS, INPUTS, after=minutes(5), until=minutes(44))
    build_features(curious, INPUTS, last)
    assert seen == [minutes(30), minutes(10)]


def test_the_online_view_knows_recent_shops_and_what_to_say_of_any_other():
    assert build_view_rows(RETURNS, INPUTS, minutes(30)).rows() == [(None, None, 0.0), ("north", 0.5, 2.0), ("south", 1.0, 1.0)]
    assert build_view_rows(RETURNS, INPUTS, minutes(120)).rows() == [(None, None, 0.0)]


def test_a_view_whose_entity_no_input_has_is_refused():
    with pytest.raises(UseCaseError, match=r"view returns has no input with all of shop, till"):
        build_view_rows(replace(RETURNS, entity=("shop", "till")), INPUTS, NOON)


@pytest.mark.parametrize("refresh", [timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)])
def test_a_column_and_an_instant_meet_the_same_grid(refresh):
    instants = [datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), NOON, minutes(17) + timedelta(microseconds=1)]
    floored = pl.DataFrame({"at": instants}, schema={"at": pl.Datetime("us", "UTC")}).select(grid_instant("at", refresh)).to_series()
    assert floored.to_list() == [floor_to_grid(instant, refresh) for instant in instants]


def test_equal_values_have_equal_hashes_and_others_have_others():
    rows = pl.DataFrame({"text": ["ab", "ab", "a", None, ""], "other": ["c", "c", "bc", "c", "c"], "number": [0.0, -0.0, 0.0, None, float("nan")]})
    hashes = feature_hashes(rows, ("text", "number", "other"))
    assert hashes[0] == hashes[1]
    assert hashes.n_unique() == 4
    assert hashes.str.contains("^[0-9a-f]{16}$").all()


def test_null_and_nan_are_one_number_to_the_hash():
    assert feature_hashes(pl.DataFrame({"number": [None, float("nan"), 1.0]}), ("number",)).n_unique() == 2


def test_a_hash_does_not_depend_on_the_rows_around_it():
    rows = build()
    alone = pl.concat(feature_hashes(rows[place], SHOPS.names) for place in range(rows.height))
    assert alone.to_list() == feature_hashes(rows, SHOPS.names).to_list()
