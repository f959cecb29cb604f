import polars as pl
import pytest

from headrace.errors import LakeError
from headrace.lake.contracts import build_rejected_contract, list_schema_differences
from headrace.lake.quality import judge
from headrace.lake.quarantine import split
from tests.lake.tiny_contract import build_contract, build_rows

CONTRACT = build_contract()


def test_every_row_is_accepted_or_rejected_and_none_is_both():
    rows = build_rows(trip_id=["a", "b", "b", "c"], carrier=["ZZ", "UA", "UA", "AA"])
    accepted, rejected = split(rows, judge(rows, CONTRACT))
    assert accepted["trip_id"].to_list() == ["b", "c"]
    assert rejected.select("trip_id", "_expectation").rows() == [("a", "carrier_is_allowed"), ("b", "key_is_unique")]
    assert pl.concat([accepted, rejected.drop("_expectation")]).sort("trip_id").equals(rows.sort("trip_id"))


def test_accepted_rows_come_through_unchanged():
    rows = build_rows(delay_minutes=[0.1, None, -3.0])
    accepted, rejected = split(rows, judge(rows, CONTRACT))
    assert accepted.equals(rows)
    assert rejected.is_empty()


def test_rejected_rows_fit_the_contract_of_their_table_also_when_there_are_none():
    for rows in (build_rows(), build_rows(carrier=["ZZ", "UA"])):
        _, rejected = split(rows, judge(rows, CONTRACT))
        assert list_schema_differences(rejected.schema, build_rejected_contract(CONTRACT).schema) == []


def test_a_report_about_other_rows_is_refused():
    with pytest.raises(LakeError, match="about 2 rows, the batch has 3; split the frame that was judged"):
        split(build_rows(carrier=["UA", "UA", "UA"]), judge(build_rows(), CONTRACT))


def test_no_row_of_a_batch_with_other_columns_is_accepted():
    rows = build_rows().drop("carrier")
    accepted, rejected = split(rows, judge(rows, CONTRACT))
    assert accepted.is_empty()
    assert rejected["_expectation"].to_list() == ["columns_are_as_promised"] * 2


def test_an_empty_batch_splits_into_nothing():
    rows = build_rows().clear()
    assert [part.height for part in split(rows, judge(rows, CONTRACT))] == [0, 0]
