"""Judge every way to retrieve on the same questions: tuned on one half, told of both, compared question by question.

Only the half called holdout says what to expect: on the other one the fusion has seen the answers. Recall, reciprocal rank and
nDCG are taken over the questions that a section answers. How well a score tells what nobody can answer needs questions that are
known to have no answer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from headrace.llm.abstention import report_abstention, tune_threshold
from headrace.llm.fusion import DENSE, TEXT
from headrace.llm.intervals import Interval, estimate_gain, estimate_mean
from headrace.llm.ranking_metrics import measure_rankings, name_ndcg
from headrace.llm.retrieval import rank_candidates
from headrace.llm.retrieval_config import RetrievalConfig
from headrace.llm.retrieval_tuning import Half, name_half, select_half, tune_fusion

HALVES: tuple[Half, ...] = ("tune", "holdout")
GAIN_METRIC = name_ndcg(10)
FUSED = "score_fusion"

# Score of the best section of a question, for whoever asks where a bar for silence lies.
TOP_SCORE = "top_score"

_RESULTS = {"leg": pl.String, "question_id": pl.String, "split": pl.String, "metric": pl.String, "value": pl.Float64}
_SUMMARY = {
    "leg": pl.String,
    "split": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "question_count": pl.Int64,
    "config": pl.String,
}


@dataclass(frozen=True, kw_only=True)
class RetrievalEvaluation:
    """How every leg fared.

    Attributes:
        tuned: The fusion that the tuning half asked for.
        results: `leg`, `question_id`, `split`, `metric`, `value`. Grain: one row per leg, question and metric.
        summary: `leg`, `split`, `metric` (`holdout/ndcg_at_10`), `value`, `lower`, `upper` (95 %), `question_count`, `config` (JSON).
            Grain: one row per leg, split and metric.
    """

    tuned: RetrievalConfig
    results: pl.DataFrame
    summary: pl.DataFrame


def evaluate_retrieval(
    candidates: pl.DataFrame, truth: pl.DataFrame, *, unanswerable: Sequence[str], depth: int, min_answered_fraction: float, seed: int
) -> RetrievalEvaluation:
    """Tune on one half, judge on both.

    Args:
        candidates: What both legs returned for all questions, as `Candidates.rows`.
        truth: `question_id`, `section_id`. Grain: one row per question and section that answers it.
        unanswerable: `question_id` of the questions that no section answers.
        depth: Chunks that each leg returned.
        min_answered_fraction: Share of the answerable questions of the tuning half that must lie above the bar of silence.
        seed: Makes the intervals reproducible.
    """
    tuned = tune_fusion(select_half(candidates, "tune"), select_half(truth, "tune"), depth=depth)
    # A fusion that was not tuned, for want of questions, is not shown as one.
    plain = [RetrievalConfig(method=method, depth=depth) for method in (DENSE, TEXT, "rank_fusion")]
    configs = {config.method: config for config in [*plain, tuned]}
    results = pl.concat([pl.DataFrame(schema=_RESULTS), *(_measure(config, candidates, truth) for config in configs.values())])
    rows = [
        *_summarize(results, seed=seed),
        *_summarize_gains(results, seed=seed),
        *_summarize_abstention(results, truth, unanswerable=unanswerable, min_answered_fraction=min_answered_fraction, seed=seed),
    ]
    texts = {leg: json.dumps(config.as_json(), sort_keys=True) for leg, config in configs.items()}
    summary = pl.DataFrame([(*row, texts[row[0]]) for row in rows], schema=_SUMMARY, orient="row")
    return RetrievalEvaluation(tuned=tuned, results=results, summary=summary)


def _measure(config: RetrievalConfig, candidates: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Figures of one leg on every question, and the score of its best section."""
    ranked = rank_candidates(candidates, config)
    best = ranked.filter(pl.col("rank") == 1).select("question_id", pl.lit(TOP_SCORE).alias("metric"), pl.col("score").alias("value"))
    rows = pl.concat([measure_rankings(ranked, truth), best])
    halves = pl.Series("split", [name_half(question_id) for question_id in rows["question_id"]], dtype=pl.String)
    return rows.with_columns(halves, pl.lit(config.method).alias("leg")).select(list(_RESULTS))


def _row(leg: str, split: str, metric: str, interval: Interval) -> tuple:
    return (leg, split, f"{split}/{metric}", interval.value, interval.lower, interval.upper, interval.count)


def _summarize(results: pl.DataFrame, *, seed: int) -> list[tuple]:
    judged = results.filter(pl.col("metric") != TOP_SCORE)
    return [
        _row(str(leg), str(split), str(metric), estimate_mean(rows["value"].to_numpy(), seed=seed))
        for (leg, split, metric), rows in judged.group_by("leg", "split", "metric", maintain_order=True)
    ]


def _summarize_gains(results: pl.DataFrame, *, seed: int) -> list[tuple]:
    """By how much the tuned fusion beats each leg alone, question by question."""
    wide = results.filter(pl.col("metric") == GAIN_METRIC).pivot("leg", index=["question_id", "split"], values="value")
    if FUSED not in wide.columns:
        return []
    return [
        _row(FUSED, split, f"{GAIN_METRIC}_gain_over_{leg}", estimate_gain(rows[FUSED].to_numpy(), rows[leg].to_numpy(), seed=seed))
        for split in HALVES
        for leg in (DENSE, TEXT)
        if not (rows := wide.filter(pl.col("split") == split)).is_empty()
    ]


def _summarize_abstention(
    results: pl.DataFrame, truth: pl.DataFrame, *, unanswerable: Sequence[str], min_answered_fraction: float, seed: int
) -> list[tuple]:
    """Where a bar on the best score would be silent; ranks have no score that could be compared, so fusion by ranks has no bar."""
    known = set(truth["question_id"])
    tops = results.filter((pl.col("metric") == TOP_SCORE) & (pl.col("leg") != "rank_fusion"))
    found: list[tuple] = []
    for leg in tops["leg"].unique(maintain_order=True):
        scores: Mapping[str, float] = dict(tops.filter(pl.col("leg") == leg).select("question_id", "value").iter_rows())
        halves = {half: [name for name in sorted({*known, *unanswerable}) if name_half(name) == half] for half in HALVES}
        if not known & set(halves["tune"]) or not unanswerable:
            continue
        # What nothing was found for lies below every bar.
        surest = {half: [scores.get(name, float("-inf")) for name in names] for half, names in halves.items()}
        answerable = {half: [name in known for name in names] for half, names in halves.items()}
        threshold = tune_threshold(surest["tune"], answerable["tune"], min_answered_fraction=min_answered_fraction)
        for half in HALVES:
            report = report_abstention(surest[half], answerable[half], threshold=threshold, seed=seed)
            figures = {"precision": report.precision, "recall": report.recall, "false_alarm": report.false_alarm}
            found += [_row(str(leg), half, f"abstention_{name}_fraction", interval) for name, interval in figures.items()]
    return found
