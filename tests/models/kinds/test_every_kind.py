"""What holds for every kind of task, whatever it predicts."""

import math

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.errors import UseCaseError
from headrace.lake.contracts import load_contract
from headrace.models.baseline import fit_baseline, parse_baseline
from headrace.models.kinds import fitted_names, load_fitted_kind, load_kind, names
from headrace.models.kinds.assistant import DOES_NOT_KNOW, NO_SECTION, Reply, format_replies
from headrace.models.kinds.kind import is_better, split_columns

LABELS = {
    "binary": pl.Series("label", [1.0, 0.0, 1.0, 0.0]),
    "multiclass": pl.Series("label", ["oak", "ash", "elm", "ash"]),
    "regression": pl.Series("label", [1.0, 2.0, 3.0, 4.0]),
    "forecast": pl.Series("label", [1.0, 2.0, 3.0, 4.0]),
    "assistant": pl.Series("label", ["re#groups", "os#path", NO_SECTION, "re#groups"]),
}
PREDICTIONS = {
    "binary": np.array([0.9, 0.2, 0.6, 0.4]),
    "multiclass": np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.6, 0.2, 0.2]]),
    "regression": np.array([[1.5, 1.0, 2.0], [2.0, 1.0, 3.0], [2.5, 2.0, 3.5], [4.5, 3.0, 5.0]]),
    "forecast": np.array([[1.5, 1.0, 2.0], [2.0, 1.0, 3.0], [2.5, 2.0, 3.5], [4.5, 3.0, 5.0]]),
    "assistant": format_replies(
        [
            Reply(answer="Parentheses group.", cited=("re#groups",), ranked=("re#groups", "re#flags"), confidence=0.9),
            Reply(answer="Join them.", cited=("os#walk",), ranked=("os#walk", "os#path"), confidence=0.4),
            Reply(answer=DOES_NOT_KNOW, cited=(), ranked=("os#path",), confidence=0.1),
            Reply(answer=DOES_NOT_KNOW, cited=(), ranked=("re#groups",), confidence=0.2),
        ]
    ),
}

every_kind = pytest.mark.parametrize("name", sorted(LABELS))
every_fitted_kind = pytest.mark.parametrize("name", fitted_names())


def parts(name):
    kind = load_kind(name)
    return kind, LABELS[name], PREDICTIONS[name], load_fitted_kind(name).list_outcomes(LABELS[name]) if kind.is_fitted else ()


def test_every_module_is_a_kind_and_an_unknown_one_is_named_with_those_there_are():
    assert names() == sorted(LABELS)
    with pytest.raises(UseCaseError, match="'ranking' is no kind of task.*assistant, binary, forecast, multiclass, regression"):
        load_kind("ranking")


def test_a_kind_that_fits_no_model_is_refused_where_one_is_fitted():
    assert fitted_names() == ["binary", "forecast", "multiclass", "regression"]
    with pytest.raises(UseCaseError, match="'assistant' fits no LightGBM model; those that do are binary"):
        load_fitted_kind("assistant")


@every_kind
def test_the_first_metric_is_the_mean_of_the_losses(name):
    kind, labels, predictions, outcomes = parts(name)
    scored = kind.score(labels, predictions, outcomes)
    assert tuple(scored) == kind.metrics
    assert scored[kind.metrics[0]] == pytest.approx(kind.losses(labels, predictions, outcomes).mean())
    assert kind.watched[0] == kind.metrics[0]
    assert set(kind.watched) <= set(kind.metrics)
    assert tuple(kind.describe(labels, predictions, outcomes)) == kind.described


@every_kind
def test_what_is_written_down_is_read_back(name):
    kind, _, predictions, outcomes = parts(name)
    columns = kind.to_columns(predictions, outcomes)
    assert [(column.name, column.dtype) for column in columns] == [(name, column.dtype) for name, column in kind.columns.items()]
    found, known = kind.from_columns(pl.DataFrame(split_columns(kind, predictions, outcomes, prefix="rule_")), prefix="rule_")
    assert known == outcomes
    assert np.array_equal(found, predictions)
    assert kind.is_possible(found)


@every_kind
def test_no_rows_have_no_figures_and_a_missing_prediction_makes_them_null(name):
    kind, labels, predictions, outcomes = parts(name)
    nothing = (labels.clear(), predictions[:0], outcomes)
    assert kind.score(*nothing) == dict.fromkeys(kind.metrics)
    assert set(kind.describe(*nothing).values()) == {None}
    rows = pl.DataFrame([column.to_frame().to_series() for column in kind.to_columns(predictions, outcomes)])
    missing = rows.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(pl.all()))
    assert kind.score(labels, *kind.from_columns(missing)) == dict.fromkeys(kind.metrics)
    assert math.isnan(kind.losses(labels, *kind.from_columns(missing))[0])


@every_fitted_kind
def test_a_perfect_order_ranks_at_one_and_a_constant_at_one_half(name):
    kind, labels, predictions, outcomes = parts(name)
    assert kind.rank(labels, predictions, outcomes) == 1.0
    assert kind.rank(labels, np.repeat(predictions[:1], 4, axis=0), outcomes) == 0.5
    assert kind.rank(labels.head(1), predictions[:1], outcomes) is None


@every_fitted_kind
def test_a_label_that_never_changes_is_a_fault(name):
    kind, labels, _, _ = parts(name)
    assert kind.find_label_fault(labels) is None
    assert "the label takes" in str(kind.find_label_fault(pl.Series([labels[0]] * 4)))


@every_fitted_kind
def test_the_rule_predicts_the_mean_of_a_group_and_is_stored_whole(name):
    kind, labels, _, outcomes = parts(name)
    rows = pl.DataFrame({"wood": [1.0, 2.0, 1.0, 2.0]}).with_columns(labels)
    rule = fit_baseline(rows, kind=kind, label="label", outcomes=outcomes, columns={"wood": None})
    predicted = rule.predict(rows)
    assert len(predicted) == 4
    assert rule.outcomes == outcomes
    assert kind.score(labels, predicted, outcomes)[kind.metrics[0]] is not None
    stored = parse_baseline(rule.as_json())
    assert_frame_equal(pl.DataFrame(stored.predict(rows)), pl.DataFrame(predicted))
    if kind.rule_carries:
        assert predicted.tolist() == rows["wood"].to_list()


@every_kind
def test_the_contract_of_live_metrics_knows_every_figure(name):
    kind = load_kind(name)
    allowed = load_contract("metrics.model_performance").columns["metric"].allowed
    figures = [*kind.metrics, *kind.described, *(f"baseline_{metric}" for metric in kind.watched)]
    assert {f"live/{figure}" for figure in figures} <= set(allowed or ())


@every_kind
def test_each_metric_has_its_own_direction(name):
    kind = load_kind(name)
    loss, ranking = kind.watched
    assert is_better(kind, f"holdout/{ranking}", 0.9, limit=0.85)
    assert not is_better(kind, f"holdout/{ranking}", 0.85, limit=0.85)
    assert is_better(kind, loss, 0.1, limit=0.2)
    assert not is_better(kind, loss, 0.3, limit=0.2)


@every_kind
def test_what_was_said_and_what_came_are_pairs(name):
    kind, labels, predictions, outcomes = parts(name)
    said, came = kind.compare(labels, predictions, outcomes)
    assert said.shape == came.shape == (4,)
    assert len(kind.drift_values(predictions, outcomes)) == 4
