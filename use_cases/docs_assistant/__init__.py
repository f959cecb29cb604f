"""Docs assistant: which section of a documentation answers a question? It quotes it, or says that it does not know.

The reference is the documentation of Python 3.11 with the questions of its own FAQ; `DOCS=folder` takes documents of your own.
"""

from datetime import UTC, datetime

from headrace.llm.feedback import refine_feedback
from headrace.llm.feedback_source import WithFeedback
from headrace.use_case import Replay, UseCase
from use_cases.docs_assistant import refine
from use_cases.docs_assistant.chain import CHAIN
from use_cases.docs_assistant.features import FEATURES
from use_cases.docs_assistant.label import LABEL
from use_cases.docs_assistant.policy import POLICY
from use_cases.docs_assistant.source import DocumentsAndQuestions
from use_cases.docs_assistant.subset import SUBSET

# The first 226 hours bring the questions that tune and judge the first chain; the rest of them are answered by it, a day at a time.
REPLAY = Replay(ticks=(datetime(2023, 3, 8, 4, tzinfo=UTC), datetime(2023, 3, 9, 8, tzinfo=UTC)))

USE_CASE = UseCase(
    name="docs_assistant",
    title="What does the documentation say?",
    kind="assistant",
    owner="documentation@headrace.example",
    source=WithFeedback(source=DocumentsAndQuestions(), use_case="docs_assistant"),
    feeds={
        "documents": refine.refine_documents,
        "document_versions": refine.refine_document_versions,
        "questions": refine.refine_questions,
        "feedback": refine_feedback,
    },
    silver={"documents": "sections"},
    features=FEATURES,
    label=LABEL,
    training=CHAIN,
    policy=POLICY,
    replay=REPLAY,
    stages=("ingest", "refine", "featurize", "llm_index", "score", "monitor", "retrain", "promote", "llm_evaluate"),
    subset=SUBSET,
)
