"""Registered chains that differ in prompt and model, questions they were not tuned on, and a server that words their answers."""

import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from headrace import use_case as use_cases
from headrace.decisions import passed
from headrace.lake import tables
from headrace.lake.runs import build_rows
from headrace.llm.chain_candidate import CHAIN as CHAIN_FILE
from headrace.llm.gateway import read_identity
from headrace.llm.prompt_templates import PromptTemplate, build_prompt, read_prompt
from headrace.llm.prompts import register_prompt
from headrace.models.candidate import CARD, EXPLANATION, METRICS, write_candidate, write_json
from headrace.models.kinds.assistant import NO_SECTION
from headrace.registry import history, versions
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase
from tests.llm.tiny_chain import METADATA, SECTIONS

BEGIN = datetime(2023, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIGNATURE = ModelSignature(inputs=Schema([ColSpec("string", "question")]), outputs=Schema([ColSpec("string", "answer")]))

# Each has words of one section; they are asked one an hour.
QUESTIONS = [(f"question-{number:02}", f"{SECTIONS[number % 3].text[:40]} ({number})?", SECTIONS[number % 3].section_id) for number in range(12)]


def build_case(**bars: dict[str, float]) -> UseCase:
    """The use case of the repository with bars of its own for answers in a model's words."""
    case = use_cases.load("docs_assistant")
    return replace(case, policy=replace(case.policy, **({"floors": {"worded/question_count": 8}, "ceilings": {}} | bars)))


def build_settings(home: Path, empty_registry: Path, *, address: str | None = None) -> Settings:
    """dev with an empty registry; its alias `chat` is answered at an address, or by the small model."""
    settings = load_settings("dev", home=home, variables={})
    (home / "dev" / "registry").mkdir(parents=True)
    shutil.copy(empty_registry, home / "dev" / "registry" / "mlflow.db")
    models = {"chat": {"kind": "openai", "model": "small", "address": address}} if address else settings.model_dump()["language_models"]
    return Settings.model_validate({**settings.model_dump(), "language_models": models})


def write_questions(settings: Settings, case: UseCase, questions: list[tuple[str, str, str]] | None = None) -> None:
    """Questions as features and with their truth, one an hour."""
    asked = [(place, *question) for place, question in enumerate(QUESTIONS if questions is None else questions)]
    features, silver = case.table("gold", "features"), case.silver_table("questions")
    gold = [
        {"question_id": name, "prediction_at": BEGIN + place * HOUR, "refreshed_at": BEGIN, "question": text, "features_version": 1}
        | {"word_count": 5.0, "code_word_count": 0.0, "form": "how", "_as_of": BEGIN}
        for place, name, text, _ in asked
    ]
    known = [
        {"question_id": name, "question": text, "asked_at": BEGIN + place * HOUR, "origin": "test", "known_at": BEGIN, "_ingested_at": BEGIN}
        | {"answer_section_id": None if section == NO_SECTION else section, "answer": _find_text(section), "is_answerable": section != NO_SECTION}
        | {"_source": "test", "_batch_id": "a"}
        for place, name, text, section in asked
    ]
    # A truth counts where the documents hold its section.
    sections = [
        {"section_id": found.section_id, "document_id": found.section_id.partition("#")[0], "content_hash": "1", "known_at": BEGIN}
        | {"_ingested_at": BEGIN, "_source": "test", "_batch_id": "a"}
        for found in SECTIONS
    ]
    documents = [{name: row[name] for name in row if name != "section_id"} | {"is_deleted": False} for row in sections]
    truth = ((case.silver_table("sections"), sections), (case.silver_table("document_versions"), documents))
    for table, rows in ((features, gold), (silver, known), *truth):
        tables.append(settings, table, build_rows(table, rows), batch_id=f"test/{case.name}/questions/1")


def change_prompt(**changes: Any) -> PromptTemplate:
    """The prompt of the use case with changes; none: as it is."""
    template = read_prompt("docs_assistant", "answer")
    return build_prompt(template.model_dump(mode="json", exclude_defaults=True) | changes, where="test")


def register_chain(
    settings: Settings, case: UseCase, folder: Path, *, prompt: PromptTemplate | None, model_id: str, holdout_start: datetime = BEGIN, quoted: int = 2
) -> versions.Version:
    """Register a chain that pins a prompt and what `chat` stands for, or nothing that words, and make it the challenger."""
    folder.mkdir(parents=True)
    write_candidate(folder, replace(METADATA, use_case=case.name, as_of=BEGIN, holdout_start=holdout_start))
    found = None if prompt is None else register_prompt(settings, case.name, prompt)
    pins = {
        "retrieval": {}, "index": {}, "confidence": {}, "quoted": quoted, "guardrails": {},
        "prompt": None if found is None else {"name": found.template.name, "version": found.version, "hash": found.hash},
        "model": None if found is None else {"alias": "chat", **asdict(read_identity(settings, "chat"))},
    }  # fmt: skip
    write_json(folder / CHAIN_FILE, pins)
    for page in (CARD, METRICS, EXPLANATION):
        (folder / page).write_text("{}", encoding="utf-8")
    version = versions.register(
        settings, case, folder, model_id=model_id, signature=SIGNATURE, params={}, metrics={}, tags={}, tables={}, requirements=[]
    )  # fmt: skip
    versions.set_alias(settings, case, alias=versions.CHALLENGER, number=version.number)
    return version


def promote(settings: Settings, case: UseCase, version: versions.Version) -> None:
    """Make a version champion, from before the first question on."""
    history.record_verdict(settings, case, version, passed("promotion", "first"), as_of=BEGIN, approver="automatic")
    history.finish_promotions(settings, case)


def append_words(settings: Settings, case: UseCase, version: versions.Version, prompt: PromptTemplate, rows: pl.DataFrame) -> None:
    """Rows of worded answers as a chain's own."""
    own = rows.with_columns(model_id=pl.lit(version.model_id), model_version=pl.lit(version.number, dtype=pl.Int64), prompt_hash=pl.lit(prompt.hash))
    tables.append(settings, case.table("inference", "worded_answers"), own, batch_id=f"test/{case.name}/{version.model_id}/1")


def _find_text(section: str) -> str | None:
    return next((found.text for found in SECTIONS if found.section_id == section), None)
