"""Answers in a model's words, question by question: asked once, graded, kept as rows; what was asked before is not asked again."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from headrace.decisions import blocked, passed
from headrace.errors import GatewayError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.runs import Step, build_row
from headrace.llm.chain_candidate import load_chain
from headrace.llm.contestants import Contestant, find_holdout_start, list_contestants, load_pinned_prompt
from headrace.llm.gateway import Gateway
from headrace.llm.grading import is_true_section_cited, measure_citation_precision
from headrace.llm.model_calls import CallOrigin, append_calls, append_failed_calls
from headrace.llm.prompts import PromptVersion
from headrace.llm.rubric_grades import name_graders
from headrace.llm.text_metrics import is_exact_match, measure_rouge_l
from headrace.llm.wording import GROUNDED, Wording, remove_citations, word_answer
from headrace.models.kinds.assistant import NO_SECTION
from headrace.registry import scoring
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)
progress = logging.getLogger("headrace.progress")

FLOW, GATE = "llm_evaluate", "wording"


def append_wordings(settings: Settings, case: UseCase, *, as_of: datetime, limit: int | None, prompt: str | None = None) -> Step:
    """Let the champion of an instant, and a challenger with another prompt or model, word answers to the same questions; append what came of each.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) whose champion answers.
        limit: Most questions in all, counted with those that were asked before; None: as many as the use case declares, 0: every one.
        prompt: A prompt of the use case to be tried with the champion's chain beside its own; None: no other.
    """
    contestants = list_contestants(settings, case, as_of=as_of, prompt=prompt)
    if not contestants:
        return Step(decision=passed(GATE, "no champion or challenger words answers"), rows_read=0, rows_written=0)
    wanted = list_questions(settings, case, as_of=as_of, after=find_holdout_start(contestants))
    most = case.chain_spec.worded_at_once if limit is None else limit
    wanted = wanted if most == 0 else wanted.head(most)
    for contestant in contestants:
        if obstacle := _word_due(settings, case, contestant, wanted, as_of=as_of):
            return Step(decision=blocked(GATE, obstacle), rows_read=wanted.height, rows_written=0)
    found = [
        read_words(settings, case, contestant).filter(pl.col("question_id").is_in(wanted["question_id"].to_list())) for contestant in contestants
    ]
    reasons = [_describe(contestant, rows) for contestant, rows in zip(contestants, found, strict=True)]
    return Step(decision=passed(GATE, "; ".join(reasons)), rows_read=wanted.height, rows_written=sum(rows.height for rows in found))


def list_questions(settings: Settings, case: UseCase, *, as_of: datetime, after: datetime) -> pl.DataFrame:
    """Questions of an instant with a known label that were asked at or after another, by id, with the text of their true answer."""
    rows = scoring.read_labelled_rows(settings, case, as_of=as_of).filter(pl.col("prediction_at") >= after).drop_nulls(case.label.name)
    answers = tables.read(settings, case.silver_table("questions")).select("question_id", "answer").collect()
    return rows.join(answers, on="question_id", how="left").select("question_id", "question", case.label.name, "answer").sort("question_id")


def read_words(settings: Settings, case: UseCase, contestant: Contestant) -> pl.DataFrame:
    """What came of the questions that a contestant was asked. Grain: one row per question."""
    is_its = (pl.col("model_id") == contestant.model_id) & (pl.col("prompt_hash") == contestant.prompt["hash"])
    return tables.read(settings, _table(case)).filter(is_its).collect()


def name_slice(settings: Settings, case: UseCase, *, as_of: datetime, limit: int | None, prompt: str | None = None) -> str:
    """What an evaluation stands for: an instant, whom it asks with which prompt, how many questions, and where judges are asked, who grades."""
    asked = [f"{found.model_id}-by-{found.prompt['hash'][:12]}" for found in list_contestants(settings, case, as_of=as_of, prompt=prompt)]
    most = "some" if limit is None else f"{limit or 'all'}-graded-by-{name_graders(settings, case)}"
    return f"{format_instant(as_of)}-of-{'-and-'.join(asked) or 'nobody'}-{most}"


def build_record(label: str, true_answer: str | None, worded: Wording) -> dict[str, object]:
    """Grades and costs of an answer, as columns of a row.

    Args:
        label: The section that answers the question, or `NO_SECTION`.
        true_answer: The text of the true answer; None where there is none.
        worded: The answer.
    """
    truth, cited = () if label == NO_SECTION else (label,), list(worded.reply.cited)
    grounded, is_comparable = worded.verdict.evidence.get(GROUNDED), bool(true_answer and worded.reply.is_answered)
    return {
        "answer": worded.reply.answer,
        "cited_sections": json.dumps(cited),
        "is_worded": worded.verdict.passed,
        "verdict": worded.verdict.reason,
        "is_answered": worded.reply.is_answered,
        "true_section_cited": is_true_section_cited(cited, truth),
        "citation_precision_fraction": measure_citation_precision(cited, truth),
        "grounded_fraction": float(grounded) if isinstance(grounded, int | float) else None,
        "is_exact_match": is_exact_match(remove_citations(worded.reply.answer), true_answer or "") if is_comparable else None,
        "rouge_l_fraction": measure_rouge_l(worded.reply.answer, true_answer or "") if is_comparable else None,
        "worded_at": worded.worded_at,
        # The first call that failed is paid for, too; where one side of the bill is unknown, so is the bill.
        "input_token_count": _add([call.input_token_count for call in worded.calls]),
        "output_token_count": _add([call.output_token_count for call in worded.calls]),
        "cost_usd": _add([call.cost_usd for call in worded.calls]),
        "latency_s": _add([call.latency_s for call in worded.calls]),
    }


def _word_due(settings: Settings, case: UseCase, contestant: Contestant, wanted: pl.DataFrame, *, as_of: datetime) -> str:
    """Ask what was not asked yet; why that is not possible, or empty."""
    asked = read_words(settings, case, contestant)["question_id"].to_list()
    due = wanted.filter(~pl.col("question_id").is_in(asked)).rows(named=True)
    if not due:
        return ""
    prompt = load_pinned_prompt(settings, case, prompt=contestant.prompt, model=contestant.model)
    if prompt is None:
        alias = contestant.model["alias"]
        return (
            f"version {contestant.version} pins another model or prompt than alias {alias!r} and the registry hold now, so it cannot be asked. "
            f"Declare {contestant.model['model']} under {alias!r} again, and the other model under an alias of its own, which ChainSpec.model names"
        )
    try:
        _word_all(settings, case, contestant, due, prompt=prompt, as_of=as_of)
    except GatewayError as error:
        append_failed_calls(settings, error.calls, flow=FLOW, use_case=case.name)
        return str(error)
    return ""


def _word_all(
    settings: Settings, case: UseCase, contestant: Contestant, due: Sequence[Mapping[str, str]], *, prompt: PromptVersion, as_of: datetime
) -> None:
    """Ask question by question, each kept before the next; a model that does not answer leaves its question for another time."""
    chain, alias = load_chain(settings, case, contestant.folder), contestant.model["alias"]
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
            worded = word_answer(chain, row["question"], prompt=prompt, gateway=gateway, alias=alias, origin=origin)
            # Another model that stood in says nothing about the chain, and a question is asked once.
            if worded.calls and worded.calls[-1].alias != alias:
                stood_in = f"alias {worded.calls[-1].alias!r} answered in the place of {alias!r}, which version {contestant.version} pins"
                raise GatewayError(f"{stood_in}; see that {alias!r} answers, then run this again", calls=worded.calls)
            _append(settings, case, contestant, row, worded)
            if place % 10 == 0 or place == len(due):
                progress.info("%s of %s questions worded by version %s with prompt %s", place, len(due), contestant.version, prompt.template.name)


def _append(settings: Settings, case: UseCase, contestant: Contestant, row: Mapping[str, str], worded: Wording) -> None:
    batch_id = build_batch_id(FLOW, case.name, f"{contestant.model_id}-{contestant.prompt['hash'][:12]}-{row['question_id']}")
    record = {
        "question_id": row["question_id"],
        "model_version": contestant.version,
        "model_id": contestant.model_id,
        "prompt": contestant.prompt["name"],
        "prompt_version": contestant.prompt["version"],
        "prompt_hash": contestant.prompt["hash"],
        "model": contestant.model["model"],
        **build_record(row[case.label.name], row["answer"], worded),
    }
    # The calls first: an answer that is there has its cost there too.
    append_calls(settings, worded.calls, batch_id=batch_id)
    tables.append(settings, _table(case), build_row(_table(case), record), batch_id=batch_id)


def _describe(contestant: Contestant, rows: pl.DataFrame) -> str:
    return (
        f"version {contestant.version} with prompt {contestant.prompt['name']} v{contestant.prompt['version']}: {rows.height} questions, "
        f"{rows['is_answered'].sum()} answered, {rows['is_worded'].sum()} in the model's words, the others by quotation"
    )


def _add(parts: Sequence[float | None]) -> float | None:
    """The sum; None where there is no part, or one is unknown."""
    known = [part for part in parts if part is not None]
    return sum(known) if parts and len(known) == len(parts) else None


def _table(case: UseCase) -> str:
    return case.table("inference", "worded_answers")
