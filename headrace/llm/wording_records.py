"""The champion's answers in a model's words, question by question: asked once, graded, kept as rows; what was asked before is not asked again."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import polars as pl

from headrace.decisions import blocked, passed
from headrace.errors import GatewayError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.runs import Step, build_row
from headrace.llm.chain import Chain
from headrace.llm.chain_candidate import CHAIN, load_chain, read_pins
from headrace.llm.gateway import Gateway, read_identity
from headrace.llm.grading import is_true_section_cited, measure_citation_precision
from headrace.llm.model_calls import CallOrigin, append_calls
from headrace.llm.prompts import PromptVersion, load_prompt
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
        limit: Most questions in all, counted with those that were asked before; None: as many as the use case declares, 0: every one.
    """
    reign = history.read_reign(settings, case, as_of=as_of)
    if reign is None:
        return Step(decision=passed(GATE, "there is no champion that could word an answer"), rows_read=0, rows_written=0)
    folder = versions.candidate_folder(settings, versions.read(settings, case, number=reign.version))
    pins = read_pins(folder / CHAIN)
    if pins.model is None or pins.prompt is None:
        return Step(decision=passed(GATE, f"version {reign.version} quotes, and words nothing"), rows_read=0, rows_written=0)
    most = case.chain_spec.worded_at_once if limit is None else limit
    wanted = _list_questions(settings, case, as_of=as_of, after=read_candidate(folder).holdout_start)
    wanted = wanted if most == 0 else wanted.head(most)
    asked = _read_asked(settings, case, reign)["question_id"].to_list()
    due = wanted.filter(~pl.col("question_id").is_in(asked)).rows(named=True)
    if due:
        prompt = load_prompt(settings, case.name, pins.prompt["name"], version=pins.prompt["version"])
        identity = {"alias": pins.model["alias"], **asdict(read_identity(settings, pins.model["alias"]))}
        if identity != pins.model or prompt.hash != pins.prompt["hash"]:
            return _stop(wanted, f"version {reign.version} pins another model or prompt than alias {pins.model['alias']!r} and the registry hold now")
        try:
            _word_all(settings, case, reign, due, chain=load_chain(settings, case, folder), prompt=prompt, alias=pins.model["alias"], as_of=as_of)
        except GatewayError as error:
            return _stop(wanted, str(error))
    return _summarize(settings, case, reign, wanted=wanted)


def _word_all(
    settings: Settings,
    case: UseCase,
    reign: Reign,
    due: Sequence[Mapping[str, str]],
    *,
    chain: Chain,
    prompt: PromptVersion,
    alias: str,
    as_of: datetime,
) -> None:
    """Ask question by question, each kept before the next; a model that does not answer leaves its question for another time."""
    with Gateway(settings) as gateway:
        for place, row in enumerate(due, start=1):
            origin = CallOrigin(
                use_case=case.name,
                purpose="evaluate",
                request_id=row["question_id"],
                prompt=prompt.name,
                prompt_version=prompt.version,
                prompt_hash=prompt.hash,
                asked_at=as_of,
            )
            try:
                worded = word_answer(chain, row["question"], prompt=prompt, gateway=gateway, alias=alias, origin=origin)
            except GatewayError as error:
                if error.calls:
                    append_calls(settings, error.calls, batch_id=build_batch_id(FLOW, case.name, f"failed-{error.calls[0].call_id}"))
                raise
            _append(settings, case, reign, row, worded)
            if place % 10 == 0 or place == len(due):
                progress.info("%s of %s questions worded", place, len(due))


def _stop(wanted: pl.DataFrame, reason: str) -> Step:
    return Step(decision=blocked(GATE, reason), rows_read=wanted.height, rows_written=0)


def _read_asked(settings: Settings, case: UseCase, reign: Reign) -> pl.DataFrame:
    """What came of the questions that a champion was asked before."""
    return tables.read(settings, _table(case)).filter(pl.col("model_id") == reign.model_id).collect()


def name_slice(settings: Settings, case: UseCase, *, as_of: datetime, limit: int | None) -> str:
    """What an evaluation stands for: an instant, the champion that it asks, and how many questions; another champion is asked anew."""
    reign = history.read_reign(settings, case, as_of=as_of)
    most = "some" if limit is None else limit or "all"
    return f"{format_instant(as_of)}-of-{reign.model_id if reign else 'nobody'}-{most}"


def _list_questions(settings: Settings, case: UseCase, *, as_of: datetime, after: datetime) -> pl.DataFrame:
    """Questions of an instant with a known label that were asked at or after another, by id, with the text of their true answer."""
    rows = scoring.read_labelled_rows(settings, case, as_of=as_of).filter(pl.col("prediction_at") >= after).drop_nulls(case.label.name)
    answers = tables.read(settings, case.silver_table("questions")).select("question_id", "answer").collect()
    return rows.join(answers, on="question_id", how="left").select("question_id", "question", case.label.name, "answer").sort("question_id")


def _append(settings: Settings, case: UseCase, reign: Reign, row: Mapping[str, str], worded: Wording) -> None:
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


def _summarize(settings: Settings, case: UseCase, reign: Reign, *, wanted: pl.DataFrame) -> Step:
    rows = _read_asked(settings, case, reign).filter(pl.col("question_id").is_in(wanted["question_id"].to_list()))
    reason = (
        f"version {reign.version}: {rows.height} questions, {rows['is_answered'].sum()} answered, {rows['is_worded'].sum()} in the model's words, "
        "the others by quotation"
    )
    return Step(decision=passed(GATE, reason), rows_read=wanted.height, rows_written=rows.height)


def _table(case: UseCase) -> str:
    return case.table("inference", "wordings")


def _name(case: UseCase, reign: Reign, row: Mapping[str, str]) -> str:
    return build_batch_id(FLOW, case.name, f"{reign.model_id}-{row['question_id']}")
