"""Questions about documents of one's own: two columns are enough, and what they leave out never changes later."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace import use_case as use_cases
from headrace.errors import SourceError
from headrace.lake import tables
from headrace.lake.ingestion import append_feed
from headrace.settings import Settings
from use_cases.docs_assistant.own_questions import ORIGIN

TABLE = "bronze.docs_assistant_questions"


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "landing" / "docs_assistant" / "questions").mkdir(parents=True)
    return settings.model_copy(update={"documents_root": tmp_path, "landing_root": tmp_path / "landing"})


def write(own: Settings, name: str, *lines: str) -> datetime:
    """A file of questions, and when it was there."""
    path = own.landing / "docs_assistant" / "questions" / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=path.stat().st_mtime_ns // 1000)


def ingest(own: Settings, at: datetime) -> dict[str, dict]:
    step = append_feed(own, use_cases.load_in(own, "docs_assistant"), "questions", as_of=at)
    assert step.decision.passed, step.decision.reason
    return {row["question"]: row for row in tables.read(own, TABLE).sort("_ingested_at").collect().to_dicts()}


def test_two_columns_are_enough(own):
    at = write(own, "first.csv", "question,answer_section_id", "What is tea?,tea.md#tea", "Who is king?,")
    rows = ingest(own, at + timedelta(seconds=1))
    tea, king = rows["What is tea?"], rows["Who is king?"]
    assert (tea["answer_section_id"], tea["is_answerable"], tea["origin"]) == ("tea.md#tea", True, ORIGIN)
    assert (king["answer_section_id"], king["is_answerable"]) == (None, False)
    assert {tea["asked_at"], king["asked_at"]} == {at, at - timedelta(hours=1)}
    assert all(row["known_at"] == row["asked_at"] for row in rows.values())


def test_questions_that_come_later_lie_behind_what_was_taken_before_and_those_that_come_again_keep_their_instant(own):
    at = write(own, "first.csv", "question,answer_section_id", "What is tea?,tea.md#tea")
    first = at + timedelta(seconds=1)
    tea = ingest(own, first)["What is tea?"]
    write(own, "second.csv", "question,answer_section_id", "What is tea?,tea.md#leaves", *(f"What is {n}?,tea.md#{n}" for n in range(50)))
    later = ingest(own, first + timedelta(minutes=10))
    assert later["What is tea?"]["asked_at"] == tea["asked_at"]
    assert later["What is tea?"]["answer_section_id"] == "tea.md#leaves"
    new = [row["asked_at"] for question, row in later.items() if question != "What is tea?"]
    assert len(set(new)) == 50
    assert first < min(new) < max(new) <= first + timedelta(minutes=10)


def test_a_new_question_of_a_time_that_is_over_is_refused_with_the_way_out(own):
    at = write(own, "first.csv", "question,answer_section_id", "What is tea?,tea.md#tea")
    ingest(own, at + timedelta(seconds=1))
    write(own, "late.csv", "question,answer_section_id,asked_at", "Who?,a,2020-01-01T00:00:00Z")
    with pytest.raises(SourceError, match=r"late\.csv: 1 new questions have an asked_at until .*; leave the columns asked_at and known_at out"):
        ingest(own, at + timedelta(minutes=1))


def test_a_run_that_goes_on_after_a_kill_makes_the_same_instants(own, tmp_path):
    """Two files ask the same; one run takes both, another dies between them."""
    settings = {name: own.model_copy(update={"home": tmp_path / name}) for name in ("whole", "killed")}
    at = write(own, "first.csv", "question,answer_section_id", "What is tea?,tea.md#tea")
    for each in settings.values():
        ingest(each, at + timedelta(seconds=1))
    until = write(own, "second.csv", "question,answer_section_id", "What is milk?,milk.md#a", "What is rum?,rum.md#a") + timedelta(minutes=1)
    ingest(settings["killed"], until)
    write(own, "third.csv", "question,answer_section_id", "What is rum?,rum.md#b", "What is rye?,rye.md#a")
    for each in settings.values():
        ingest(each, until)
    whole, killed = (tables.read(each, TABLE).sort("_source", "question").collect() for each in settings.values())
    assert whole.height == 5
    assert whole.equals(killed)


@pytest.mark.parametrize("head", ["question", "question;answer_section_id"])
def test_a_file_without_one_of_the_two_is_refused_and_told_that_two_are_enough(own, head):
    at = write(own, "first.csv", head, "What is tea?")
    with pytest.raises(SourceError, match=rf"first\.csv: has the columns {head}; give it question and answer_section_id, separated by commas"):
        ingest(own, at + timedelta(seconds=1))
