"""From a reader's words to a question that the assistant is judged by: server log, bronze, silver, review, questions and examples."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headrace.errors import ReviewError, ServingError
from headrace.lake import tables
from headrace.lake.ingestion import append_feed
from headrace.lake.refinement import refine_feed
from headrace.lake.runs import build_rows
from headrace.llm.feedback import refine_feedback
from headrace.llm.feedback_source import WithFeedback
from headrace.llm.review_verb import bring_in, render, review
from headrace.llm.reviews import TABLE, list_waiting, record_review
from headrace.models.kinds.assistant import DOES_NOT_KNOW
from headrace.serving.feedback_log import build_row, feedback_folder
from headrace.serving.inference_log import InferenceLog, list_segments, log_folder
from headrace.serving.logged_requests import find_requests
from headrace.settings import Settings
from headrace.source import Delivery
from headrace.use_case import UseCase
from tests.llm.tiny_chain import CHAIN
from tests.serving.tiny import tiny_settings
from tests.serving.tiny_assistant import ASSISTANT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAID = {"origin": "reader", "given_by": None, "rating": None, "correction": None, "section_id": None, "is_person_asked": False}


@dataclass(frozen=True)
class NoDocuments:
    """A source that has nothing."""

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        return []


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return tiny_settings(tmp_path)


@pytest.fixture
def case(settings: Settings) -> UseCase:
    source = WithFeedback(source=NoDocuments(), use_case=ASSISTANT.name).within(settings)
    return replace(ASSISTANT, source=source, feeds={"feedback": refine_feedback, "questions": lambda rows: rows})


def answered(request_id: str, question: str = "how do i sort a list in place?") -> dict[str, Any]:
    """An answer's row, as the server logs it."""
    reply = replace(CHAIN, pins={"index": "12", "prompt": "3"}).reply(question)
    quoted = [vars(quotation) for quotation in reply.quotations]
    return {
        "request_id": f"{request_id}/0", "requested_at": NOW.isoformat(), "refreshed_at": NOW.isoformat(),
        "request": json.dumps({"question_id": request_id, "question": question}), "features": "{}", "features_version": 1, "feature_hash": "a",
        "model_version": 7, "model_id": "seven", "answer": reply.answer, "cited_sections": json.dumps(reply.cited),
        "ranked_sections": json.dumps(reply.ranked), "confidence_fraction": reply.confidence, "quotations": json.dumps(quoted),
        "pinned_versions": json.dumps(dict(reply.pins)), "first_score": reply.score, "guardrail_hits": json.dumps(reply.hits), "latency_ms": 40.0,
        "wording": None,
    }  # fmt: skip


def log(folder: Path, *rows: dict[str, Any]) -> None:
    """Write rows as one closed segment."""
    begun = NOW + timedelta(seconds=len(list_segments(folder)))
    writer = InferenceLog(folder, clock=lambda: begun)
    for row in rows:
        writer.append([row]).result(timeout=5)
    writer.close()


def give(settings: Settings, request_id: str, *, question: str = "how do i sort a list in place?", at: datetime = NOW, **said: Any) -> str:
    """Answer a question and take feedback about it, each in a segment of its own; the feedback's id."""
    about = answered(request_id, question)
    log(log_folder(settings, ASSISTANT.name), about)
    row = build_row({**SAID, **said}, feedback_id=f"about-{request_id}", about=about, given_at=at)
    log(feedback_folder(settings, ASSISTANT.name), row)
    return str(row["feedback_id"])


def add_section(settings: Settings, section_id: str, text: str) -> None:
    """Put a section into silver."""
    row = {
        "section_id": section_id, "document_id": "lists", "content_hash": "0" * 64, "position": 0, "title": "Sorted",
        "heading_path": "Lists > Sorted", "text": text,
        "language": "en", "token_count": 5, "tokenizer": "tiny@0", "masked_count": 0, "duplicate_of": None, "known_at": NOW,
        "_ingested_at": NOW, "_source": "a", "_batch_id": "a",
    }  # fmt: skip
    table = ASSISTANT.table("silver", "sections")
    tables.append(settings, table, build_rows(table, [row]), batch_id=f"refine/docs_assistant/{section_id}/1")


def read(settings: Settings, table: str) -> list[dict[str, Any]]:
    return tables.read(settings, table).collect().to_dicts()


def accept(settings: Settings, case: UseCase, feedback_id: str, *, section: str | None = None, **more: Any) -> None:
    given: dict[str, Any] = {"decision": "accept", "by": "Ada", "reason": "seen", "reviewed_at": NOW + timedelta(hours=1)} | more
    record_review(settings, case, feedback_id=feedback_id, section=section, **given)


@pytest.mark.long
def test_feedback_reaches_silver_once_with_its_lineage_and_without_personal_data(settings: Settings, case: UseCase) -> None:
    give(settings, "a", rating="down", correction="Ask ada.lovelace@headrace.io, or call sort.")
    give(settings, "b", rating="up")
    for _ in range(2):
        bring_in(settings, case, now=NOW)
    rows = sorted(read(settings, case.table("silver", "feedback")), key=lambda row: row["request_id"])
    assert [row["request_id"] for row in rows] == ["a/0", "b/0"]
    assert (rows[0]["correction"], rows[0]["masked_count"]) == ("Ask [email address removed], or call sort.", 1)
    lineage = ("model_version", "model_id", "index_version", "prompt_version", "known_at")
    assert [rows[0][name] for name in lineage] == [7, "seven", "12", "3", NOW]


def test_segments_go_when_bronze_has_them_and_one_that_is_written_stays(settings: Settings, case: UseCase) -> None:
    folder = feedback_folder(settings, case.name)
    give(settings, "a", rating="up")
    writer = InferenceLog(folder, clock=lambda: NOW + timedelta(minutes=1))
    writer.append([build_row({**SAID, "rating": "up"}, feedback_id="open", about=answered("b"), given_at=NOW)]).result(timeout=5)
    assert append_feed(settings, case, "feedback", as_of=NOW).rows_written == 1
    assert len(list_segments(folder)) == 2
    append_feed(settings, case, "feedback", as_of=NOW + timedelta(minutes=1))
    (left,) = list_segments(folder)
    writer.close()
    assert append_feed(settings, case, "feedback", as_of=NOW + timedelta(minutes=2)).rows_written == 1
    assert left.exists()
    append_feed(settings, case, "feedback", as_of=NOW + timedelta(minutes=3))
    assert list_segments(folder) == []
    assert {row["feedback_id"] for row in read(settings, case.table("bronze", "feedback"))} == {"about-a", "open"}


def test_feedback_given_after_the_instant_waits_for_the_next(settings: Settings, case: UseCase) -> None:
    give(settings, "a", rating="up", at=NOW + timedelta(seconds=1))
    assert append_feed(settings, case, "feedback", as_of=NOW).rows_written == 0
    assert append_feed(settings, case, "feedback", as_of=NOW + timedelta(seconds=1)).rows_written == 1


def test_feedback_that_two_servers_took_at_once_is_one_row_and_the_other_is_kept_aside(settings: Settings, case: UseCase) -> None:
    give(settings, "a", rating="up")
    give(settings, "a", rating="up")
    bring_in(settings, case, now=NOW)
    assert len(read(settings, case.table("silver", "feedback"))) == 1
    assert len(read(settings, case.table("silver", "feedback_rejected"))) == 1


def test_what_waits_is_listed_oldest_first_with_what_had_been_answered_and_praise_is_not(settings: Settings, case: UseCase) -> None:
    give(settings, "b", rating="down", at=NOW + timedelta(seconds=1), question="zebras ada.lovelace@headrace.io")
    give(settings, "a", correction="Call\x1b[2J sort.", is_person_asked=True)
    give(settings, "c", rating="up")
    bring_in(settings, case, now=NOW + timedelta(minutes=1))
    waiting = list_waiting(settings, case)
    assert [found.feedback["feedback_id"] for found in waiting] == ["about-a", "about-b"]
    assert waiting[0].quoted[0] == "lists#sort"
    assert (waiting[1].question, waiting[1].answer) == ("zebras [email address removed]", DOES_NOT_KNOW)
    shown = render(waiting, case=case, environment="dev")
    assert "(model 7, index 12, prompt 3)" in shown
    assert "said       asks for a person" in shown
    assert "\x1b" not in shown
    assert "2 waiting, the oldest first" in shown


def test_a_wish_for_a_person_waits_no_more_once_one_has_answered(settings: Settings, case: UseCase) -> None:
    give(settings, "a", is_person_asked=True)
    give(settings, "b", is_person_asked=True, rating="down")
    for request_id in ("a", "b"):
        said = SAID | {"origin": "person", "given_by": "Bob", "correction": "Call sort."}
        about = answered(request_id, "how do i sort a list in place?")
        log(feedback_folder(settings, ASSISTANT.name), build_row(said, feedback_id=f"by-bob-{request_id}", about=about, given_at=NOW))
    bring_in(settings, case, now=NOW)
    assert [found.feedback["feedback_id"] for found in list_waiting(settings, case)] == ["about-b", "by-bob-a", "by-bob-b"]


def test_accepted_feedback_becomes_a_question_with_its_truth_and_an_example_with_its_lineage(settings: Settings, case: UseCase) -> None:
    add_section(settings, "lists#sorted", "sorted() makes a new list.")
    feedback_id = give(settings, "a", rating="down", correction="Call sorted.", question="how do i sort a list in place? ada.lovelace@headrace.io")
    bring_in(settings, case, now=NOW)
    accept(settings, case, feedback_id, section="lists#sorted")

    (review,) = read(settings, TABLE)
    assert (review["decision"], review["reviewer"], review["section_id"], review["model_id"]) == ("accept", "Ada", "lists#sorted", "seven")
    (example,) = read(settings, case.table("gold", "examples"))
    assert (example["question"], example["answer"]) == ("how do i sort a list in place? [email address removed]", "Call sorted.")
    passages = json.loads(example["passages"])
    assert [passage["section_id"] for passage in passages][:2] == ["lists#sorted", "lists#sort"]
    assert passages[0] == {"section_id": "lists#sorted", "heading_path": "Lists > Sorted", "text": "sorted() makes a new list."}
    assert (example["model_version"], example["index_version"], example["prompt_version"]) == (7, "12", "3")

    for step in (append_feed, refine_feed):
        for hours in (2, 3):
            assert step(settings, case, "questions", as_of=NOW + timedelta(hours=hours)).decision.passed
    (question,) = read(settings, case.table("silver", "questions"))
    assert question["question_id"] == example["question_id"] == "feedback-about-a"
    assert (question["origin"], question["answer_section_id"], question["is_answerable"]) == ("feedback", "lists#sorted", True)
    # It was accepted an hour before the run that took it. That hour may be over, and what is asked in it would get no features.
    assert question["known_at"] == question["asked_at"] == NOW + timedelta(hours=2)
    assert list_waiting(settings, case) == []


def test_what_the_documents_do_not_say_becomes_a_question_without_an_answer(settings: Settings, case: UseCase) -> None:
    feedback_id = give(settings, "a", rating="down")
    bring_in(settings, case, now=NOW)
    accept(settings, case, feedback_id, section="none")
    append_feed(settings, case, "questions", as_of=NOW + timedelta(hours=1))
    (question,) = read(settings, case.table("bronze", "questions"))
    assert (question["answer_section_id"], question["answer"], question["is_answerable"]) == (None, None, False)
    assert read(settings, case.table("gold", "examples"))[0]["answer"] == DOES_NOT_KNOW


def test_a_persons_answer_brings_its_own_section(settings: Settings, case: UseCase) -> None:
    add_section(settings, "lists#sort", "It sorts in place.")
    feedback_id = give(settings, "a", origin="person", given_by="Bob", correction="Call sort.", section_id="lists#sort")
    bring_in(settings, case, now=NOW)
    accept(settings, case, feedback_id)
    assert read(settings, TABLE)[0]["section_id"] == "lists#sort"


def test_rejected_feedback_becomes_nothing_and_waits_no_more(settings: Settings, case: UseCase) -> None:
    feedback_id = give(settings, "a", rating="down")
    bring_in(settings, case, now=NOW)
    accept(settings, case, feedback_id, decision="reject", reason="a joke")
    assert list_waiting(settings, case) == []
    assert read(settings, case.table("gold", "examples")) == []
    assert append_feed(settings, case, "questions", as_of=NOW + timedelta(hours=1)).rows_written == 0


def test_a_decision_counts_once_and_another_one_is_refused(settings: Settings, case: UseCase) -> None:
    feedback_id = give(settings, "a", rating="down")
    bring_in(settings, case, now=NOW)
    for hours in (1, 2):
        accept(settings, case, feedback_id, section="none", reviewed_at=NOW + timedelta(hours=hours))
    with pytest.raises(ReviewError, match="feedback about-a was decided about before, in other words"):
        accept(settings, case, feedback_id, decision="reject")
    assert [row["reviewed_at"] for row in read(settings, TABLE)] == [NOW + timedelta(hours=1)]
    assert len(read(settings, case.table("gold", "examples"))) == 1


def test_a_question_is_accepted_once_whoever_asked_it(settings: Settings, case: UseCase) -> None:
    first, again = give(settings, "a", rating="down"), give(settings, "b", rating="down", question="How do I sort the list in place")
    bring_in(settings, case, now=NOW)
    for _ in range(2):
        accept(settings, case, first, section="none")
    with pytest.raises(
        ReviewError, match="this question was accepted before, with feedback about-a, and would count twice; DECISION=reject takes it"
    ):
        accept(settings, case, again, section="none")
    accept(settings, case, again, decision="reject")
    assert append_feed(settings, case, "questions", as_of=NOW + timedelta(hours=1)).rows_written == 1


def test_an_example_that_a_killed_process_left_out_is_made_by_the_next(settings: Settings, case: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    feedback_id = give(settings, "a", rating="down")
    bring_in(settings, case, now=NOW)
    with monkeypatch.context() as killed:
        killed.setattr("headrace.llm.reviews.append_examples", _die)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            accept(settings, case, feedback_id, section="none")
    assert read(settings, case.table("gold", "examples")) == []
    bring_in(settings, case, now=NOW + timedelta(hours=2))
    assert len(read(settings, case.table("gold", "examples"))) == 1


def _die(*_: object) -> int:
    raise KeyboardInterrupt("killed")


def test_a_decision_that_cannot_count_is_refused_with_a_sentence(settings: Settings, case: UseCase) -> None:
    feedback_id = give(settings, "a", rating="down")
    bring_in(settings, case, now=NOW)
    refusals: dict[str, dict[str, Any]] = {
        r"a review needs DECISION=accept or reject, a person .*got DECISION='maybe'": {"decision": "maybe"},
        "a review needs DECISION=accept or reject, a person": {"by": " "},
        "and a reason": {"reason": ""},
        "say which section answers it: SECTION=": {"section": None},
        "silver.docs_assistant_sections has no section 'lists#srot'; take an id that the answer cites": {"section": "lists#srot"},
        "there is no feedback 'nothing' about docs_assistant in dev": {"feedback_id": "nothing"},
    }
    for sentence, changes in refusals.items():
        with pytest.raises(ReviewError, match=sentence):
            accept(settings, case, **{"feedback_id": feedback_id, "section": "none"} | changes)
    assert read(settings, TABLE) == []


def test_a_use_case_without_feedback_says_so(settings: Settings, case: UseCase) -> None:
    with pytest.raises(ReviewError, match="docs_assistant takes no feedback: it has no feed feedback; its feeds are questions"):
        bring_in(settings, replace(case, feeds={"questions": lambda rows: rows}), now=NOW)


def test_other_feeds_are_those_of_the_source(settings: Settings, case: UseCase) -> None:
    assert list(case.source.deliveries("documents", after=None, until=NOW)) == []
    assert refine_feedback(
        pl.DataFrame({"given_at": [], "correction": []}, schema={"given_at": pl.Datetime("us", "UTC"), "correction": pl.String})
    ).is_empty()


def test_a_damaged_line_is_named_by_its_place_in_the_file(settings: Settings, case: UseCase) -> None:
    log(log_folder(settings, case.name), answered("a"), answered("b"))
    (path,) = list_segments(log_folder(settings, case.name))
    first, second, *rest = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, second[:-1], *rest]))
    assert list(find_requests(settings, case, ["a/0"])) == ["a/0"]
    with pytest.raises(ServingError, match=f"{path.name}: line 2 is not JSON"):
        find_requests(settings, case, ["b/0"])


def test_a_decision_about_nothing_is_refused(settings: Settings, case: UseCase) -> None:
    with pytest.raises(ReviewError, match="^DECISION and SECTION without FEEDBACK= decides about nothing; make review "):
        review(settings, case, feedback_id=None, decision="accept", section="none", by="Ada", reason="seen")
