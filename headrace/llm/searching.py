"""From what a chain pins to a retriever that can be asked, and from questions with their sections to how it should look for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from headrace.errors import CandidateError, ModelError
from headrace.lake.batches import format_instant
from headrace.llm.embedding import Embedder, load_embedder
from headrace.llm.index_versions import find_version, name_embedding, open_index, read_versions
from headrace.llm.retrieval import Retriever
from headrace.llm.retrieval_config import DEPTH, RetrievalConfig
from headrace.llm.retrieval_tuning import collect_candidates, tune_fusion
from headrace.llm.vector_index import VectorIndex
from headrace.settings import Settings
from headrace.use_case import UseCase

_EMBEDDERS: dict[tuple[str, int], Embedder] = {}


def open_retriever(settings: Settings, case: UseCase, *, index: Mapping[str, Any], config: RetrievalConfig) -> Retriever:
    """A retriever over the index version that a chain pins.

    Args:
        settings: The environment whose index is searched.
        case: The use case.
        index: What the chain pins of it: at least `index_version` and `embedder`.
        config: How it looks for sections.

    Raises:
        CandidateError: The index has no such version, or this code has another embedder than made it.
    """
    if index["embedder"] != name_embedding():
        raise CandidateError(f"the chain's index was made with {index['embedder']}, this code has {name_embedding()}; run llm_index and train again")
    return Retriever(index=_open(settings, case, index), embedder=_load_embedder(settings), config=config)


def embed_questions(settings: Settings, questions: Sequence[str]) -> np.ndarray:
    """Embeddings of questions as retrieval makes them; float32, one row each."""
    return _load_embedder(settings).embed(questions)


def tune_retrieval(settings: Settings, case: UseCase, *, index: Mapping[str, Any], questions: pl.DataFrame) -> RetrievalConfig:
    """How sections of an index version are found best, by questions of which the section is known.

    Args:
        settings: The environment.
        case: The use case.
        index: As for `open_retriever`.
        questions: `question_id`, `question`, `section_id`. Grain: one row per question.
    """
    found = collect_candidates(_open(settings, case, index), _load_embedder(settings), questions, depth=DEPTH)
    return tune_fusion(found.rows, questions.select("question_id", "section_id"), depth=DEPTH)


def pin_index(settings: Settings, case: UseCase, *, as_of: datetime) -> dict[str, Any] | None:
    """The newest version of the index that stands for an instant (UTC) at or before `as_of`, as a chain pins it; None where there is none."""
    known = [version for version in read_versions(settings, case) if version.as_of <= as_of]
    if not known:
        return None
    newest = known[-1]
    return {
        "index_version": newest.name,
        "as_of": format_instant(newest.as_of),
        "gold_version": newest.gold_version,
        "embedder": newest.embedder,
        "chunk_count": newest.chunk_count,
        "content_digest": newest.content_digest,
    }


def _open(settings: Settings, case: UseCase, index: Mapping[str, Any]) -> VectorIndex:
    name = str(index["index_version"])
    try:
        recorded = find_version(settings, case, name)
        if recorded.content_digest != index["content_digest"]:
            raise CandidateError(f"index version {name} holds other chunks than the chain was judged on; train again")
        return open_index(settings, case, name)
    except ModelError as error:
        raise CandidateError(str(error)) from error


def _load_embedder(settings: Settings) -> Embedder:
    """One embedder a process and place of models: building its session takes 1.5 s."""
    key = (str(settings.models), settings.threads)
    if key not in _EMBEDDERS:
        _EMBEDDERS[key] = load_embedder(settings)
    return _EMBEDDERS[key]
