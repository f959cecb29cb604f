from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.features.materialize import build_features, build_spine, feature_hashes
from headrace.features.online import OnlineStore, build_request_features, publish
from headrace.lake.contracts import load_contract
from tests.use_cases.flights import CASE, known_by, silver

FEATURES = CASE.features
AS_OF = datetime(2013, 2, 4, 15, tzinfo=UTC)


def build(inputs, *, after=None, until):
    return build_features(FEATURES, inputs, build_spine(FEATURES, inputs, after=after, until=until))


def scramble(rows, *, after):
    """The same rows, but those not known at `after` say something else, at other times."""
    known, unknown = rows.filter(pl.col("known_at") <= after), rows.filter(pl.col("known_at") > after)
    assert unknown.height > 100
    told = [column for column in rows.columns if column not in ("flight_id", "known_at")]
    shuffled = unknown.with_columns(pl.col(column).shuffle(seed=place) for place, column in enumerate(told))
    return pl.concat([shuffled.with_columns(pl.col("known_at") + pl.duration(hours=5)), known.reverse()])


@pytest.mark.parametrize("as_of", [AS_OF, AS_OF + timedelta(days=2, hours=7, minutes=17)])
def test_scrambling_what_is_not_known_yet_changes_no_feature(as_of):
    honest = silver()
    scrambled = {**honest, **{noun: scramble(honest[noun], after=as_of) for noun in ("flight_outcomes", "weather")}}
    expected = build(honest, after=as_of - timedelta(days=7), until=as_of)
    assert expected.height > 1_500
    assert_frame_equal(build(scrambled, after=as_of - timedelta(days=7), until=as_of), expected, check_exact=True)


def test_another_division_into_ticks_gives_the_same_features():
    start = AS_OF - timedelta(days=7)
    whole = build(silver(), after=start, until=AS_OF)
    parts, after = [], start
    for until in (AS_OF - timedelta(days=6, minutes=1), AS_OF - timedelta(days=2, hours=8), AS_OF - timedelta(hours=1), AS_OF):
        parts.append(build(known_by(silver(), until), after=after, until=until))
        after = until
    assert_frame_equal(pl.concat(parts).sort("flight_id"), whole.sort("flight_id"), check_exact=True)


def test_online_and_batch_features_of_a_day_are_equal_tick_by_tick(tmp_path):
    """The store is published at each flight's own instant, from what a lake would hold then."""
    batch = build(silver(), after=AS_OF - timedelta(hours=5), until=AS_OF).sort("refreshed_at", "flight_id")
    requests = build_spine(FEATURES, silver(), after=None, until=AS_OF).select(list(FEATURES.request_columns))
    store, answers = OnlineStore(tmp_path), []
    for (refreshed_at,), due in batch.group_by("refreshed_at", maintain_order=True):
        publish(tmp_path, FEATURES, known_by(silver(), refreshed_at), refreshed_at + timedelta(minutes=11))
        answers.append(build_request_features(FEATURES, store, due.select("flight_id").join(requests, on="flight_id", maintain_order="left")))
    assert batch.height > 80
    assert_frame_equal(pl.concat(answers), batch.drop("prediction_at"), check_exact=True)
    assert feature_hashes(pl.concat(answers), FEATURES.names).equals(feature_hashes(batch, FEATURES.names))


def test_a_request_of_unknown_names_gets_what_the_batch_gives_a_flight_without_history(tmp_path):
    inputs = known_by(silver(), AS_OF)
    stranger = (
        inputs["flight_schedules"]
        .head(1)
        .with_columns(
            carrier=pl.lit("??"),
            destination=pl.lit("???"),
            tail_number=pl.lit(None, dtype=pl.String),
            scheduled_departure_at=pl.lit(AS_OF + timedelta(hours=2)).cast(pl.Datetime("us", "UTC")),
        )
    )
    batch = build({**inputs, "flight_schedules": stranger}, until=AS_OF)
    publish(tmp_path, FEATURES, inputs, AS_OF)
    answer = build_request_features(FEATURES, OnlineStore(tmp_path), stranger.select(list(FEATURES.request_columns)))
    assert_frame_equal(answer, batch.drop("prediction_at"), check_exact=True)
    assert answer["carrier_late_rate_7d_fraction"].to_list() == [None]


def test_the_clock_of_a_flight_is_local_whatever_utc_says():
    departures = [datetime(2013, 3, 10, 6, 30, tzinfo=UTC), datetime(2013, 3, 10, 7, 30, tzinfo=UTC), datetime(2013, 11, 4, 4, 15, tzinfo=UTC)]
    rows = FEATURES.on_demand(pl.DataFrame({"scheduled_departure_at": departures}, schema={"scheduled_departure_at": pl.Datetime("us", "UTC")}))
    assert rows["departure_minute_of_day"].to_list() == [90.0, 210.0, 23 * 60 + 15.0]
    assert rows["departure_weekday"].to_list() == [7.0, 7.0, 7.0]


def test_no_weather_is_unknown_rain_and_not_no_rain():
    dry = {**silver(), "weather": silver()["weather"].clear()}
    assert build(dry, after=AS_OF - timedelta(hours=1), until=AS_OF)["weather_precipitation_6h_mm"].null_count() > 10


def test_the_contract_of_the_feature_table_lists_exactly_the_features():
    promised = load_contract("gold.flight_delay_features").schema
    built = build(silver(), after=AS_OF - timedelta(hours=1), until=AS_OF).schema
    assert {name: dtype for name, dtype in promised.items() if not name.startswith("_")} == dict(built)


def test_no_feature_carries_a_name_that_would_leak():
    assert set(FEATURES.names).isdisjoint(FEATURES.forbidden)


def test_every_view_is_looked_up_by_what_a_request_carries():
    for view in FEATURES.views:
        assert set(view.entity) <= set(FEATURES.request_columns)


def test_a_plane_is_as_old_as_the_year_says():
    planes = build(silver(last_date=date(2013, 2, 10)), until=AS_OF)["plane_age_years"].drop_nulls()
    assert planes.is_between(0, 57).all()
