"""Every leg is judged on the same questions, the fusion on questions that it has not seen, silence on those that nobody can answer."""

import polars as pl
import pytest

from headrace.llm.evaluation import TOP_SCORE, evaluate_retrieval
from headrace.llm.retrieval_tuning import name_half

# Six questions on each side, by their hash.
NAMES = {half: [f"q{number}" for number in range(60) if name_half(f"q{number}") == half][:6] for half in ("tune", "holdout")}
ANSWERABLE = [name for names in NAMES.values() for name in names[:4]]
UNANSWERABLE = [name for names in NAMES.values() for name in names[4:]]


def build_candidates() -> pl.DataFrame:
    """Dense finds the truth of the even questions, BM25 that of the odd ones; what nobody can answer finds little."""
    rows = []
    for place, name in enumerate([*ANSWERABLE, *UNANSWERABLE]):
        if name in UNANSWERABLE:
            rows += [(name, "a", 0.1, None), (name, "b", 0.05, 1.0)]
        elif place % 2 == 0:
            rows += [(name, "true", 0.9, 2.0), (name, "false", 0.4, 3.0)]
        else:
            rows += [(name, "true", 0.5, 30.0), (name, "false", 0.52, 1.0)]
    schema = {"question_id": pl.String, "section_id": pl.String, "dense": pl.Float64, "bm25": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


TRUTH = pl.DataFrame({"question_id": ANSWERABLE, "section_id": "true"})


def evaluate(truth: pl.DataFrame = TRUTH, unanswerable: list[str] = UNANSWERABLE):
    return evaluate_retrieval(build_candidates(), truth, unanswerable=unanswerable, depth=10, min_answered_fraction=1.0, seed=1)


def read(evaluation, leg: str, metric: str) -> float | None:
    return evaluation.summary.filter((pl.col("leg") == leg) & (pl.col("metric") == metric))["value"].item()


def test_the_fusion_is_better_than_either_leg_on_questions_that_it_has_not_seen():
    evaluation = evaluate()
    assert read(evaluation, "score_fusion", "holdout/recall_at_1_fraction") == 1
    assert read(evaluation, "dense", "holdout/recall_at_1_fraction") == 0.5
    assert read(evaluation, "bm25", "holdout/recall_at_1_fraction") == 0.5
    assert read(evaluation, "score_fusion", "holdout/ndcg_at_10_gain_over_dense") > 0


def test_every_mean_is_that_of_its_questions():
    evaluation = evaluate()
    assert evaluation.summary.height
    for leg, split, metric, value, count in evaluation.summary.select("leg", "split", "metric", "value", "question_count").iter_rows():
        name = metric.partition("/")[2]
        rows = evaluation.results.filter((pl.col("leg") == leg) & (pl.col("split") == split) & (pl.col("metric") == name))
        if "gain" not in metric and "abstention" not in metric:
            assert (value, count) == (pytest.approx(rows["value"].mean()), rows.height)


def test_each_interval_holds_its_mean_and_names_the_configuration():
    summary = evaluate().summary.drop_nulls("value")
    assert summary.height
    assert summary.filter((pl.col("lower") > pl.col("value") + 1e-12) | (pl.col("upper") < pl.col("value") - 1e-12)).is_empty()
    assert summary["config"].str.json_path_match("$.method").to_list() == summary["leg"].to_list()


def test_silence_is_judged_by_questions_that_nobody_can_answer():
    evaluation = evaluate()
    for name, figure in (("recall", 1), ("precision", 1), ("false_alarm", 0)):
        assert read(evaluation, "score_fusion", f"holdout/abstention_{name}_fraction") == figure


def test_where_every_question_can_be_answered_nothing_is_said_about_silence():
    assert evaluate(unanswerable=[]).summary.filter(pl.col("metric").str.contains("abstention")).is_empty()


def test_without_a_truth_there_is_no_figure():
    evaluation = evaluate(truth=TRUTH.clear(), unanswerable=[])
    assert evaluation.summary.is_empty()
    assert evaluation.results["metric"].unique().to_list() == [TOP_SCORE]


def test_the_same_questions_give_the_same_figures():
    assert evaluate().summary.equals(evaluate().summary)
