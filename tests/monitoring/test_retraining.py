"""The retraining policy: every trigger, every brake, and every figure that is missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace import use_case as use_cases
from headrace.monitoring.retraining import RetrainFacts, decide_retraining

NOW = datetime(2013, 7, 1, tzinfo=UTC)
POLICY = replace(
    use_cases.load("flight_delay").policy,
    performance_metric="live/log_loss",
    max_performance_drop=0.05,
    max_drifted_fraction=0.5,
    drift_view="season",
    persistence=2,
    max_age=timedelta(days=90),
    cool_down=timedelta(days=28),
    min_new_labels=1_000,
    budget=3,
    budget_window=timedelta(days=365),
    floors={},
    ceilings={},
    live_floors={},
    live_ceilings={},
    min_live_rows=20,
)
HEALTHY = RetrainFacts(
    as_of=NOW,
    champion_as_of=NOW - timedelta(days=60),
    trainings=[NOW - timedelta(days=60)],
    new_label_count=5_000,
    reference_metric=0.50,
    live_metrics=[0.49, 0.51, 0.52],
    drifted_fractions=[0.1, 0.2],
)


def decide(**changes):
    return decide_retraining(replace(HEALTHY, **changes), POLICY)


def test_a_healthy_champion_stays():
    decision = decide()
    assert (decision.should_retrain, decision.trigger) == (False, "none")


@pytest.mark.parametrize(
    ("changes", "trigger"),
    [
        pytest.param(
            {"champion_as_of": None, "trainings": [], "reference_metric": None, "live_metrics": [], "drifted_fractions": []},
            "first",
            id="no champion",
        ),
        pytest.param({"champion_as_of": NOW - timedelta(days=90), "trainings": [NOW - timedelta(days=90)]}, "schedule", id="old enough to the day"),
        pytest.param({"live_metrics": [0.49, 0.55, 0.60]}, "performance", id="drop that lasts"),
        pytest.param({"drifted_fractions": [0.5, 0.6]}, "drift", id="drift that lasts"),
        pytest.param({"index_change": "the documents changed", "trainings": [NOW] * 9, "new_label_count": 0}, "documents", id="documents"),
    ],
)
def test_each_trigger_asks_for_a_training(changes, trigger):
    decision = decide(**changes)
    assert (decision.should_retrain, decision.trigger) == (True, trigger), decision.reason


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"live_metrics": [0.60, 0.51]}, id="a drop that is over"),
        pytest.param({"live_metrics": [0.51, 0.60]}, id="a drop of one window"),
        pytest.param({"live_metrics": [0.60]}, id="too few windows"),
        pytest.param({"drifted_fractions": [0.9]}, id="drift of one window"),
        pytest.param({"drifted_fractions": [0.9, 0.1]}, id="drift that is over"),
    ],
)
def test_what_does_not_last_triggers_nothing(changes):
    assert decide(**changes).trigger == "none"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"live_metrics": [0.60, None]}, id="newest window not measured"),
        pytest.param({"live_metrics": [None, 0.60]}, id="one of the newest windows not measured"),
        pytest.param({"live_metrics": [0.60, float("nan")]}, id="not a number"),
        pytest.param({"live_metrics": [0.60, 0.60], "reference_metric": None}, id="no holdout figure"),
        pytest.param({"live_metrics": [0.60, 0.60], "reference_metric": float("nan")}, id="holdout figure not a number"),
        pytest.param({"live_metrics": []}, id="nothing measured"),
        pytest.param({"drifted_fractions": [0.9, None]}, id="no feature could be compared"),
    ],
)
def test_a_missing_figure_neither_triggers_nor_passes_as_healthy(changes):
    decision = decide(**changes)
    assert not decision.should_retrain
    assert "cannot be judged" in decision.reason


def test_a_challenger_that_was_turned_away_confirms_the_champion_for_another_term():
    old = {"champion_as_of": NOW - timedelta(days=120)}
    assert decide(**old, trainings=[NOW - timedelta(days=120)]).trigger == "schedule"
    assert decide(**old, trainings=[NOW - timedelta(days=120), NOW - timedelta(days=30)]).trigger == "none"


@pytest.mark.parametrize(
    ("changes", "brake"),
    [
        pytest.param({"trainings": [NOW - timedelta(days=27)]}, "cool-down", id="trained a moment ago"),
        pytest.param({"trainings": [NOW - timedelta(days=days) for days in (300, 200, 100)]}, "budget", id="budget spent"),
        pytest.param({"new_label_count": 999}, "new labels", id="nothing new to learn from"),
        pytest.param({"pending_version": 3}, "version 3 waits", id="a challenger waits for its verdict"),
    ],
)
def test_each_brake_holds_a_wanted_training_back_and_says_so(changes, brake):
    decision = decide(live_metrics=[0.60, 0.60], **changes)
    assert (decision.should_retrain, decision.trigger) == (False, "performance")
    assert brake in decision.reason


def test_a_first_training_needs_no_new_labels_but_keeps_its_cool_down():
    first = {"champion_as_of": None, "new_label_count": 0}
    assert decide(**first, trainings=[]).should_retrain
    assert not decide(**first, trainings=[NOW - timedelta(days=1)]).should_retrain
