"""Questions of a window beside those that the champion was tuned on: embedded once, given to its topics, compared."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from headrace.errors import CandidateError, HeadraceError
from headrace.llm.chain_candidate import EMBEDDING, TOPICS
from headrace.llm.embedding import build_version
from headrace.llm.monitoring.answered import Answered, draw_answers
from headrace.llm.monitoring.question_drift import P_VALUES, measure_question_drift
from headrace.llm.monitoring.topics import Topic, parse_topics
from headrace.llm.searching import embed_questions
from headrace.models.candidate import DRIFT_REFERENCE, read_json
from headrace.monitoring.drift import sample_rows
from headrace.monitoring.figures import Figure
from headrace.registry import versions
from headrace.registry.history import Reign
from headrace.settings import Settings
from headrace.use_case import UseCase

# On each side. A test of 1,000 questions takes 4 s of a core, and finds what matters among fewer.
MOST_QUESTIONS = 500


class QuestionWatch:
    """Compares questions with those of champions."""

    def __init__(self, settings: Settings, case: UseCase) -> None:
        """Nothing is read before a window is measured."""
        self._settings, self._case = settings, case
        self._references: dict[int, tuple[np.ndarray, list[Topic]]] = {}

    def measure(self, answers: Sequence[Answered], *, reign: Reign | None) -> list[Figure]:
        """Shares of topics, and whether topics and embeddings moved; nothing to compare with where there is no champion."""
        if reign is None or not answers:
            return [Figure(name=name, value=None, count=0, reason="there is no champion" if answers else None) for name in P_VALUES]
        try:
            reference, topics = self._read_reference(reign)
        except HeadraceError as error:
            return [Figure(name=name, value=None, count=len(answers), reason=str(error)) for name in P_VALUES]
        sample = draw_answers(answers, most=MOST_QUESTIONS)
        embeddings = embed_questions(self._settings, [answered.question for answered in sample])
        return measure_question_drift(embeddings, reference, topics, seed=self._settings.seed)

    def _read_reference(self, reign: Reign) -> tuple[np.ndarray, list[Topic]]:
        """Embeddings and topics of the questions that a champion was tuned on.

        Raises:
            CandidateError: Its folder cannot be read, or its questions were embedded by another model.
        """
        if reign.version not in self._references:
            folder = versions.candidate_folder(self._settings, versions.read(self._settings, self._case, number=reign.version))
            topics = read_json(folder / TOPICS)
            if topics["embedder"] != build_version():
                raise CandidateError(f"version {reign.version} has topics of embeddings by {topics['embedder']}, this code has {build_version()}")
            key = list(self._case.features.key)
            rows = pl.read_parquet(folder / DRIFT_REFERENCE, columns=[*key, EMBEDDING])
            # Not the oldest ones: what was asked last is what chains were tuned on last.
            drawn = sample_rows(rows, limit=MOST_QUESTIONS, seed=self._settings.seed, key=key)
            self._references[reign.version] = (np.asarray(drawn[EMBEDDING].to_list(), dtype=np.float32), parse_topics(topics["topics"]))
        return self._references[reign.version]
