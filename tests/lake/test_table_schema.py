"""What a table takes: its own columns and types, and a new nullable column of its contract; delta-rs alone would cast in silence."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.errors import ContractError, SchemaError
from headrace.lake import tables
from tests.lake.tiny_contract import COLUMNS, build_rows
from tests.lake.tiny_contract import TABLE as TRIPS
from tests.lake.writers import FIRST, MONDAY, PRICES, SALES, prices, read_sorted, sales

NEW_COLUMN: dict[str, Any] = {"type": "string", "nullable": True, "description": "Who drove."}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        pytest.param({"amount": [8.5]}, "amount is Float64, expected Int64", id="a fraction into a whole number"),
        pytest.param({"amount": ["12"]}, "amount is String, expected Int64", id="digits into a number"),
        pytest.param({"amount": [True]}, "amount is Boolean, expected Int64", id="a truth into a number"),
        pytest.param({"amount": pl.Series([1], dtype=pl.Int32)}, "amount is Int32, expected Int64", id="a narrower number"),
        pytest.param({"sum": [1]}, r"amount \(Int64\) is missing; sum is not promised", id="another name"),
        pytest.param({"amount": [1], "note": ["x"]}, "note is not promised", id="one column more"),
    ],
)
@pytest.mark.parametrize("verb", ["append", "merge", "replace"])
def test_a_frame_of_another_schema_is_refused_and_writes_nothing(settings, verb, rows, says):
    tables.append(settings, SALES, sales(1), batch_id=FIRST)
    extra: dict[str, Any] = {
        "append": {},
        "merge": {"keys": [next(iter(rows))]},
        "replace": {"where": {next(iter(rows)): rows[next(iter(rows))][0]}},
    }[verb]
    with pytest.raises(SchemaError, match=says):
        getattr(tables, verb)(settings, SALES, pl.DataFrame(rows), batch_id="ingest/shop/tuesday/1", **extra)
    assert read_sorted(settings, SALES)["amount"].to_list() == [1]
    assert not tables.is_written(settings, SALES, batch_id="ingest/shop/tuesday/1")


def test_a_refused_first_batch_creates_no_table(settings, promise):
    promise()
    with pytest.raises(SchemaError, match=r"carrier \(String\) is missing"):
        tables.append(settings, TRIPS, build_rows().drop("carrier"), batch_id=FIRST)
    assert not (settings.lake_root / "silver").exists()


@pytest.mark.parametrize(
    "dtype", [pl.UInt32, pl.Float32, pl.Datetime("us"), pl.Datetime("ms", "UTC"), pl.Datetime("us", "America/New_York"), pl.Null]
)
def test_a_type_that_delta_would_change_is_refused_before_there_is_a_table(settings, dtype):
    with pytest.raises(SchemaError, match="cast before writing"):
        tables.append(settings, SALES, pl.DataFrame(schema={"amount": dtype}), batch_id=FIRST)
    assert tables.read_version(settings, SALES) is None


def test_every_promised_type_comes_back_as_it_went(settings):
    rows = pl.DataFrame(
        {
            "text": ["é \"'\\N", None],
            "whole": [2**62, None],
            "real": [0.1, float("nan")],
            "truth": [True, None],
            "day": [date(2013, 3, 10), None],
            "at": [MONDAY, None],
            "bytes": [b"\0\xff\n,", None],
            "vector": [[0.5, -1.0, 3e-8], None],
        },
        schema={
            "text": pl.String,
            "whole": pl.Int64,
            "real": pl.Float64,
            "truth": pl.Boolean,
            "day": pl.Date,
            "at": pl.Datetime("us", "UTC"),
            "bytes": pl.Binary,
            "vector": pl.List(pl.Float32),
        },
    )
    tables.append(settings, SALES, rows, batch_id=FIRST)
    assert_frame_equal(tables.read(settings, SALES).collect(), rows)


def test_columns_in_another_order_are_put_in_the_tables_own(settings):
    tables.append(settings, PRICES, prices(tea=2.0), batch_id=FIRST)
    tables.append(settings, PRICES, prices(milk=1.0).select("price_eur", "item"), batch_id="ingest/shop/tuesday/1")
    assert read_sorted(settings, PRICES).rows() == [("milk", 1.0), ("tea", 2.0)]


@pytest.mark.parametrize("verb", ["append", "merge", "replace"])
def test_a_new_nullable_column_is_accepted_by_every_verb(settings, promise, verb):
    promise()
    tables.append(settings, TRIPS, build_rows(trip_id=["a", "b"]), batch_id=FIRST)
    promise(version=2, columns=COLUMNS | {"driver": NEW_COLUMN})
    rows = build_rows(trip_id=["b"]).with_columns(driver=pl.lit("ada"))
    extra: dict[str, Any] = {"append": {}, "merge": {"keys": ["trip_id"]}, "replace": {"where": {"trip_id": "b"}}}[verb]
    getattr(tables, verb)(settings, TRIPS, rows, batch_id="ingest/shop/tuesday/1", **extra)
    drivers = read_sorted(settings, TRIPS).select("trip_id", "driver").rows()
    assert drivers == [("a", None), *([("b", None)] if verb == "append" else []), ("b", "ada")]


def test_a_promised_column_that_no_batch_brought_yet_is_read_as_null(settings, promise):
    promise()
    tables.append(settings, TRIPS, build_rows(trip_id=["a"]), batch_id=FIRST)
    promise(columns=COLUMNS | {"driver": NEW_COLUMN})
    assert tables.read(settings, TRIPS).select("trip_id", "driver").collect().rows() == [("a", None)]
    assert tables.read(settings, TRIPS).collect().schema["driver"] == pl.String


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        pytest.param(
            COLUMNS | {"driver": NEW_COLUMN | {"nullable": False}}, "adds driver, which is not nullable", id="a new column that must not be null"
        ),
        pytest.param({name: column for name, column in COLUMNS.items() if name != "carrier"}, "no longer has carrier", id="a column less"),
        pytest.param(
            COLUMNS | {"carrier": {"type": "int64", "nullable": True, "description": "Who."}}, "changes the type of carrier", id="another type"
        ),
        pytest.param(
            {("airline" if name == "carrier" else name): column for name, column in COLUMNS.items()}, "no longer has carrier", id="another name"
        ),
    ],
)
def test_every_other_change_of_a_contract_is_refused_and_writes_nothing(settings, promise, columns, says):
    promise()
    tables.append(settings, TRIPS, build_rows(), batch_id=FIRST)
    before = tables.read_version(settings, TRIPS)
    changed = promise(version=2, columns=columns)
    with pytest.raises(ContractError, match=says):
        tables.append(settings, TRIPS, pl.DataFrame(schema=changed.schema), batch_id="ingest/shop/tuesday/1")
    assert tables.read_version(settings, TRIPS) == before


def test_a_table_with_a_contract_and_no_row_is_empty_in_the_promised_schema(settings, promise):
    contract = promise()
    assert tables.read(settings, TRIPS).collect().schema == contract.schema
    assert tables.read_version(settings, TRIPS) is None
