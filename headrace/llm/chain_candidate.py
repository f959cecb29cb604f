"""A chain on disk: a folder of data files that pins everything it answers with.

candidate.json           what it is and how it came to be, as of every candidate
chain.json               retrieval, index, confidence, prompt, model and guardrails, each with its version
baseline.json            the plain search that stands in for a champion where there is none
metrics.json             figures on the holdout, overall and by slice
explanation.json         share of each leg of retrieval in the score
card.md                  the card
drift_reference.parquet  the questions that it was tuned on, with their shape and embeddings
topics.json              groups of those questions, to which later ones are given
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.errors import CandidateError
from headrace.llm.chain import Chain
from headrace.llm.confidence import parse_confidence
from headrace.llm.guardrails.loading import find_version, load_guardrails
from headrace.llm.retrieval_config import parse_retrieval
from headrace.llm.searching import open_retriever
from headrace.models.candidate import BASELINE, CARD, DRIFT_REFERENCE, EXPLANATION, METADATA, METRICS, read_candidate, read_json
from headrace.settings import Settings
from headrace.use_case import UseCase

CHAIN, TOPICS = "chain.json", "topics.json"
CHAIN_FILES = (METADATA, CHAIN, BASELINE, METRICS, EXPLANATION, CARD, DRIFT_REFERENCE, TOPICS)

# Column of the reference that holds the embedding of each question.
EMBEDDING = "embedding"


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What a chain's file says: the versions of all that it answers with."""

    retrieval: Mapping[str, Any]
    index: Mapping[str, Any]
    confidence: Mapping[str, float]
    quoted: int
    prompt: Mapping[str, Any] | None
    model: Mapping[str, Any] | None
    guardrails: Mapping[str, Any]


def load_chain(settings: Settings, case: UseCase, folder: Path) -> Chain:
    """Load the chain in a folder, with the index that it pins; an index that was lost is made again.

    Raises:
        CandidateError: A file is missing or broken, a guardrail cannot be loaded, or the index version is gone.
    """
    return _load(settings, case, folder, read_pins(folder / CHAIN))


def load_plain_search(settings: Settings, case: UseCase, folder: Path) -> Chain:
    """Load what a chain has to beat where there is no champion: full-text search of the same index, which never declines.

    Raises:
        CandidateError: As for `load_chain`.
    """
    return _load(settings, case, folder, read_pins(folder / BASELINE))


def read_pins(path: Path) -> Pins:
    """Read `chain.json`, or `baseline.json`, which has the same shape.

    Raises:
        CandidateError: The file is missing or not complete.
    """
    content = read_json(path)
    expected = set(Pins.__dataclass_fields__)
    if content.keys() != expected:
        raise CandidateError(f"{path} must have exactly {', '.join(sorted(expected))}; it differs in {', '.join(sorted(expected ^ content.keys()))}")
    return Pins(**content)


def name_versions(pins: Pins) -> dict[str, str]:
    """Index, prompt, model and guardrails of a chain -> its version, in a word: what each answer is logged with."""
    parts = {"index": pins.index.get("index_version"), "prompt": pins.prompt, "model": pins.model, "guardrails": find_version(pins.guardrails)}
    return {name: found if isinstance(found, str) else find_version(found) for name, found in parts.items() if found}


def describe_words(pins: Pins) -> dict[str, str]:
    """What words the answers of a chain, for a person: `prompt` and `model`; nothing where it only quotes."""
    found = {}
    if pins.prompt:
        found["prompt"] = f"{pins.prompt['name']} v{pins.prompt['version']} ({pins.prompt['hash'][:12]})"
    if pins.model:
        found["model"] = f"{pins.model['model']} ({pins.model['address'] or pins.model['sha256'][:12]}), behind alias {pins.model['alias']}"
    return found


def _load(settings: Settings, case: UseCase, folder: Path, pins: Pins) -> Chain:
    guardrails = load_guardrails(pins.guardrails, embedder=pins.index.get("embedder"))
    if guardrails.faults:
        raise CandidateError(f"the guardrails of {folder} cannot be loaded: {'; '.join(guardrails.faults)}; build the chain again")
    return Chain(
        metadata=read_candidate(folder),
        retriever=open_retriever(settings, case, index=pins.index, config=parse_retrieval(pins.retrieval)),
        confidence=parse_confidence(pins.confidence),
        guardrails=guardrails,
        quoted=pins.quoted,
        pins=name_versions(pins),
    )
