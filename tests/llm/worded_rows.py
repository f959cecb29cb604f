"""Rows of worded answers, as many as a gate needs, with figures that a test can count."""

from collections.abc import Sequence

import polars as pl

from headrace.lake.contracts import load_contract
from tests.llm.small_documents import at

CONTRACT = "inference.docs_assistant_worded_answers"
COUNT = 60


def worded_rows(
    *,
    model_id: str = "new",
    worded: Sequence[bool] | float = 0.5,
    grounded: float | None = 0.9,
    tokens: Sequence[int | None] | int | None = 500,
    cost: float | None = 0.01,
    seconds: float | None = 8.0,
    answered: bool = True,
    count: int = COUNT,
) -> pl.DataFrame:
    """One row per question; of every ten, the first so many stand in the model's words where a share is given."""
    standing = [number % 10 < 10 * worded for number in range(count)] if isinstance(worded, float) else list(worded)
    counts = list(tokens) if isinstance(tokens, Sequence) else [tokens] * count
    rows = [
        {
            "question_id": f"question-{number:03}",
            "model_version": 1,
            "model_id": model_id,
            "answer": "said",
            "cited_sections": "[]",
            "is_worded": standing[number],
            "verdict": "the cited passages hold what it says",
            "is_answered": answered,
            "true_section_cited": True,
            "citation_precision_fraction": 0.5,
            "grounded_fraction": grounded,
            "rouge_l_fraction": 0.3,
            "is_exact_match": False,
            "prompt": "answer",
            "prompt_version": 1,
            "prompt_hash": f"hash-{model_id}",
            "model": "small",
            "input_token_count": counts[number],
            "output_token_count": 0,
            "cost_usd": cost,
            "latency_s": seconds,
            "worded_at": at(1),
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=load_contract(CONTRACT).schema)
