"""The truth about a question: what the documents hold at that instant."""

from datetime import UTC, datetime, timedelta

import polars as pl

from headrace.models.kinds.assistant import NO_SECTION
from use_cases.docs_assistant.label import LABEL, NAME

NOON = datetime(2023, 1, 1, 12, tzinfo=UTC)


def test_a_truth_whose_section_is_gone_was_renamed_or_never_there_is_none():
    sections = ["kept.md#a", "kept.md#new"]
    questions = {"stays": "kept.md#a", "renamed": "kept.md#old", "gone": "gone.md#a", "wrong": "none.md#a", "nowhere": None, "unjudged": None}
    inputs = {
        "questions": pl.DataFrame(
            {
                "question_id": list(questions),
                "question": [f"Why {name}?" for name in questions],
                "answer_section_id": list(questions.values()),
                "is_answerable": [name != "nowhere" for name in questions],
                "known_at": [NOON] * len(questions),
            }
        ),
        "document_versions": pl.DataFrame(
            {
                "document_id": ["kept.md", "gone.md", "kept.md", "gone.md"],
                "content_hash": ["1", "1", "2", None],
                "is_deleted": [False, False, False, True],
                "known_at": [NOON, NOON, *[NOON + timedelta(hours=1)] * 2],
            }
        ),
        "sections": pl.DataFrame(
            [
                *({"section_id": name, "document_id": "kept.md", "content_hash": "2"} for name in sections),
                {"section_id": "kept.md#old", "document_id": "kept.md", "content_hash": "1"},
                {"section_id": "gone.md#a", "document_id": "gone.md", "content_hash": "1"},
            ]
        ),
    }
    assert set(inputs) == set(LABEL.inputs)
    assert dict(LABEL.build(inputs).select("question_id", NAME).iter_rows()) == {"stays": "kept.md#a", "nowhere": NO_SECTION}


def test_of_questions_in_the_same_words_the_newest_truth_counts_alone():
    questions = pl.DataFrame(
        {
            "question_id": ["reference", "feedback", "other"],
            "question": ["Why is the sky blue?", "why is sky  blue", "Why is the sea blue?"],
            "answer_section_id": ["sky.md#a", None, None],
            "is_answerable": [True, False, False],
            "known_at": [NOON, NOON + timedelta(hours=1), NOON],
        }
    )
    nothing = pl.DataFrame(
        schema={"document_id": pl.String, "content_hash": pl.String, "is_deleted": pl.Boolean, "known_at": pl.Datetime("us", "UTC")}
    )
    inputs = {"questions": questions, "document_versions": nothing, "sections": nothing.select("document_id", "content_hash", section_id=pl.lit(""))}
    assert set(LABEL.build(inputs)["question_id"]) == {"feedback", "other"}
