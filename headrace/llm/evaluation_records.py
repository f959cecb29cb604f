"""Evaluations as rows: asks an index every question of a set, has the answers judged, appends what came out, once."""

import logging
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from headrace.decisions import blocked, passed
from headrace.lake import tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.contracts import load_contract
from headrace.lake.runs import Step
from headrace.llm.embedding import load_embedder
from headrace.llm.evaluation import evaluate_retrieval
from headrace.llm.evaluation_sets import EVALUATIONS, NOT_MEASURED, RESULTS, EvaluationSet, read_evaluation_set
from headrace.llm.fusion import DENSE, TEXT
from headrace.llm.index_versions import name_embedding, open_index, read_versions
from headrace.llm.retrieval import Embeds, SearchableIndex
from headrace.llm.retrieval_config import DEPTH
from headrace.llm.retrieval_tuning import collect_candidates
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

FLOW, GATE = "llm_evaluate", "retrieval_evaluation"

# What a person waits for: the embedding of the question where the leg needs it, and the searches.
_STEPS = {DENSE: ("embedding", DENSE), TEXT: (TEXT,), "rank_fusion": ("embedding", DENSE, TEXT), "score_fusion": ("embedding", DENSE, TEXT)}


def append_retrieval_evaluation(settings: Settings, case: UseCase, *, as_of: datetime) -> Step:
    """Evaluate the index that stands for an instant on the questions that were known by then; see `append_evaluation`.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) whose knowledge counts.
    """
    # Refuses a use case without chains before anything is read.
    spec = case.chain_spec
    questions = read_evaluation_set(settings, case.silver_table("questions"), as_of=as_of)
    if questions.truth.is_empty():
        return _say_not_measured(questions)
    known = [version for version in read_versions(settings, case) if version.as_of <= as_of]
    if not known:
        return _block(f"{case.name} has no index as of {as_of:%Y-%m-%d %H:%M}Z; run make index first")
    newest = known[-1]
    if tables.is_written(settings, EVALUATIONS, batch_id=name_batch(case.name, as_of=as_of, index_version=newest.name)):
        return Step(decision=passed(GATE, f"index {newest.name} was evaluated before"), rows_read=questions.rows.height, rows_written=0)
    if newest.embedder != name_embedding():
        return _block(f"index {newest.name} was embedded by {newest.embedder}, this code embeds by {name_embedding()}; run make index again")
    return append_evaluation(
        settings,
        case.name,
        index=open_index(settings, case, newest.name),
        index_version=newest.name,
        embedder=load_embedder(settings),
        questions=questions,
        as_of=as_of,
        min_answered_fraction=spec.min_answered_fraction,
    )


def name_batch(use_case: str, *, as_of: datetime, index_version: str) -> str:
    """The batch id of the evaluation of an index on what was known at an instant (UTC)."""
    return build_batch_id(FLOW, use_case, f"{format_instant(as_of)}-{index_version}")


def append_evaluation(
    settings: Settings,
    use_case: str,
    *,
    index: SearchableIndex,
    index_version: str,
    embedder: Embeds,
    questions: EvaluationSet,
    as_of: datetime,
    min_answered_fraction: float,
) -> Step:
    """Evaluate every leg on a set of questions and append the rows; a set without a single known answer says what cannot be measured.

    Args:
        settings: The environment.
        use_case: Whose documents and questions these are.
        index: The index.
        index_version: Its version.
        embedder: What its vectors were made with.
        questions: The questions.
        as_of: Instant (UTC) that the evaluation stands for.
        min_answered_fraction: Share of the answerable questions that must lie above the bar of silence.
    """
    if questions.truth.is_empty():
        return _say_not_measured(questions)
    found = collect_candidates(index, embedder, questions.rows, depth=DEPTH)
    evaluation = evaluate_retrieval(
        found.rows, questions.truth, unanswerable=questions.unanswerable, depth=DEPTH, min_answered_fraction=min_answered_fraction, seed=settings.seed
    )
    common = {"use_case": pl.lit(use_case), "as_of": pl.lit(as_of).cast(pl.Datetime("us", "UTC"))}
    provenance = {
        "index_version": pl.lit(index_version),
        "evaluation_set": pl.lit(questions.table),
        "evaluation_set_version": pl.lit(questions.version, dtype=pl.Int64),
    }
    summary = evaluation.summary.join(_time_legs(found.milliseconds), on="leg", how="left").with_columns(**common, **provenance)
    results = evaluation.results.rename({"leg": "subject"}).with_columns(**common, evaluation=pl.lit("retrieval"))
    batch_id = name_batch(use_case, as_of=as_of, index_version=index_version)
    # The means come last: where they are, what they are made of is there too.
    written = [_append(settings, table, rows, batch_id=batch_id) for table, rows in ((RESULTS, results), (EVALUATIONS, summary))]
    known = questions.truth["question_id"].n_unique()
    reason = f"{known} questions with a known answer, {len(questions.unanswerable)} without one, {questions.unjudged_count} unjudged"
    return Step(decision=passed(GATE, reason), rows_read=questions.rows.height, rows_written=sum(written))


def _block(reason: str) -> Step:
    return Step(decision=blocked(GATE, reason), rows_read=0, rows_written=0)


def _say_not_measured(questions: EvaluationSet) -> Step:
    return Step(decision=passed(GATE, NOT_MEASURED), rows_read=questions.rows.height, rows_written=0)


def _append(settings: Settings, table: str, rows: pl.DataFrame, *, batch_id: str) -> int:
    return tables.append(settings, table, rows.select(list(load_contract(table).schema)), batch_id=batch_id).rows


def _time_legs(milliseconds: Mapping[str, list[float]]) -> pl.DataFrame:
    """`leg`, `query_p50_ms`, `query_p95_ms` of one question, over all of them."""
    totals = {leg: np.sum([milliseconds[step] for step in steps], axis=0) for leg, steps in _STEPS.items()}
    rows = [(leg, *(float(np.quantile(times, share)) for share in (0.5, 0.95))) for leg, times in totals.items()]
    return pl.DataFrame(rows, schema={"leg": pl.String, "query_p50_ms": pl.Float64, "query_p95_ms": pl.Float64}, orient="row")
