"""The champion's answers in a model's words, question by question: asked once, graded, kept as rows; what was asked before is not asked again."""

import json
import logging
from datetime import datetime

import polars as pl

from headrace.decisions import passed
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import Step, build_row
from headrace.llm.chain_candidate import CHAIN, load_chain, read_pins
from headrace.llm.gateway import Gateway
from headrace.llm.grading import is_true_section_cited, measure_citation_precision
from headrace.llm.model_calls import CallOrigin, append_calls
from headrace.llm.prompts import load_prompt
from headrace.llm.text_metrics import measure_rouge_l
from headrace.llm.wording import GROUNDED, Wording, word_answer
from headrace.models.candidate import read_candidate
from headrace.models.kinds.assistant import NO_SECTION
from headrace.registry import history, scoring, versions
from headrace.registry.history import Reign
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)
progress = logging.getLogger("headrace.progress")

FLOW, GATE = "llm_evaluate", "wording"


def append_wordings(settings: Settings, case: UseCase, *, as_of: datetime, limit: int | None) -> Step:
    """Let the champion of an instant word its answers to questions that it was not tuned on, and append what came of each.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) whose champion answers.
        limit: Most questions in all, counted with those that were asked before; None: every one.
    """
    reign = history.read_reign(settings, case, as_of=as_of)
    if reign is None:
        return Step(decision=passed(GATE, "there is no champion that could word an answer"), rows_read=0, rows_written=0)
    folder = versions.candidate_folder(settings, versions.read(settings, case, number=reign.version))
    pins = read_pins(folder / CHAIN)
    if pins.model is None or pins.prompt is None:
        return Step(decision=passed(GATE, f"version {reign.version} quotes, and words nothing"), rows_read=0, rows_written=0)
    wanted = _list_questions(settings, case, as_of=as_of, after=read_candidate(folder).holdout_start).head(limit or 1_000_000)
    due = [row for row in wanted.iter_rows(named=True) if not tables.is_written(settings, _table(case), batch_id=_name(case, reign, row))]
    if due:
        chain, prompt = load_chain(settings, case, folder), load_prompt(settings, case.name, pins.prompt["name"], version=pins.prompt["version"])
        with Gateway(settings) as gateway:
            for place, row in enumerate(due, start=1):
                origin = CallOrigin(
                    use_case=case.name,
                    purpose="evaluate",
                    request_id=row["question_id"],
                    prompt=prompt.name,
                    prompt_version=prompt.version,
                    prompt_hash=prompt.hash,
                )
                worded = word_answer(chain, row["question"], prompt=prompt, gateway=gateway, alias=pins.model["alias"], origin=origin)
                _append(settings, case, reign, row, worded)
                if place % 10 == 0 or place == len(due):
                    progress.info("%s %s of %s questions worded", f"{as_of:%Y-%m-%d}", place, len(due))
    return _summarize(settings, case, reign, asked=wanted)


def _list_questions(settings: Settings, case: UseCase, *, as_of: datetime, after: datetime) -> pl.DataFrame:
    """Questions of an instant with a known label that were asked at or after another, by id, with the text of their true answer."""
    rows = scoring.read_labelled_rows(settings, case, as_of=as_of).filter(pl.col("prediction_at") >= after).drop_nulls(case.label.name)
    answers = tables.read(settings, case.silver_table("questions")).select("question_id", "answer").collect()
    return rows.join(answers, on="question_id", how="left").select("question_id", "question", case.label.name, "answer").sort("question_id")


def _append(settings: Settings, case: UseCase, reign: Reign, row: dict[str, str], worded: Wording) -> None:
    batch_id, label = _name(case, reign, row), row[case.label.name]
    truth = () if label == NO_SECTION else (label,)
    cited = list(worded.reply.cited)
    grounded = worded.verdict.evidence.get(GROUNDED)
    record = {
        "question_id": row["question_id"],
        "model_version": reign.version,
        "model_id": reign.model_id,
        "answer": worded.reply.answer,
        "cited_sections": json.dumps(cited),
        "is_worded": worded.verdict.passed,
        "verdict": worded.verdict.reason,
        "is_answered": worded.reply.is_answered,
        "true_section_cited": is_true_section_cited(cited, truth),
        "citation_precision_fraction": measure_citation_precision(cited, truth),
        "grounded_fraction": float(grounded) if isinstance(grounded, int | float) else None,
        "rouge_l_fraction": measure_rouge_l(worded.reply.answer, row["answer"]) if row["answer"] and worded.reply.is_answered else None,
        "worded_at": worded.worded_at,
    }
    # The calls first: an answer that is there has its cost there too.
    append_calls(settings, worded.calls, batch_id=batch_id)
    tables.append(settings, _table(case), build_row(_table(case), record), batch_id=batch_id)


def _summarize(settings: Settings, case: UseCase, reign: Reign, *, asked: pl.DataFrame) -> Step:
    is_mine = (pl.col("model_id") == reign.model_id) & pl.col("question_id").is_in(asked["question_id"].to_list())
    rows = tables.read(settings, _table(case)).filter(is_mine).collect()
    reason = (
        f"version {reign.version}: {rows.height} questions, {rows['is_answered'].sum()} answered, {rows['is_worded'].sum()} in the model's words, "
        "the others by quotation"
    )
    return Step(decision=passed(GATE, reason), rows_read=asked.height, rows_written=rows.height)


def _table(case: UseCase) -> str:
    return case.table("inference", "wordings")


def _name(case: UseCase, reign: Reign, row: dict[str, str]) -> str:
    return build_batch_id(FLOW, case.name, f"{reign.model_id}-{row['question_id']}")
