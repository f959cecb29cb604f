"""Entries are what contracts, use cases and cards say; what is missing is said to be missing."""

import shutil
from datetime import timedelta

import pytest

from headrace import use_case as use_cases
from headrace.inventory.entries import find_owner, list_declared, list_entries
from headrace.inventory.features import list_features
from headrace.lake.contracts import CONTRACTS

CASE = use_cases.load("flight_delay")


@pytest.fixture(scope="module")
def entries():
    return {entry.name: entry for entry in list_entries([CASE])}


@pytest.fixture
def contracts(tmp_path):
    """A folder with all contracts, to be changed."""
    return shutil.copytree(CONTRACTS, tmp_path / "data_contracts")


def test_every_contract_and_every_declared_table_has_one_entry(entries):
    promised = {path.stem for folder in ("flight_delay", "metrics") for path in (CONTRACTS / folder).glob("*.yaml")}
    assert set(entries) == promised | set(list_declared(CASE))
    assert "silver.flight_delay_weather_rejected" in entries


def test_an_entry_says_what_its_contract_says_and_which_file_that_is(entries):
    weather = entries["silver.flight_delay_weather"]
    assert weather.contract is not None
    assert weather.contract.owner == CASE.owner
    assert str(weather.file) == "data_contracts/flight_delay/silver.flight_delay_weather.yaml"
    assert weather.digest is not None
    assert len(weather.digest) == 12
    assert entries["silver.flight_delay_weather_rejected"].file is None


def test_an_entry_knows_what_made_it_and_what_it_leads_to(entries):
    gold = entries["gold.flight_delay_features"]
    assert gold.made_by == ("featurize",)
    assert "silver.flight_delay_weather" in gold.made_from
    assert "inference.flight_delay_predictions" in gold.leads_to
    assert {"train", "score"} <= set(gold.read_by)
    assert entries["bronze.flight_delay_weather"].source == "NewYorkFlights"
    assert entries["inference.flight_delay_requests"].source == "the server's log"
    assert "refine" in entries["metrics.pipeline_runs"].made_by


def test_a_table_in_the_lake_that_nobody_declares_is_listed_without_a_contract():
    (stray,) = [entry for entry in list_entries([CASE], present=["silver.flight_delay_notes"]) if entry.contract is None]
    assert (stray.name, stray.use_case, stray.made_by) == ("silver.flight_delay_notes", "flight_delay", ())


def test_a_declared_table_without_a_contract_is_listed_as_such(contracts):
    (contracts / "flight_delay" / "bronze.flight_delay_planes.yaml").unlink()
    found = {entry.name: entry for entry in list_entries([CASE], contracts=contracts)}
    assert found["bronze.flight_delay_planes"].contract is None
    assert found["bronze.flight_delay_planes"].made_by == ("ingest",)


def test_a_contract_of_a_table_that_nobody_fills_is_listed(contracts):
    text = (contracts / "flight_delay" / "silver.flight_delay_planes.yaml").read_text(encoding="utf-8")
    (contracts / "flight_delay" / "silver.flight_delay_ships.yaml").write_text(text.replace("_planes", "_ships"), encoding="utf-8")
    found = {entry.name: entry for entry in list_entries([CASE], contracts=contracts)}
    assert found["silver.flight_delay_ships"].made_by == ()


def test_a_column_that_one_contract_calls_personal_is_so_in_every_table_of_the_use_case(contracts):
    path = contracts / "flight_delay" / "silver.flight_delay_planes.yaml"
    text = path.read_text(encoding="utf-8").replace("tail_number: {type: string,", "tail_number: {type: string, pii: indirect,")
    path.write_text(text.replace("subject_key: null", "subject_key: tail_number"), encoding="utf-8")
    found = {entry.name: entry for entry in list_entries([CASE], contracts=contracts)}
    assert all("tail_number" in found[f"silver.flight_delay_{noun}"].personal for noun in ("planes", "flight_outcomes", "planes_rejected"))
    assert "tail_number" not in found["metrics.promotions"].personal


@pytest.mark.parametrize(
    ("table", "owner"),
    [
        ("silver.flight_delay_weather", "flight_delay"),
        ("silver.flight_crews", "flight"),
        ("metrics.flight_delay_weather", None),
        ("gold.ships_features", None),
    ],
)
def test_a_table_belongs_to_the_use_case_with_the_longest_name_that_fits(table, owner):
    assert find_owner(table, ["flight", "flight_delay"]) == owner


def test_every_feature_has_its_meaning_and_says_where_it_comes_from():
    features = {feature.name: feature for feature in list_features(CASE)}
    assert tuple(features) == CASE.features.names
    assert all(feature.meaning for feature in features.values())
    wind = features["weather_wind_speed_kmh"]
    assert (wind.view, wind.unit, wind.inputs, wind.lookback) == ("weather", "km/h", ("silver.flight_delay_weather",), timedelta(hours=6))
    assert wind.stale_hours == 48
    carrier = features["carrier"]
    assert (carrier.view, carrier.type, carrier.inputs, carrier.stale_hours) == (None, "string", (), None)


def test_a_feature_that_its_contract_lacks_is_listed_without_a_meaning(contracts):
    path = contracts / "flight_delay" / "gold.flight_delay_features.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("  plane_age_years:")), encoding="utf-8")
    assert [feature.name for feature in list_features(CASE, contracts=contracts) if feature.meaning is None] == ["plane_age_years"]
