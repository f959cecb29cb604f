"""Lineage is what the flows' cards and the use case's declarations say, and the cards name tables that exist."""

import pytest

from headrace import use_case as use_cases
from headrace.inventory.lineage import build_lineage, list_lineage, list_read, read_cards
from headrace.lake.contracts import find_contract

CASE = use_cases.load("flight_delay")
CARDS = read_cards()
FLOWS = ("ingest", "refine", "featurize", "train", "score", "monitor", "retrain", "promote", "rollback")
ONE_FEED = """Refine.

Reads   bronze.<use_case>_<feed>
Writes  silver.<use_case>_<feed>, inference.<use_case>_requests (from a log),
        metrics.drift (from gold.<use_case>_features), metrics.pipeline_runs
"""


def test_a_feed_is_made_from_its_own_bronze_only():
    made_from = list_lineage(CARDS["refine"], CASE)
    assert made_from["silver.flight_delay_weather"] == {"bronze.flight_delay_weather"}
    assert made_from["silver.flight_delay_weather_rejected"] == {"bronze.flight_delay_weather"}
    assert made_from["metrics.data_quality"] == {f"bronze.flight_delay_{feed}" for feed in CASE.feeds}


def test_features_are_made_from_the_silver_tables_that_they_declare():
    read = {"flight_schedules", "flight_outcomes", "weather", "planes"}
    assert list_lineage(CARDS["featurize"], CASE)["gold.flight_delay_features"] == {f"silver.flight_delay_{noun}" for noun in read}


def test_labels_are_read_from_the_tables_that_the_label_declares():
    assert list_read(CARDS["train"], CASE) == {"gold.flight_delay_features", "silver.flight_delay_flight_outcomes"}


def test_a_promotion_is_made_from_features_and_approvals():
    assert list_lineage(CARDS["promote"], CASE)["metrics.promotions"] == {"gold.flight_delay_features", "metrics.approvals"}


def test_what_a_note_says_comes_before_what_the_flow_reads():
    made_from = list_lineage(ONE_FEED, CASE)
    assert made_from["inference.flight_delay_requests"] == set()
    assert made_from["metrics.drift"] == {"gold.flight_delay_features"}
    assert list_lineage(CARDS["monitor"], CASE)["inference.flight_delay_requests"] == set()
    assert build_lineage(CASE, CARDS).origins == {"inference.flight_delay_requests": "the server's log"}


def test_no_card_means_no_lineage():
    assert list_lineage("", CASE) == {}
    assert list_read("", CASE) == set()


def test_upstream_and_downstream_are_one_relation_seen_from_both_ends():
    lineage = build_lineage(CASE, CARDS)
    assert lineage.list_upstream("gold.flight_delay_features") == [
        f"silver.flight_delay_{noun}" for noun in ("flight_outcomes", "flight_schedules", "planes", "weather")
    ]
    for table in lineage.made_from:
        assert all(table in lineage.list_downstream(upstream) for upstream in lineage.list_upstream(table))
    assert lineage.read_by["metrics.drift"] == ("retrain",)
    assert lineage.list_downstream("silver.flight_delay_airlines") == []


@pytest.mark.parametrize("flow", FLOWS)
def test_every_table_that_a_card_names_has_a_contract(flow):
    found = list_lineage(CARDS[flow], CASE)
    named = set(found).union(*found.values())
    assert {table for table in named if find_contract(table) is None} == set()
    assert "metrics.pipeline_runs" not in found


def test_flows_of_assistants_make_nothing_for_a_use_case_of_tables():
    lineage = build_lineage(CASE, CARDS)
    assert "gold.flight_delay_chunks" not in lineage.made_from
    assert "silver.flight_delay_sections" not in lineage.read_by
