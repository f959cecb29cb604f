"""Build a chain: tune retrieval and the bar of silence on the older questions, judge on the newer, write the folder.

Nothing is fitted or chosen on the holdout. Apart from milliseconds, the same index, questions and code write the same figures.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from headrace.decisions import blocked
from headrace.errors import CandidateError
from headrace.llm.attacks import HIDDEN, measure_attacks
from headrace.llm.chain import QUESTION, Chain, Section
from headrace.llm.chain_candidate import CHAIN, EMBEDDING, TOPICS, Pins, describe_words
from headrace.llm.chain_card import build_chain_card
from headrace.llm.chain_judging import judge_chains
from headrace.llm.confidence import Confidence
from headrace.llm.confidence_fitting import fit_confidence
from headrace.llm.embedding import build_version
from headrace.llm.evaluation_sets import HOW_TO_DELIVER
from headrace.llm.gateway import read_identity
from headrace.llm.guardrails.loading import load_guardrails
from headrace.llm.monitoring.topics import as_json, fit_topics
from headrace.llm.prompts import register_prompt
from headrace.llm.question_splits import split_questions
from headrace.llm.retrieval_config import PLAIN_SEARCH, RetrievalConfig
from headrace.llm.searching import embed_questions, open_retriever, pin_index, tune_retrieval
from headrace.llm.wording import read_wording_prompt
from headrace.models.candidate import BASELINE, CARD, DRIFT_REFERENCE, EXPLANATION, METRICS, Candidate, write_candidate, write_json
from headrace.models.kinds import load_kind
from headrace.models.kinds.assistant import NO_SECTION
from headrace.models.splits import GATE, Splits, decide_parts
from headrace.models.training import CandidateReport
from headrace.monitoring.drift import sample_rows
from headrace.settings import Settings
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

# It always answers: what a search page does.
ALWAYS = Confidence(slope=0.0, intercept=0.0, decline_below=0.0)


def build_chain(
    settings: Settings, case: UseCase, rows: pl.DataFrame, *, as_of: datetime, folder: Path, provenance: Mapping[str, Any]
) -> CandidateReport:
    """Build a chain from labelled questions and write its folder; `candidate.json` comes last, so a folder that has it is complete.

    Args:
        settings: The environment, whose newest index known at `as_of` the chain pins.
        case: The use case.
        rows: Feature rows with `question`, `prediction_at`, the label and `label_known_at`. Grain: one row per question.
        as_of: Instant (UTC) whose knowledge counts.
        folder: An existing, empty folder.
        provenance: What else made the candidate; kept in `candidate.json` and card.
    """
    kind, label = load_kind(case.kind), case.label.name
    usable = rows.filter(pl.col("features_version") == case.features.version)
    if not usable[label].count():
        none = f"no question has a known answer at {as_of:%Y-%m-%d %H:%M}Z, so nothing can be tuned or judged, and what nobody judged is not promoted"
        return CandidateReport(decision=blocked(GATE, f"{none}; {HOW_TO_DELIVER}"), candidate=None, metrics={})
    splits = split_questions(usable, as_of=as_of, spec=case.chain_spec, label=label, key=case.features.key)
    decision = decide_parts(splits, kind=kind, policy=case.policy, features=case.features, label=label)
    index = pin_index(settings, case, as_of=as_of)
    if decision.passed and index is None:
        decision = blocked(GATE, f"there is no index of {case.name} as of {as_of:%Y-%m-%d %H:%M}Z; run llm_index first")
    if not decision.passed or index is None:
        return CandidateReport(decision=decision, candidate=None, metrics={})

    config = tune_retrieval(settings, case, index=index, questions=_list_questions(splits.known, label))
    candidate = _describe(config, splits, case=case, as_of=as_of, seed=settings.seed, provenance=provenance)
    try:
        chain = _fit(settings, case, candidate, config, splits.known, index=index)
    except CandidateError as error:
        return CandidateReport(decision=blocked(GATE, str(error), decision.evidence), candidate=None, metrics={})
    plain = _open(settings, case, candidate, PLAIN_SEARCH, ALWAYS, index=index)
    sections = _find_sections(chain, splits.holdout)
    if not sections:
        return CandidateReport(
            decision=blocked(GATE, "no section was found for any question of the holdout", decision.evidence), candidate=None, metrics={}
        )
    attacks = measure_attacks(chain, sections=sections)
    metrics, slices = judge_chains(case, splits.holdout, chain=chain, plain=plain, seed=settings.seed)

    pins = _pin(settings, case, config, chain.confidence, index=index)
    write_json(folder / CHAIN, vars(pins))
    write_json(folder / BASELINE, vars(replace(pins, retrieval=PLAIN_SEARCH.as_json(), confidence=ALWAYS.as_json())))
    # What a registry shows of it, and whoever approves it has to know.
    candidate = replace(candidate, params={**candidate.params, **describe_words(pins)})
    write_json(folder / METRICS, metrics | attacks | {"slices": slices.to_dicts()})
    write_json(folder / EXPLANATION, config.leg_shares())
    card = build_chain_card(candidate, case=case, split=decision, metrics=metrics, slices=slices, pins=pins)
    (folder / CARD).write_text(card, encoding="utf-8")
    _write_reference(settings, case, splits.known, folder)
    write_candidate(folder, candidate)
    logger.info("built a chain of %s tuned_on=%d judged_on=%d", case.name, splits.known.height, splits.holdout.height)
    return CandidateReport(decision=decision, candidate=candidate, metrics=metrics | attacks)


def _list_questions(rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """Questions that a section answers: `question_id`, `question`, `section_id`."""
    return rows.filter(pl.col(label) != NO_SECTION).select("question_id", QUESTION, pl.col(label).alias("section_id"))


def _open(
    settings: Settings, case: UseCase, candidate: Candidate, config: RetrievalConfig, confidence: Confidence, *, index: Mapping[str, Any]
) -> Chain:
    spec, guardrails = case.chain_spec, load_guardrails(case.chain_spec.guardrails, embedder=index["embedder"])
    if guardrails.faults:
        raise CandidateError(f"guardrails cannot be loaded: {'; '.join(guardrails.faults)}; correct them in the use case's ChainSpec")
    retriever = open_retriever(settings, case, index=index, config=config)
    return Chain(metadata=candidate, retriever=retriever, confidence=confidence, guardrails=guardrails, quoted=spec.quoted)


def _fit(settings: Settings, case: UseCase, candidate: Candidate, config: RetrievalConfig, known: pl.DataFrame, *, index: Mapping[str, Any]) -> Chain:
    """The chain with its bar of silence, learned on the questions that retrieval was tuned on."""
    unsure = _open(settings, case, candidate, config, ALWAYS, index=index)
    firsts = [unsure.retriever.rank(question, k=1) for question in known[QUESTION].to_list()]
    labels = known[case.label.name].to_list()
    confidence = fit_confidence(
        [found[0].score if found else 0.0 for found in firsts],
        is_right=[bool(found) and found[0].section_id == label for found, label in zip(firsts, labels, strict=True)],
        is_answerable=[label != NO_SECTION for label in labels],
        min_answered_fraction=case.chain_spec.min_answered_fraction,
    )
    return replace(unsure, confidence=confidence)


def _find_sections(chain: Chain, rows: pl.DataFrame) -> list[Section]:
    """The first section of each question until there is one for each attack."""
    found = (section for question in rows[QUESTION] for section in chain.retriever.read(chain.retriever.rank(question, k=1)))
    return list(islice(found, len(HIDDEN)))


def _pin(settings: Settings, case: UseCase, config: RetrievalConfig, confidence: Confidence, *, index: Mapping[str, Any]) -> Pins:
    spec = case.chain_spec
    return Pins(
        retrieval=config.as_json(),
        index=index,
        confidence=confidence.as_json(),
        quoted=spec.quoted,
        prompt=None if spec.model is None else _pin_prompt(settings, case),
        model=None if spec.model is None else {"alias": spec.model, **asdict(read_identity(settings, spec.model))},
        guardrails=dict(spec.guardrails),
    )


def _pin_prompt(settings: Settings, case: UseCase) -> dict[str, Any]:
    """The prompt as its file is now, registered: the same text is the same version."""
    found = register_prompt(settings, case.name, read_wording_prompt(case.name, case.chain_spec.prompt, quoted=case.chain_spec.quoted))
    return {"name": found.template.name, "version": found.version, "hash": found.hash}


def _describe(config: RetrievalConfig, splits: Splits, *, case: UseCase, as_of: datetime, seed: int, provenance: Mapping[str, Any]) -> Candidate:
    return Candidate(
        use_case=case.name,
        kind=case.kind,
        label=case.label.name,
        outcomes=(),
        features_version=case.features.version,
        features=(QUESTION,),
        categories={},
        learns_change=False,
        calibration={},
        as_of=as_of,
        train_start=splits.train_start,
        train_end=splits.train_end,
        validation_start=splits.validation_start,
        validation_end=splits.validation_end,
        holdout_start=splits.holdout_start,
        holdout_end=splits.holdout_end,
        params=config.as_json(),
        best_round=0,
        seed=seed,
        provenance=dict(provenance),
    )


def _write_reference(settings: Settings, case: UseCase, known: pl.DataFrame, folder: Path) -> None:
    """The questions that drift is measured against, old and new, in time order, with their embeddings; and the topics that they fall into."""
    columns: Sequence[str] = ("prediction_at", *case.features.key, QUESTION, *case.features.names)
    sample = sample_rows(known.select(columns), limit=case.policy.drift_sample_rows, seed=settings.seed, key=case.features.key)
    reference = sample.sort("prediction_at", *case.features.key)
    questions = reference[QUESTION].to_list()
    embeddings = embed_questions(settings, questions)
    reference.with_columns(pl.Series(EMBEDDING, embeddings.tolist(), dtype=pl.List(pl.Float32))).write_parquet(folder / DRIFT_REFERENCE)
    topics = fit_topics(questions, embeddings)
    write_json(folder / TOPICS, {"embedder": build_version(), "topics": as_json(topics)})
