"""An evaluation is written once, names what it was made of, and says so where there is no truth."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from headrace.lake import tables
from headrace.llm.evaluation_records import append_evaluation, append_retrieval_evaluation
from headrace.llm.evaluation_sets import EVALUATIONS, HOW_TO_DELIVER, RESULTS, read_evaluation_set
from headrace.settings import Settings, load_settings
from tests.llm.small_index import SmallEmbedder, SmallIndex

TABLE = "silver.toy_questions"
AS_OF = datetime(2023, 3, 2, tzinfo=UTC)
KNOWN = datetime(2023, 3, 1, tzinfo=UTC)
LATER = datetime(2023, 3, 3, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load_settings("dev", home=tmp_path, variables={})


def write_questions(settings: Settings, rows: list[tuple]) -> None:
    schema = {
        "question_id": pl.String,
        "question": pl.String,
        "answer_section_id": pl.String,
        "is_answerable": pl.Boolean,
        "known_at": pl.Datetime("us", "UTC"),
    }
    tables.append(settings, TABLE, pl.DataFrame(rows, schema=schema, orient="row"), batch_id="refine/toy/questions/1")


# Only meaning finds what erases, only words tell that the second kind is about files: a fusion finds both.
QUESTIONS = [
    *((f"delete-{number}", f"erase {number}", "files#1", True, KNOWN) for number in range(6)),
    *((f"list-{number}", f"thread thread open file {number}", "files#2", True, KNOWN) for number in range(6)),
    *((f"moon-{number}", f"how far is the moon {number}", None, False, KNOWN) for number in range(4)),
    ("later", "thread", "threads#1", True, LATER),
    ("unjudged", "thread", None, None, KNOWN),
    ("half-judged", "thread", None, True, KNOWN),
]


def evaluate(settings: Settings):
    questions = read_evaluation_set(settings, TABLE, as_of=AS_OF)
    return append_evaluation(
        settings,
        "toy",
        index=SmallIndex(),
        index_version="7",
        embedder=SmallEmbedder(),
        questions=questions,
        as_of=AS_OF,
        min_answered_fraction=0.9,
    )


def test_only_what_was_known_and_judged_is_a_question_of_the_set(settings):
    write_questions(settings, QUESTIONS)
    found = read_evaluation_set(settings, TABLE, as_of=AS_OF)
    assert (found.truth.height, len(found.unanswerable), found.unjudged_count) == (12, 4, 2)
    assert found.version == tables.read_version(settings, TABLE)


def test_of_questions_in_the_same_words_the_one_known_last_is_asked(settings):
    repeated = ("again", "Erase 0!", "files#2", True, AS_OF)
    write_questions(settings, [*QUESTIONS, repeated])
    found = read_evaluation_set(settings, TABLE, as_of=AS_OF)
    assert found.rows["question_id"].to_list() == sorted(found.rows["question_id"].to_list())
    assert (found.truth.height, found.truth.filter(pl.col("question_id").is_in(["delete-0", "again"])).rows()) == (12, [("again", "files#2")])


def test_an_evaluation_is_written_once_and_names_what_it_was_made_of(settings):
    write_questions(settings, QUESTIONS)
    step = evaluate(settings)
    assert step.decision.passed
    rows = tables.read(settings, EVALUATIONS).collect()
    assert rows["leg"].unique().sort().to_list() == ["bm25", "dense", "rank_fusion", "score_fusion"]
    assert rows.select("index_version", "evaluation_set").unique().rows() == [("7", TABLE)]
    assert rows["evaluation_set_version"].unique().to_list() == [tables.read_version(settings, TABLE)]
    assert {json.loads(config)["depth"] for config in rows["config"]} == {200}
    assert (rows["query_p50_ms"] >= 0).all()
    versions = [tables.read_version(settings, table) for table in (EVALUATIONS, RESULTS)]
    # Milliseconds differ the second time, and are no part of what makes it another evaluation.
    assert evaluate(settings).rows_written == step.rows_written
    assert [tables.read_version(settings, table) for table in (EVALUATIONS, RESULTS)] == versions


def test_every_mean_can_be_traced_to_its_questions(settings):
    write_questions(settings, QUESTIONS)
    evaluate(settings)
    mean = tables.read(settings, EVALUATIONS).filter((pl.col("leg") == "dense") & (pl.col("metric") == "holdout/ndcg_at_10")).collect()
    is_its = (pl.col("subject") == "dense") & (pl.col("split") == "holdout") & (pl.col("metric") == "ndcg_at_10")
    rows = tables.read(settings, RESULTS).filter(is_its).collect()
    assert mean["value"].item() == pytest.approx(rows["value"].mean())
    assert mean["question_count"].item() == rows.height > 0


def test_without_a_known_answer_it_says_what_cannot_be_measured(settings):
    write_questions(settings, [("unjudged", "thread", None, None, KNOWN)])
    step = evaluate(settings)
    assert step.decision.passed
    assert "cannot be measured" in step.decision.reason
    assert HOW_TO_DELIVER in step.decision.reason
    assert tables.read_version(settings, EVALUATIONS) is None


TOY = SimpleNamespace(name="toy", silver_table=lambda feed: f"silver.toy_{feed}", chain_spec=None)


def test_without_an_index_nothing_is_evaluated_and_the_stage_blocks(settings):
    write_questions(settings, QUESTIONS)
    step = append_retrieval_evaluation(settings, TOY, as_of=AS_OF)
    assert not step.decision.passed
    assert "run make index first" in step.decision.reason


def test_without_a_known_answer_no_index_is_asked_for(settings):
    write_questions(settings, [("unjudged", "thread", None, None, KNOWN)])
    assert append_retrieval_evaluation(settings, TOY, as_of=AS_OF).decision.passed
