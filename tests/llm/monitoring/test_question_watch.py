"""What questions are compared with: a part of those that the champion was tuned on, old and new."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headrace.llm.chain_candidate import EMBEDDING, TOPICS
from headrace.llm.embedding import build_version
from headrace.llm.monitoring import question_watch
from headrace.llm.monitoring.question_watch import MOST_QUESTIONS, QuestionWatch
from headrace.models.candidate import DRIFT_REFERENCE, write_json
from headrace.registry.history import Reign
from headrace.settings import Settings
from tests.serving.tiny_assistant import ASSISTANT


def test_of_many_questions_also_the_newest_are_compared_with(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    count = 2 * MOST_QUESTIONS
    places = np.arange(count, dtype=np.float32)
    rows = {"question_id": [f"q{place:04.0f}" for place in places], EMBEDDING: [[place] for place in places.tolist()]}
    pl.DataFrame(rows, schema_overrides={EMBEDDING: pl.List(pl.Float32)}).write_parquet(tmp_path / DRIFT_REFERENCE)
    write_json(tmp_path / TOPICS, {"embedder": build_version(), "topics": []})
    monkeypatch.setattr(question_watch.versions, "read", lambda *_, number: number)
    monkeypatch.setattr(question_watch.versions, "candidate_folder", lambda *_: tmp_path)
    reign = Reign(version=1, model_id="one", since=datetime(2026, 3, 1, tzinfo=UTC))
    (drawn, _), (again, _) = (QuestionWatch(settings, ASSISTANT)._read_reference(reign) for _ in range(2))
    assert drawn.shape == (MOST_QUESTIONS, 1)
    assert 0.4 < (drawn >= MOST_QUESTIONS).mean() < 0.6
    assert np.array_equal(drawn, again)
