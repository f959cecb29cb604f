"""Lineage is what the flows' cards say, and the cards name tables that exist."""

import pytest

from headrace import use_case as use_cases
from headrace.lake.contracts import find_contract
from headrace.settings import ROOT
from tasks.assets import list_lineage

CASE = use_cases.load("flight_delay")
FLOWS = ("ingest", "refine", "featurize", "train", "score", "monitor", "retrain", "promote", "rollback")


def lineage(flow):
    card = (ROOT / "flows" / f"{flow}.py").read_text(encoding="utf-8").split('"""')[1]
    return list_lineage(card, CASE.name, CASE.feeds)


def test_a_feed_is_made_from_its_own_bronze_only():
    made_from = lineage("refine")
    assert made_from["silver.flight_delay_weather"] == {"bronze.flight_delay_weather"}
    assert made_from["silver.flight_delay_weather_rejected"] == {"bronze.flight_delay_weather"}
    assert made_from["metrics.data_quality"] == {f"bronze.flight_delay_{feed}" for feed in CASE.feeds}


def test_features_are_made_from_every_silver_table():
    assert lineage("featurize")["gold.flight_delay_features"] == {f"silver.flight_delay_{feed}" for feed in CASE.feeds}


def test_a_promotion_is_made_from_features_and_approvals():
    assert lineage("promote")["metrics.promotions"] == {"gold.flight_delay_features", "metrics.approvals"}


def test_no_card_means_no_lineage():
    assert list_lineage("", CASE.name, CASE.feeds) == {}


@pytest.mark.parametrize("flow", FLOWS)
def test_every_table_that_a_card_names_has_a_contract(flow):
    found = lineage(flow)
    named = set(found).union(*found.values())
    assert {table for table in named if find_contract(table) is None} == set()
    assert "metrics.pipeline_runs" not in found
