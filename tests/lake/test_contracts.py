from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from headrace.errors import ContractError
from headrace.lake.contracts import find_contract, list_schema_differences, load_contract, read_contract
from tests.lake.tiny_contract import COLUMNS, TABLE, build_contract, contract_values, expectation


def write(folder: Path, text: str, name: str = TABLE) -> Path:
    path = folder / "tiny" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def as_yaml(**changes: Any) -> str:
    return yaml.safe_dump(contract_values(**changes), sort_keys=False)


def changed_column(name: str, **changes: Any) -> dict[str, Any]:
    return {"columns": COLUMNS | {name: COLUMNS[name] | changes}}


def test_a_contract_reads_as_it_was_written(tmp_path):
    assert read_contract(write(tmp_path, as_yaml())) == build_contract()


def test_the_schema_of_silver_has_the_system_columns():
    assert build_contract().schema.names() == [*COLUMNS, "_ingested_at", "_source", "_batch_id"]
    assert build_contract().schema["known_at"] == pl.Datetime("us", "UTC")
    assert build_contract(table="metrics.tiny").schema.names() == list(COLUMNS)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"colums": {}}, "colums: Extra inputs are not permitted", id="unknown key"),
        pytest.param({"columns": {}}, "columns: ", id="no columns"),
        pytest.param({"owner": ""}, "owner: ", id="no owner"),
        pytest.param({"tolerance_fraction": 1.5}, "tolerance_fraction: ", id="tolerance beyond all rows"),
        pytest.param({"key": {"columns": ["trip"], "on_repeat": "reject"}}, "columns that it does not list: trip", id="key of another table"),
        pytest.param({"event_time": "landed_at"}, "columns that it does not list: landed_at", id="event time of another table"),
        pytest.param(changed_column("trip_id", pii="direct"), "personal data", id="personal data without a subject"),
        pytest.param(changed_column("carrier", allowed=[]), "allowed: ", id="no value is allowed"),
        pytest.param(changed_column("carrier", type="binary"), "cannot spell for bytes", id="allowed values of bytes"),
        pytest.param(changed_column("carrier", type="vector"), "cannot spell for bytes or vectors", id="allowed values of vectors"),
        pytest.param(changed_column("carrier", range=[0, 1]), "only numbers have", id="range of a string"),
        pytest.param(changed_column("delay_minutes", range=[1, 0]), "every value or no value", id="range the wrong way round"),
        pytest.param(changed_column("delay_minutes", range=[None, None]), "every value or no value", id="range without an end"),
        pytest.param(changed_column("delay_minutes", description=""), "description: ", id="column without a meaning"),
        pytest.param(
            {"event_time": None, "expectations": [expectation("expect_column_max_to_be_between", level="day", column="row_count", max_value=1)]},
            "no event_time",
            id="rows per day of no day",
        ),
    ],
)
def test_an_incomplete_or_impossible_contract_is_refused(tmp_path, changes, complaint):
    with pytest.raises(ContractError, match=complaint):
        read_contract(write(tmp_path, as_yaml(**changes)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "incomplete or wrong", id="empty file"),
        pytest.param("columns: [", "is not YAML", id="not YAML"),
        pytest.param(as_yaml() + "version: 2\n", "key written twice: version", id="a key written twice"),
    ],
)
def test_a_file_that_is_no_contract_is_refused(tmp_path, text, complaint):
    with pytest.raises(ContractError, match=complaint):
        read_contract(write(tmp_path, text))


def test_a_contract_lies_in_the_file_of_its_table(tmp_path):
    with pytest.raises(ContractError, match=r"promises silver.tiny_trips; name the file silver.tiny_trips.yaml"):
        read_contract(write(tmp_path, as_yaml(), name="silver.tiny_other"))


def test_a_table_has_one_contract_whatever_environment_asks(tmp_path):
    write(tmp_path, as_yaml())
    assert find_contract(f"prod.{TABLE}", tmp_path) == build_contract()
    assert find_contract("silver.tiny_other", tmp_path) is None


def test_two_contracts_of_one_table_are_refused(tmp_path):
    text = as_yaml()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / f"{TABLE}.yaml").write_text(text, encoding="utf-8")
    write(tmp_path, text)
    with pytest.raises(ContractError, match=f"{TABLE} has 2 contracts"):
        find_contract(TABLE, tmp_path)


def test_a_table_that_must_have_a_contract_says_which_file_to_write():
    with pytest.raises(ContractError, match=r"write data_contracts/<use case>/silver.nobody_knows.yaml"):
        load_contract("silver.nobody_knows")


def test_rejected_rows_are_promised_their_columns_and_their_reason_but_no_values(tmp_path):
    write(tmp_path, as_yaml(volatile=["known_at"]))
    rejected = find_contract(f"{TABLE}_rejected", tmp_path)
    assert rejected is not None
    assert rejected.schema.names() == [*COLUMNS, "_expectation", "_ingested_at", "_source", "_batch_id"]
    assert rejected.volatile == ("known_at",)
    assert rejected.key is None
    assert [name for name, column in rejected.columns.items() if not column.nullable] == ["_expectation"]


def test_schema_differences_name_what_is_missing_unknown_and_of_another_type():
    promised = pl.Schema({"a": pl.Int64(), "b": pl.String(), "c": pl.Float64()})
    found = pl.Schema({"c": pl.Int32(), "d": pl.String(), "b": pl.String()})
    assert list_schema_differences(found, promised) == ["a (Int64) is missing", "d is not promised", "c is Int32, expected Float64"]
    assert list_schema_differences(pl.Schema(reversed(promised.items())), promised) == []
