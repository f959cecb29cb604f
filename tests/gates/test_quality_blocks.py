"""The data quality gate, and every way in which it must block."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.errors import ContractError
from headrace.lake.contracts import load_contract
from headrace.lake.expectations import Check, build_checks, build_suite
from headrace.lake.quality import judge
from tests.lake.tiny_contract import COLUMNS, build_contract, build_rows, expectation

OPTIONAL = {name: {"type": "string", "nullable": True, "description": "Anything."} for name in ("trip_id", "carrier")}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        pytest.param(
            build_rows(carrier=["ZZ", "ZZ", "UA"]),
            "2 of 3 rows rejected (66.67%, its contract tolerates 50.00%): carrier_is_allowed 2",
            id="unknown carrier",
        ),
        pytest.param(build_rows(delay_minutes=[9e9, 9e9, 0.0]), "delay_minutes_is_in_range 2", id="impossible values"),
        pytest.param(build_rows(delay_minutes=[float("nan")] * 2), "delay_minutes_is_finite 2", id="not a number"),
        pytest.param(build_rows(trip_id=["a", "a", "a"]), "key_is_unique 2", id="duplicate keys"),
        pytest.param(build_rows(trip_id=[None, None]), "trip_id_is_not_null 2", id="a critical column is null throughout"),
        pytest.param(build_rows().drop("carrier"), "carrier (String) is missing", id="missing column"),
        pytest.param(build_rows().with_columns(pl.lit(1).alias("guests")), "guests is not promised", id="unknown column"),
        pytest.param(
            build_rows().with_columns(pl.col("delay_minutes").cast(pl.String)), "delay_minutes is String, expected Float64", id="wrong type"
        ),
        pytest.param(build_rows().clear(), "0 rows came, expected at least one", id="no rows"),
        pytest.param(build_rows().clear().drop("carrier"), "carrier (String) is missing", id="no rows and no column"),
    ],
)
def test_quality_blocks_on_bad_data(rows, reason):
    decision = judge(rows, build_contract()).decision
    assert not decision.passed
    assert decision.gate == "data_quality"
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        pytest.param(
            expectation("expect_table_row_count_to_be_between", level="table", min_value=3),
            "own_promise: expected at least 3, came 2",
            id="too few rows",
        ),
        pytest.param(
            expectation("expect_column_proportion_of_non_null_values_to_be_between", level="table", column="delay_minutes", min_value=0.5),
            "own_promise: expected at least 0.5, came 0",
            id="a feed lost a column that may be null",
        ),
        pytest.param(
            expectation("expect_column_max_to_be_between", level="day", column="row_count", max_value=1),
            "own_promise: expected at most 1, came 2",
            id="too many rows on a day",
        ),
        pytest.param(
            expectation("expect_column_values_to_match_regex", column="trip_id", regex="("),
            "own_promise could not be decided: Great Expectations raised",
            id="an expectation that errs",
        ),
        pytest.param(
            expectation("expect_column_values_to_match_regex", severity="warning", column="trip_id", regex="("),
            "own_promise could not be decided",
            id="a warning that errs",
        ),
        pytest.param(
            expectation("unexpected_rows_expectation", level="table", unexpected_rows_query="select 1 from {batch}"),
            "own_promise could not be decided",
            id="an expectation that Great Expectations cannot ask of a frame",
        ),
        pytest.param(
            expectation("expect_column_values_to_be_of_type", column="trip_id", type_="int64"),
            "own_promise could not be decided: Great Expectations does not say which rows break it",
            id="an expectation of rows that names none",
        ),
    ],
)
def test_quality_blocks_on_the_whole_batch_whatever_the_tolerance(own, reason):
    contract = build_contract(tolerance_fraction=1.0, expectations=[own])
    decision = judge(build_rows(delay_minutes=[None, None]), contract).decision
    assert not decision.passed
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"columns": OPTIONAL, "key": None, "event_time": None, "known_time": None}, "promises nothing", id="an empty contract"),
        pytest.param(
            {"expectations": [expectation("expect_colum_to_exist", column="trip_id")]}, "has no expect_colum_to_exist", id="a misspelt expectation"
        ),
        pytest.param(
            {"expectations": [expectation("expect_column_to_exist", level="table", colum="trip_id")]},
            "refuses an expectation's arguments",
            id="a misspelt argument",
        ),
        pytest.param(
            {"expectations": [expectation("expect_column_values_to_be_null", column="trip")]},
            "is about trip; columns: trip_id",
            id="a column that does not exist",
        ),
        pytest.param(
            {"expectations": [expectation("expect_column_values_to_be_null", column="trip_id", mostly=0.1)]},
            "`mostly`",
            id="an expectation that lets broken rows through",
        ),
        pytest.param(
            {"expectations": [expectation("expect_column_max_to_be_between", column="trip_id", max_value=1)]},
            "cannot name rows",
            id="a verdict on the table said of rows",
        ),
        pytest.param(
            {"expectations": [expectation("expect_column_values_to_be_null", column="carrier")] * 2},
            "two expectations called own_promise",
            id="one name for two promises",
        ),
    ],
)
@pytest.mark.parametrize("rows", [build_rows(), build_rows().clear()], ids=["rows", "no rows"])
def test_a_contract_that_cannot_be_judged_by_judges_nothing(changes, complaint, rows):
    with pytest.raises(ContractError, match=complaint):
        judge(rows, build_contract(**changes))


def test_an_expectation_that_great_expectations_drops_in_silence_is_missed():
    dropped = Check(
        name="dropped", type="expect_colum_to_exist", level="table", severity="critical", column=None, description="", kwargs={"column": "a"}
    )
    with pytest.raises(ContractError, match="makes 1 promises, Great Expectations took 0"):
        build_suite("silver.tiny_trips", [dropped])
    with pytest.raises(ContractError, match="makes 0 promises, Great Expectations took 0"):
        build_suite("silver.tiny_trips", [])


def test_exactly_the_tolerated_share_of_rows_may_be_rejected():
    assert judge(build_rows(carrier=["ZZ", "UA"]), build_contract(tolerance_fraction=0.5)).decision.passed
    assert not judge(build_rows(carrier=["ZZ", "UA"]), build_contract(tolerance_fraction=0.49)).decision.passed


def test_few_rejected_rows_pass_whatever_their_share_where_the_contract_says_how_many():
    few = build_contract(tolerance_fraction=0.0, tolerance_rows=1)
    assert judge(build_rows(carrier=["ZZ"]), few).decision.passed
    decision = judge(build_rows(carrier=["ZZ", "ZZ", "UA"]), few).decision
    assert not decision.passed
    assert "2 of 3 rows rejected (66.67%, its contract tolerates 0.00% or 1 rows)" in decision.reason


def test_an_empty_batch_passes_only_where_the_contract_says_so():
    decision = judge(build_rows().clear(), build_contract(allow_empty=True)).decision
    assert decision.passed
    assert "0 rows came, which its contract allows" in decision.reason


def test_a_contract_of_nothing_but_a_key_is_no_empty_contract():
    columns = {name: COLUMNS[name] | {"nullable": True} for name in COLUMNS}
    assert len(build_checks(build_contract(columns=columns))) > 0


def flights(count: int, *, carrier: str = "UA") -> pl.DataFrame:
    """Flights of one day as silver holds them, one a minute or more often."""
    departure = datetime(2013, 5, 1, 12, tzinfo=UTC)
    rows = [
        {
            "flight_id": f"2013-05-01/{carrier}/{number}/EWR",
            "carrier": carrier,
            "flight_number": number % 9000 + 1,
            "origin": "EWR",
            "destination": "IAH",
            "tail_number": "N14228",
            "scheduled_departure_at": departure + timedelta(seconds=number % 3600),
            "distance_km": 2253.0,
            "known_at": departure - timedelta(days=7),
            "_ingested_at": departure,
            "_source": "test",
            "_batch_id": "ingest/flight_delay/may/1",
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=load_contract("silver.flight_delay_flight_schedules").schema)


def test_a_usual_day_of_flights_passes_and_ten_times_as_many_rows_block():
    contract = load_contract("silver.flight_delay_flight_schedules")
    assert judge(flights(300), contract).decision.passed
    decision = judge(flights(3_000), contract).decision
    assert not decision.passed
    assert "busiest_day_is_plausible: expected at least 1 and at most 1500, came 3000" in decision.reason


def test_flights_of_an_unknown_carrier_block_when_they_are_many_and_are_kept_aside_when_they_are_few():
    contract = load_contract("silver.flight_delay_flight_schedules")
    assert not judge(flights(10, carrier="ZZ"), contract).decision.passed
    report = judge(pl.concat([flights(300), flights(2, carrier="ZZ")]), contract)
    assert report.decision.passed
    assert report.broken.drop_nulls().to_list() == ["carrier_is_allowed"] * 2


def test_a_wind_of_1687_kilometres_an_hour_does_not_reach_silver():
    contract = load_contract("silver.flight_delay_weather")
    observed_at = datetime(2013, 2, 12, 3, tzinfo=UTC)
    quiet = {
        "origin": "EWR", "temperature_celsius": 3.9, "dew_point_celsius": 0.0, "humidity_percent": 70.0, "wind_direction_degrees": 260.0,
        "wind_speed_kmh": 20.0, "wind_gust_kmh": None, "precipitation_mm": 0.0, "pressure_hpa": 1008.0, "visibility_km": 16.0,
        "_ingested_at": observed_at, "_source": "test", "_batch_id": "ingest/flight_delay/february/1",
    }  # fmt: skip
    hours = [{"observed_at": observed_at + timedelta(hours=n), "known_at": observed_at + timedelta(hours=n + 1)} for n in range(24)]
    rows = pl.DataFrame([quiet | hour for hour in hours], schema=contract.schema)
    stormy = rows.with_columns(pl.when(pl.col("observed_at") == observed_at).then(1687.17).otherwise("wind_speed_kmh").alias("wind_speed_kmh"))
    report = judge(stormy, contract)
    assert report.decision.passed
    assert report.broken.drop_nulls().to_list() == ["wind_speed_kmh_is_in_range"]
