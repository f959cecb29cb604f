from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import BatchError
from headrace.lake.batches import build_batch_id, content_hash, format_instant, parse_batch_id

ROWS = pl.DataFrame({"item": ["tea", "milk", None], "price_eur": [2.0, 1.0, 0.5]})


def test_a_batch_id_names_flow_use_case_slice_and_revision():
    batch = parse_batch_id(build_batch_id("ingest", "flight_delay", "2013/07/flights.csv", revision=2))
    assert batch.id == "ingest/flight_delay/2013/07/flights.csv/2"
    assert batch.slice_id == "ingest/flight_delay/2013/07/flights.csv/*"
    assert batch.revision == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ingest",
        "ingest/shop/1",
        "ingest/shop/monday/0",
        "ingest/shop/monday/-1",
        "ingest/shop/monday/one",
        "Ingest/shop/monday/1",
        "ingest/shop//1",
    ],
)
def test_a_text_of_another_shape_is_no_batch_id(text):
    with pytest.raises(BatchError, match="is not flow/use_case/slice/revision"):
        parse_batch_id(text)


@given(first=st.text("a/1", min_size=1), second=st.text("a/1", min_size=1), revision=st.integers(1, 11))
def test_no_batch_is_taken_for_a_slice_of_another(first, second, revision):
    assert parse_batch_id(f"ingest/shop/{first}/{revision}").id != parse_batch_id(f"ingest/shop/{second}/1").slice_id


def test_instants_are_spelt_in_utc():
    new_york = timezone(timedelta(hours=-4))
    assert format_instant(datetime(2013, 6, 30, 20, tzinfo=new_york)) == format_instant(datetime(2013, 7, 1, tzinfo=UTC)) == "2013-07-01T00:00:00Z"


@given(st.permutations(range(3)), st.permutations(ROWS.columns))
def test_the_hash_is_of_the_rows_not_of_their_order(row_order, column_order):
    assert content_hash(ROWS[row_order].select(column_order)) == content_hash(ROWS)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ROWS.head(2), id="a row less"),
        pytest.param(pl.concat([ROWS, ROWS.head(1)]), id="a row twice"),
        pytest.param(ROWS.with_columns(item=pl.col("item").fill_null("")), id="empty text for null"),
        pytest.param(ROWS.with_columns(item=pl.col("item").fill_null("\\N")), id="the text that stands for null"),
        pytest.param(ROWS.with_columns(price_eur=pl.col("price_eur") + 1e-12), id="the last digit"),
        pytest.param(ROWS.with_columns(price_eur=pl.lit(float("nan"))), id="not a number"),
        pytest.param(ROWS.rename({"item": "name"}), id="another name"),
    ],
)
def test_other_content_has_another_hash(other):
    assert content_hash(other) != content_hash(ROWS)


def test_volatile_columns_are_not_hashed():
    timed = ROWS.with_columns(recorded_at=pl.lit("noon"))
    assert content_hash(timed, volatile=["recorded_at"]) == content_hash(ROWS)


def test_lists_and_structs_are_hashed_by_value():
    nested = pl.DataFrame({"tags": [["a", "b"], None], "point": [{"x": 1}, {"x": 2}]})
    assert content_hash(nested) == content_hash(nested[[1, 0]])
    assert content_hash(nested) != content_hash(nested.with_columns(tags=pl.Series([["b", "a"], None])))


@given(st.lists(st.none() | st.binary(max_size=3), min_size=1, max_size=3), st.lists(st.none() | st.binary(max_size=3), min_size=1, max_size=3))
def test_bytes_are_hashed_by_value_and_null_is_no_empty_file(values, others):
    first, second = (pl.DataFrame({"content": held}, schema={"content": pl.Binary}) for held in (values, others))
    is_same = sorted(map(repr, values)) == sorted(map(repr, others))
    assert (content_hash(first) == content_hash(second)) == is_same


@given(st.lists(st.floats(), min_size=1))
def test_a_hash_fits_a_delta_transaction_version(values):
    assert 0 <= content_hash(pl.DataFrame({"value": values})) < 2**63
