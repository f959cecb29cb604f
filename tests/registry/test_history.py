"""Rows first, aliases after: who is champion when, and what a cut-off move leaves behind."""

from datetime import UTC, datetime

import polars as pl
import pytest

from headrace.decisions import blocked, passed
from headrace.registry import history, rollback, versions
from headrace.registry.history import Reign

APRIL, MAY, JUNE = (datetime(2013, month, 1, tzinfo=UTC) for month in (4, 5, 6))


def promote(settings, case, version, as_of):
    history.record_verdict(settings, case, version, passed("promotion", "better"), as_of=as_of, approver="automatic")
    history.finish_promotions(settings, case)


def alias(settings, case, name):
    version = versions.read_alias(settings, case, alias=name)
    return version.number if version else None


def test_a_reign_begins_after_the_instant_of_its_promotion():
    rows = pl.DataFrame({"prediction_at": [APRIL, datetime(2013, 4, 1, 0, 0, 1, tzinfo=UTC), MAY, JUNE]}).cast(pl.Datetime("us", "UTC"))
    joined = history.join_reigns(rows, [Reign(version=1, model_id="a", since=APRIL), Reign(version=2, model_id="b", since=MAY)])
    assert joined["model_version"].to_list() == [None, 1, 1, 2]
    assert joined["model_id"].to_list() == [None, "a", "a", "b"]


@pytest.mark.parametrize(
    ("line", "predecessor"),
    [
        pytest.param([], None, id="no champion yet"),
        pytest.param([1], None, id="the first champion has none"),
        pytest.param([1, 2], 1, id="the one before"),
        pytest.param([1, 2, 3], 2, id="not the first"),
        pytest.param([1, 2, 1], None, id="a version that was rolled back is not returned to"),
        pytest.param([1, 2, 3, 2], 1, id="two rollbacks go back two"),
        pytest.param([1, 2, 1, 3], 1, id="a promotion after a rollback"),
    ],
)
def test_a_rollback_goes_to_the_champion_before(line, predecessor):
    reigns = [Reign(version=number, model_id=str(number), since=APRIL) for number in line]
    assert history.find_predecessor(reigns) == predecessor


def test_a_promoted_version_is_champion_and_a_rejected_one_archived(settings, case, register):
    first, second = register("a"), register("b")
    promote(settings, case, first, APRIL)
    history.record_verdict(settings, case, second, blocked("promotion", "worse"), as_of=MAY, approver=None)
    history.finish_promotions(settings, case)
    assert alias(settings, case, "champion") == first.number
    assert alias(settings, case, "challenger") is None
    assert versions.read(settings, case, number=second.number).tags["stage"] == "archived"
    assert versions.read(settings, case, number=first.number).tags["stage"] == "production"


def test_an_alias_that_did_not_follow_its_row_is_moved_by_the_next_flow(settings, case, register):
    version = register("a")
    history.record_verdict(settings, case, version, passed("promotion", "better"), as_of=APRIL, approver="automatic")
    assert alias(settings, case, "champion") is None
    history.finish_promotions(settings, case)
    assert alias(settings, case, "champion") == version.number


def test_a_verdict_is_recorded_once_and_obeyed_after(settings, case, register):
    version = register("a")
    history.record_verdict(settings, case, version, blocked("promotion", "worse"), as_of=APRIL, approver=None)
    history.record_verdict(settings, case, version, passed("promotion", "better"), as_of=MAY, approver="automatic")
    assert history.read_promotions(settings, case).height == 1
    assert history.read_decision(settings, case, model_id="a") == blocked("promotion", "worse")


def test_rollback_returns_to_the_previous_champion_through_a_row(settings, case, register):
    first, second = register("a"), register("b")
    promote(settings, case, first, APRIL)
    promote(settings, case, second, MAY)
    assert alias(settings, case, "previous_champion") == first.number
    verdict = rollback.decide_rollback(settings, case, as_of=JUNE, by="ada", reason="scores too low")
    history.finish_promotions(settings, case)
    assert verdict.passed
    assert alias(settings, case, "champion") == first.number
    row = history.read_promotions(settings, case).row(-1, named=True)
    assert (row["action"], row["approver"], row["previous_version"], row["as_of"]) == ("rollback", "ada", second.number, JUNE)
    assert versions.read(settings, case, number=second.number).tags["stage"] == "archived"


def test_a_rollback_that_was_cut_off_is_finished_not_repeated(settings, case, register):
    for number, (name, as_of) in enumerate([("a", APRIL), ("b", MAY), ("c", JUNE)], start=1):
        version = register(name)
        assert version.number == number
        promote(settings, case, version, as_of)
    rollback.decide_rollback(settings, case, as_of=JUNE, by="ada", reason="scores too low")
    again = rollback.decide_rollback(settings, case, as_of=JUNE, by="ada", reason="scores too low")
    assert "cut off" in again.reason
    history.finish_promotions(settings, case)
    assert alias(settings, case, "champion") == 2


def test_the_same_model_id_is_registered_once(settings, case, register):
    assert register("a").number == register("a").number == 1


def test_asking_a_registry_that_does_not_exist_yet_creates_none(settings, case, tmp_path):
    unborn = settings.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path / 'unborn.db'}"})
    assert versions.read_alias(unborn, case, alias=versions.CHAMPION) is None
    assert versions.find(unborn, case, model_id="a") is None
    assert not (tmp_path / "unborn.db").exists()


def test_a_rollback_takes_nothing_from_the_champion_that_predicted_until_then(settings, case, register):
    promote(settings, case, register("a"), APRIL)
    promote(settings, case, register("b"), MAY)
    history.record_verdict(settings, case, register("c"), blocked("promotion", "worse"), as_of=JUNE, approver=None)
    rows = pl.DataFrame({"prediction_at": [datetime(2013, 5, 20, tzinfo=UTC)]}).cast(pl.Datetime("us", "UTC"))
    before = history.join_reigns(rows, history.read_reigns(settings, case))
    assert rollback.decide_rollback(settings, case, as_of=APRIL, by="ada", reason="scores too low").passed
    assert history.join_reigns(rows, history.read_reigns(settings, case)).equals(before)
    assert history.read_reigns(settings, case)[-1].since == JUNE
