"""Figures of a window and the bars of a policy: what is unknown is not fine, and what is few is not judged."""

from dataclasses import replace

import pytest

from headrace.monitoring.figures import Figure, build_frame, judge_figures, measure_mean, measure_percentile, measure_share
from tests.models.purchases import POLICY


def judge(figure: Figure, *, least: float | None = None, most: float | None = None) -> Figure:
    floors, ceilings = ({figure.name: bar} if bar is not None else {} for bar in (least, most))
    policy = replace(POLICY, live_floors=floors, live_ceilings=ceilings, min_live_rows=20)
    (judged,) = judge_figures([figure], policy)
    return judged


def test_a_share_has_the_interval_of_wilson():
    figure = measure_share("answers/blocked_fraction", 1, 10)
    assert (figure.value, figure.count) == (0.1, 10)
    # Wilson 1927, by hand: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
    assert (figure.lower, figure.upper) == (pytest.approx(0.0179, abs=1e-4), pytest.approx(0.4042, abs=1e-4))
    assert measure_share("answers/blocked_fraction", 0, 0).value is None


def test_one_unknown_cost_makes_the_mean_unknown_and_says_how_many_there_are():
    figure = measure_mean("calls/cost_per_answer_usd", [0.1, None, 0.3])
    assert (figure.value, figure.count, figure.reason) == (None, 3, "1 of 3 are not known")
    assert measure_percentile("service/latency_p50_ms", [1.0, 9.0, 2.0], 50).value == 2.0
    assert (measure_mean("calls/cost_per_answer_usd", []).value, measure_mean("calls/cost_per_answer_usd", []).reason) == (None, None)


@pytest.mark.parametrize(("value", "is_kept"), [(0.1, True), (0.1001, False)])
def test_a_figure_beyond_its_bar_breaks_it(value, is_kept):
    figure = Figure(name="answers/blocked_fraction", value=value, count=20)
    assert judge(figure, most=0.1).is_kept is is_kept
    assert judge(figure, least=0.1001).is_kept is not is_kept


def test_too_few_answers_are_not_judged_and_say_so():
    judged = judge(Figure(name="answers/blocked_fraction", value=1.0, count=19), most=0.1)
    assert (judged.is_kept, judged.reason) == (None, "19 are too few to judge, 20 are needed")


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_cannot_be_measured_is_not_kept_and_says_why(value):
    judged = judge(Figure(name="calls/cost_per_answer_usd", value=value, count=30), most=0.1)
    assert (judged.value, judged.is_kept, judged.most, judged.reason) == (None, None, 0.1, "it cannot be measured")


def test_a_bar_for_a_figure_that_nobody_measures_is_a_row_of_its_own():
    policy = replace(POLICY, live_ceilings={"service/latency_p95_s": 1.0})
    _, missing = judge_figures([Figure(name="service/request_count", value=40.0, count=40)], policy)
    assert (missing.name, missing.value, missing.count, missing.is_kept) == ("service/latency_p95_s", None, 40, None)
    assert "nothing measures service/latency_p95_s" in str(missing.reason)


def test_slices_are_reported_and_not_judged():
    part = Figure(name="answers/blocked_fraction", value=1.0, count=30, slice_column="guardrail", slice_value="question/personal_data")
    assert not judge_figures([part, replace(part, slice_column="all", value=0.0)], replace(POLICY, live_ceilings={part.name: 0.1}))[0].has_bar


def test_rows_are_in_one_order_whatever_the_figures_came_in():
    figures = [Figure(name=name, value=1.0, count=1) for name in ("b/x_ms", "a/x_ms")]
    assert build_frame(figures).equals(build_frame(figures[::-1]))
