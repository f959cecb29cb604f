"""The evaluation page shows the held-out half first, with intervals, and says what is not known."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from headrace.console.evaluation import BEGIN, END, render_evaluation, write_evaluation
from headrace.llm.evaluation_records import append_evaluation
from headrace.llm.evaluation_sets import read_evaluation_set
from headrace.settings import Settings, load_settings
from tests.llm.small_index import SmallEmbedder, SmallIndex
from tests.llm.test_evaluation_records import AS_OF, QUESTIONS, TABLE, write_questions

TOY = SimpleNamespace(name="toy", title="What do the toys say?", table=lambda layer, noun: f"{layer}.toy_{noun}")


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load_settings("dev", home=tmp_path, variables={})


def evaluate(settings: Settings, *, index_version: str = "7", as_of: datetime = AS_OF) -> None:
    append_evaluation(
        settings,
        "toy",
        index=SmallIndex(),
        index_version=index_version,
        embedder=SmallEmbedder(),
        questions=read_evaluation_set(settings, TABLE, as_of=as_of),
        as_of=as_of,
        min_answered_fraction=0.9,
    )


def test_every_leg_is_shown_with_its_interval_and_what_it_was_made_of(settings):
    write_questions(settings, QUESTIONS)
    evaluate(settings)
    page = render_evaluation(settings, TOY)
    for leg in ("dense", "BM25", "fusion by ranks", "fusion by tuned scores"):
        assert page.count(f"| {leg} |") >= 2, "once for each half"
    assert f"`{TABLE}` at version" in page
    assert "index 7" in page
    assert "1.000 (1.000 to 1.000)" in page
    assert page.index("which nothing was chosen on, are shown first") < page.index("On the half that the weights were found on")


def test_the_newest_evaluation_is_shown(settings):
    write_questions(settings, QUESTIONS)
    evaluate(settings)
    evaluate(settings, index_version="8", as_of=datetime(2023, 3, 5, tzinfo=UTC))
    assert "index 8" in render_evaluation(settings, TOY)
    assert "index 7" not in render_evaluation(settings, TOY)


def test_without_questions_that_nobody_can_answer_it_says_so(settings):
    write_questions(settings, [row for row in QUESTIONS if row[3]])
    evaluate(settings)
    assert "no question is known to have no answer" in render_evaluation(settings, TOY)


def test_without_an_evaluation_it_says_what_to_do(settings):
    assert "run `make evaluate" in render_evaluation(settings, TOY)
    assert "docs/own-documents.md" in render_evaluation(settings, TOY)


def test_what_a_person_wrote_around_the_table_stays(settings, tmp_path):
    path = tmp_path / "docs" / "toy.md"
    path.parent.mkdir()
    path.write_text(f"# Toy\n\nBefore.\n\n{BEGIN}\nyesterday\n{END}\n\nAfter.\n", encoding="utf-8")
    write_evaluation(settings, TOY, path)
    written = path.read_text(encoding="utf-8")
    assert written.startswith("# Toy\n\nBefore.\n")
    assert written.endswith("\n\nAfter.\n")
    assert "yesterday" not in written
    assert write_evaluation(settings, TOY, path).read_text(encoding="utf-8") == written


def test_a_document_that_is_not_there_is_begun(settings, tmp_path):
    written = write_evaluation(settings, TOY, tmp_path / "toy.md").read_text(encoding="utf-8")
    assert written.startswith("# What do the toys say?\n")
    assert BEGIN in written
