"""A lake to explore: whose tables, without which columns, and without a way to write."""

import polars as pl
import pytest

from headrace.errors import AccessError, LakeError
from headrace.explore.lake import choose_tables, find_personal_columns, open_lake
from headrace.explore.profile import measure_columns
from headrace.explore.query import answer_query
from headrace.explore.sections import build_profile
from headrace.lake import tables
from headrace.settings import load_settings
from tests.explore.small_lake import AIRLINES, PERSON, REASON, write_airlines, write_approval
from tests.lake.tiny_contract import COLUMNS, build_contract

APPROVALS = "metrics.approvals"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Prod has airlines and an approval by a person; dev, which this process is, has nothing."""
    prod = load_settings("prod", home=tmp_path, variables={})
    write_airlines(prod)
    write_approval(prod, "flight_delay")
    write_approval(prod, "churn")
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    monkeypatch.setenv("HEADRACE_SUBSET", "true")
    return tmp_path


@pytest.fixture
def lake(home):
    return open_lake("flight_delay", of="prod")


def test_an_empty_lake_says_what_fills_it(home):
    with pytest.raises(LakeError, match="dev has no table of flight_delay yet.*make run USE_CASE=flight_delay ENV=dev fills it"):
        open_lake("flight_delay")


def test_tables_that_all_share_are_no_tables_of_a_use_case(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_ENV", "dev")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    write_approval(load_settings(), "churn")
    with pytest.raises(LakeError, match="nothing to explore"):
        open_lake("flight_delay")


def test_an_environment_that_is_not_readable_is_refused(home, monkeypatch):
    monkeypatch.setenv("HEADRACE_ENV", "prod")
    with pytest.raises(AccessError, match="prod may not read the tables of dev"):
        open_lake("flight_delay", of="dev")


def test_dev_sees_the_tables_of_prod(lake):
    assert (lake.environment, lake.settings.environment) == ("prod", "dev")
    assert lake.tables == (AIRLINES, APPROVALS)
    assert set(lake.read(AIRLINES).collect()["carrier"]) == {"UA", "AA"}
    assert lake.folder == lake.settings.environment_home / "of_prod"


def test_an_earlier_version_has_what_was_there_then(lake):
    newest = lake.read_versions(AIRLINES)["version"][0]
    assert lake.read_rows(AIRLINES, version=newest).row_count == 2
    assert lake.read_rows(AIRLINES, version=newest - 1).row_count == 1
    with pytest.raises(LakeError, match=f"versions 0 to {newest}, not 99"):
        lake.read_rows(AIRLINES, version=99)


@pytest.mark.parametrize("of", ["prod", None])
def test_nothing_is_written_with_the_settings_of_a_lake(of, home):
    write_airlines(load_settings())
    settings = open_lake("flight_delay", of=of).settings
    with pytest.raises(AccessError, match="cannot be written by a process of dev that looks at"):
        write_airlines(settings)


def test_a_shared_table_has_the_rows_of_this_use_case_only(lake):
    assert lake.read_rows(APPROVALS).row_count == 1


def test_personal_columns_are_counted_and_their_values_are_nowhere(lake):
    rows = lake.read_rows(APPROVALS)
    assert [(column.name, column.null_count, column.distinct_count) for column in rows.personal] == [("approver", 0, 1), ("reason", 0, 1)]
    found = str(rows.frame.to_dicts()) + str(lake.read(APPROVALS).collect().to_dicts())
    assert PERSON not in found
    assert REASON not in found
    assert {"approver", "reason"}.isdisjoint(lake.read_schemas()[APPROVALS])


def test_a_query_cannot_ask_for_a_personal_column(lake):
    schemas = lake.read_schemas()
    assert PERSON not in str(answer_query(f"SELECT * FROM {APPROVALS}", lake.read, schemas).to_dicts())
    with pytest.raises(LakeError, match='unable to find column "approver"'):
        answer_query(f"SELECT approver FROM {APPROVALS}", lake.read, schemas)


def test_direct_and_indirect_personal_data_are_hidden_and_all_columns_where_nobody_promised_anything():
    marked = COLUMNS | {"carrier": COLUMNS["carrier"] | {"pii": "direct"}, "trip_id": COLUMNS["trip_id"] | {"pii": "indirect"}}
    contract = build_contract(columns=marked, subject_key="trip_id")
    assert find_personal_columns(["trip_id", "carrier", "delay_minutes", "_source"], contract) == ["trip_id", "carrier"]
    assert find_personal_columns(["anything"], None) == ["anything"]


def test_whose_rows_they_are_is_hidden_and_so_is_a_name_that_another_table_marks():
    contract = build_contract(subject_key="trip_id")
    assert find_personal_columns(["trip_id", "carrier"], contract) == ["trip_id"]
    assert find_personal_columns(["trip_id", "carrier"], contract, personal=frozenset({"carrier"})) == ["trip_id", "carrier"]


def test_of_a_table_without_a_contract_only_counts_are_told(home):
    table = "silver.flight_delay_mystery"
    tables.append(load_settings("prod"), table, pl.DataFrame({"name": [PERSON, None]}), batch_id="refine/flight_delay/1/1")
    rows = open_lake("flight_delay", of="prod").read_rows(table)
    assert (rows.row_count, rows.frame.columns, rows.personal[0].null_count, rows.personal[0].distinct_count) == (2, [], 1, 1)
    said = build_profile(table, None, rows, measure_columns(rows.frame, None)).html
    assert "counted, not shown" in said
    assert PERSON not in said


def test_the_version_that_made_a_table_has_its_columns_and_no_row(lake):
    rows = lake.read_rows(AIRLINES, version=0)
    columns = measure_columns(rows.frame, lake.find_contract(AIRLINES))
    assert {column.values for column in columns} == {"no value"}
    assert "0 rows." in build_profile(AIRLINES, lake.find_contract(AIRLINES), rows, columns).html


def test_a_large_table_is_thinned_out_evenly_and_counted_whole(lake):
    rows = lake.read_rows(AIRLINES, limit=1)
    assert (rows.row_count, rows.frame.height) == (2, 1)


def test_a_use_case_whose_name_begins_like_another_keeps_its_own_tables():
    found = ["gold.churn_features", "gold.churn_eu_features", "metrics.drift", "gold.churned_features"]
    assert choose_tables(found, name="churn", others=["churn", "churn_eu"]) == ("gold.churn_features", "metrics.drift")
    assert choose_tables(found, name="churn_eu", others=["churn", "churn_eu"]) == ("gold.churn_eu_features", "metrics.drift")


def test_without_features_there_are_no_labelled_rows(lake):
    rows = lake.read_labelled_rows()
    assert rows.is_empty()
    assert {"prediction_at", lake.case.label.name} <= set(rows.columns)
    assert lake.read_features().is_empty()
