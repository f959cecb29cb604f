"""Every table has a contract, and every contract says all that a reader, a writer and a gate need."""

import re

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace.lake.contracts import CONTRACTS, TYPES, find_contract, load_contract, read_contract
from headrace.lake.expectations import build_checks
from headrace.settings import ROOT

PATHS = sorted(CONTRACTS.rglob("*.y*ml"))
CASES = use_cases.names()

# An integer with such an ending is a quantity; others are ids, codes, versions and years.
QUANTITY = re.compile(r"_(count|minutes|seconds|s|ms|km|m|mm|kmh|hpa|celsius|degrees|percent|fraction|rows)$|^rows_")


def test_there_are_contracts():
    assert PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestContract:
    def test_it_reads_lies_where_it_is_looked_for_and_promises_what_can_be_judged(self, path):
        contract = read_contract(path)
        assert find_contract(contract.table) == contract, f"{path}: contracts lie in data_contracts/<use case>/<table>.yaml"
        assert build_checks(contract)

    def test_it_lies_in_the_folder_of_its_use_case(self, path):
        layer, noun = path.stem.split(".")
        assert path.parent.name == "metrics" if layer == "metrics" else noun.startswith(f"{path.parent.name}_")

    def test_every_quantity_has_a_unit(self, path):
        columns = read_contract(path).columns.items()
        unitless = [
            name
            for name, column in columns
            if column.unit is None and (column.type in ("float64", "timestamp") or (column.type == "int64" and QUANTITY.search(name)))
        ]
        assert not unitless, f"{path.name}: give a unit to {unitless}"

    def test_descriptions_are_sentences(self, path):
        contract = read_contract(path)
        texts = {name: column.description for name, column in contract.columns.items()} | {"description": contract.description}
        texts |= {own.name: own.description for own in contract.expectations}
        assert not [name for name, text in texts.items() if not (text[0].isupper() and text.endswith((".", "?")))]

    def test_rows_of_every_table_but_bronze_are_identified_and_timed(self, path):
        contract = read_contract(path)
        layer = path.stem.split(".")[0]
        if layer in ("silver", "gold", "inference"):
            assert contract.key is not None
            assert all(not contract.columns[column].nullable for column in contract.key.columns)
        if layer != "metrics":
            assert contract.known_time is not None

    def test_a_table_of_all_use_cases_says_which_one_a_row_is_about(self, path):
        if path.parent.name == "metrics":
            assert "use_case" in read_contract(path).columns


@pytest.mark.parametrize("name", CASES)
class TestUseCase:
    def test_every_table_it_fills_has_a_contract(self, name):
        case = use_cases.load(name)
        assert not [table for table in (*case.feed_tables, *case.other_tables) if find_contract(table) is None]
        assert not [table for feed in case.feeds if find_contract(table := f"{case.silver_table(feed)}_rejected") is None]

    def test_its_contracts_are_of_tables_that_it_fills(self, name):
        case = use_cases.load(name)
        assert {path.stem for path in PATHS if path.parent.name == name} <= {*case.feed_tables, *case.other_tables}

    def test_the_feature_table_promises_its_features_with_their_types(self, name):
        features = use_cases.load(name).features
        promised = load_contract(use_cases.load(name).table("gold", "features")).schema
        expected = {feature: pl.String() if feature in features.categorical else pl.Float64() for feature in features.names}
        assert {feature: promised.get(feature) for feature in features.names} == expected

    def test_the_feature_table_promises_no_column_that_would_leak(self, name):
        case = use_cases.load(name)
        assert not set(case.features.forbidden) & set(load_contract(case.table("gold", "features")).columns)


def test_every_shared_table_in_the_code_has_a_contract_and_every_contract_a_table_in_the_code():
    sources = [path for folder in ("headrace", "tasks", "flows") for path in (ROOT / folder).rglob("*.py")]
    named = {table for path in sources for table in re.findall(r'"(metrics\.[a-z_]+)"', path.read_text(encoding="utf-8"))} - {"metrics.json"}
    assert named == {path.stem for path in PATHS if path.parent.name == "metrics"}


def test_the_types_of_contracts_are_those_that_delta_keeps():
    plain = {pl.String(), pl.Int64(), pl.Float64(), pl.Boolean(), pl.Date(), pl.Datetime("us", "UTC"), pl.Binary()}
    assert set(TYPES.values()) == plain | {pl.List(pl.Float32())}
