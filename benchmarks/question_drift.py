"""How often question drift is called where nothing moved, and where something did: `make bench-question-drift`, on questions of Python's FAQ.

Questions are dealt at random into a reference and a window, so nothing has moved; then a part of the window is replaced by the headings
of the C API's documentation, as people type them into a search box, or by questions that the documentation does not answer. Each deal is
tested by topics and by embeddings; where nothing moved, some also by Evidently's MMD with its bootstrap, as it comes and at the quantile
that its name suggests.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd

from benchmarks.verb import run
from headrace.llm.document_files import list_documents
from headrace.llm.monitoring.question_drift import measure_embedding_shift, measure_topic_shift
from headrace.llm.monitoring.topics import assign_topics, fit_topics
from headrace.llm.searching import embed_questions
from headrace.llm.sectioning import split_document
from headrace.settings import Settings
from use_cases.docs_assistant.questions import UNANSWERABLE, read_questions
from use_cases.docs_assistant.source import find_reference

DEALS, REFERENCE, SIZES, PARTS = 100, 100, (20, 60), (0.25, 0.5)
LEVELS = (0.05, 0.001)

# Its bootstrap takes a second and a half.
EVIDENTLY_DEALS = 40


def measure(settings: Settings) -> None:
    """Deal, test and count."""
    folder = find_reference(settings)
    asked = read_questions(folder)
    questions = asked.filter("is_answerable")["question"].to_list()
    titles = list_titles(folder)
    known, other, unanswered = (embed_questions(settings, texts) for texts in (questions, titles, list(UNANSWERABLE)))
    print(f"{len(questions)} questions, {len(titles)} headings of the C API, {len(UNANSWERABLE)} questions without an answer; {DEALS} deals each")
    names = [*(f"{name} < {level}" for name in ("topics", "embeddings") for level in LEVELS)]
    print(f"| {'window':<58} | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for size in SIZES:
        show(f"{size} questions, nothing moved", deal(questions, known, size, None, 0.0))
        for part in PARTS:
            show(f"{size} questions, {part:.0%} of them headings of the C API", deal(questions, known, size, other, part))
        show(f"{size} questions, 25% of them without an answer", deal(questions, known, size, unanswered, 0.25))
    as_it_comes, named = call_by_evidently(known, 20)
    print(f"Evidently's MMD, 20 questions, nothing moved: {as_it_comes:.1%} called as it comes, {named:.1%} with quantile_probability=0.95")
    began = time.process_time()
    measure_embedding_shift(known[:60], known[60:160], seed=1)
    print(f"CPU-seconds of one test of 60 against 100 embeddings: {time.process_time() - began:.2f}")


def list_titles(folder: Path) -> list[str]:
    """Headings of the documentation of the C API."""
    found = [document for document in list_documents(folder) if document.document_id.startswith("c-api/")]
    split = [split_document(document.read() or b"", media_type=document.media_type, document_id=document.document_id) for document in found]
    return sorted({section.title for sections in split for section in sections})


def deal(questions: list[str], known: np.ndarray, size: int, other: np.ndarray | None, part: float) -> list[float]:
    """Share of deals in which each test calls drift."""
    called = []
    for seed in range(DEALS):
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(known))
        reference, window = order[:REFERENCE], known[order[REFERENCE : REFERENCE + size]]
        if other is not None:
            window = window.copy()
            count = int(size * part)
            window[:count] = other[generator.choice(len(other), count, replace=False)]
        called.append(call_drift(window, known[reference], [questions[place] for place in reference], seed))
    return list(np.mean(called, axis=0))


def call_drift(window: np.ndarray, reference: np.ndarray, texts: list[str], seed: int) -> list[bool]:
    """Whether each test calls drift: topics and embeddings at each level."""
    topics = fit_topics(texts, reference)
    by_topic = measure_topic_shift(assign_topics(topics, window), assign_topics(topics, reference), seed=seed)
    by_embedding = measure_embedding_shift(window, reference, seed=seed)
    return [*(by_topic < level for level in LEVELS), *(by_embedding < level for level in LEVELS)]


def call_by_evidently(known: np.ndarray, size: int) -> list[float]:
    """Share of deals in which Evidently's MMD calls drift where nothing moved, at both quantiles."""
    called = []
    for seed in range(EVIDENTLY_DEALS):
        order = np.random.default_rng(seed).permutation(len(known))
        window, reference = (pd.DataFrame(known[part]) for part in (order[REFERENCE : REFERENCE + size], order[:REFERENCE]))
        called.append([bool(mmd(bootstrap=True, quantile_probability=quantile)(window, reference)[1]) for quantile in (0.05, 0.95)])
    return list(np.mean(called, axis=0))


def show(name: str, shares: list[float]) -> None:
    """One line of the table."""
    print(f"| {name:<58} | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(run(measure))
