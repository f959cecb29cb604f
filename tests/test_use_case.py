"""A use case as an environment runs it."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from headrace import use_case as use_cases
from headrace.errors import UseCaseError
from headrace.lake.filtered import FilteredSource
from headrace.lake.landing import LandingFolder
from headrace.lake.upstream import UpstreamBronze
from headrace.llm.feedback_source import WithFeedback
from headrace.settings import ROOT, load_settings
from headrace.source import Delivery

FULL = use_cases.load("flight_delay")


class Towns:
    """A source of one delivery per feed, with a row per airport."""

    def deliveries(self, feed, *, after, until):
        return [Delivery(feed=feed, slice_name="all", arrived_at=until, origin="test", read=lambda: pl.DataFrame({"origin": ["LGA", "JFK"]}))]


def settings(tmp_path, name="dev", **variables):
    return load_settings(name, home=tmp_path, variables={f"HEADRACE_{key}": value for key, value in variables.items()})


def declare(monkeypatch, **changes):
    """Make `flight_delay` another use case for the length of a test."""
    module = ModuleType("use_cases.flight_delay")
    module.USE_CASE = replace(FULL, **changes)  # ty: ignore - a module takes any attribute
    module.__spec__ = sys.modules["use_cases.flight_delay"].__spec__
    monkeypatch.setitem(sys.modules, "use_cases.flight_delay", module)


def test_dev_and_prod_run_a_use_case_as_it_is_declared(tmp_path):
    assert use_cases.load_in(settings(tmp_path), "flight_delay") == FULL
    assert use_cases.load_in(settings(tmp_path, "prod"), "flight_delay") == FULL


def test_staging_runs_the_subset_of_what_prod_has_ingested(tmp_path):
    case = use_cases.load_in(settings(tmp_path, "staging"), "flight_delay")
    assert FULL.subset is not None
    assert isinstance(case.source, UpstreamBronze)
    assert (case.source.environment, case.source.rows) == ("prod", FULL.subset.rows)
    assert (case.training, case.policy, case.replay) == (FULL.subset.training, FULL.subset.policy, FULL.subset.replay)
    assert (case.name, case.feeds, case.features, case.label) == (FULL.name, FULL.feeds, FULL.features, FULL.label)


def test_what_readers_of_staging_say_is_its_own_and_the_rest_is_what_prod_has_ingested(tmp_path):
    source = use_cases.load_in(settings(tmp_path, "staging"), "docs_assistant").source
    assert isinstance(source, WithFeedback)
    assert source.settings is not None
    assert source.settings.environment == "staging"
    assert isinstance(source.source, UpstreamBronze)
    assert source.deliveries("feedback", after=None, until=datetime.now(UTC)) == []


@pytest.mark.parametrize(("name", "is_replayed"), [("flight_delay", True), ("docs_assistant", False)])
def test_documents_of_ones_own_have_no_past(tmp_path, name, is_replayed):
    own = settings(tmp_path, DOCUMENTS_ROOT=str(tmp_path))
    assert use_cases.is_replayed(own, use_cases.load_in(own, name)) == is_replayed
    assert use_cases.is_replayed(settings(tmp_path), use_cases.load_in(settings(tmp_path), name))
    assert not use_cases.is_replayed(settings(tmp_path, "prod"), use_cases.load_in(settings(tmp_path, "prod"), name))


def test_a_subset_of_the_source_itself_filters_the_feeds_it_names_and_no_other(tmp_path, monkeypatch):
    declare(monkeypatch, source=Towns())
    source = use_cases.load_in(settings(tmp_path, SUBSET="true"), "flight_delay").source
    assert isinstance(source, FilteredSource)

    def read(feed):
        (delivery,) = source.deliveries(feed, after=None, until=datetime(2013, 1, 1, tzinfo=UTC))
        return delivery.read()["origin"].to_list()

    assert read("weather") == ["LGA"]
    assert read("planes") == ["LGA", "JFK"]


def test_a_landing_folder_lies_where_the_environment_says(tmp_path, monkeypatch):
    source = LandingFolder(folder=Path("order_returns"), use_case="flight_delay")
    declare(monkeypatch, source=source)
    here, there = (use_cases.load_in(settings(tmp_path, **said), "flight_delay").source for said in ({}, {"LANDING_ROOT": "/data"}))
    assert here == replace(source, folder=ROOT / "landing" / "order_returns")
    assert there == replace(source, folder=Path("/data/order_returns"))
    elsewhere = replace(source, folder=tmp_path / "elsewhere")
    assert elsewhere.within(settings(tmp_path)) == elsewhere


def test_an_environment_of_subsets_refuses_a_use_case_that_declares_none(tmp_path, monkeypatch):
    declare(monkeypatch, subset=None)
    with pytest.raises(UseCaseError, match=r"staging runs use cases on their subset, and flight_delay declares none; give its UseCase a subset"):
        use_cases.load_in(settings(tmp_path, "staging"), "flight_delay")


def test_a_subset_of_a_feed_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    assert FULL.subset is not None
    declare(monkeypatch, subset=replace(FULL.subset, rows={"wether": pl.lit(True)}))
    with pytest.raises(UseCaseError, match="the subset of flight_delay keeps rows of wether; its feeds are flight_schedules"):
        use_cases.load_in(settings(tmp_path, "staging"), "flight_delay")
