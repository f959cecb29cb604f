"""Rubrics are data: what is wrong in a file is named, and rules grade each answer once, without a model."""

import polars as pl
import pytest

from headrace.errors import ModelError, PromptError
from headrace.lake import tables
from headrace.lake.runs import build_row
from headrace.llm.judge_labels import pair_answers, parse_labels, read_labels
from headrace.llm.judging import append_grades
from headrace.llm.rubric_grades import GRADES
from headrace.llm.rubric_rules import grade_grounded, grade_silence
from headrace.llm.rubrics import read_rubrics
from tests.llm.worded_chains import BEGIN, build_case
from tests.llm.worded_rows import worded_rows

CASE = build_case()
RULE = "name: {name}\nquestion: Is it so?\napplies_to: all\n"


def write(folder, text, *, name="so"):
    path = folder / "toy" / "rubrics" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_rubrics_of_the_assistant_can_be_read_and_another_bar_is_another_version():
    found = {rubric.name: rubric for rubric in read_rubrics("docs_assistant")}
    assert {name for name, rubric in found.items() if rubric.judge is None} == {"stands_in_the_sources", "knows_its_limits"}
    judged = found["answers_the_question"]
    stricter = judged.model_copy(update={"judge": judged.judge.model_copy(update={"min_kappa": 0.6})})
    assert stricter.version != judged.version


@pytest.mark.parametrize(
    ("text", "match"),
    [
        pytest.param(RULE.format(name="so"), "is graded by a rule or by a judge", id="no grader"),
        pytest.param(RULE.format(name="so") + "rule: applause\n", "rule: Input should be", id="an unknown rule"),
        pytest.param(RULE.format(name="other") + "rule: grounded\n", "calls itself 'other'", id="another name"),
        pytest.param("name: [", "is not YAML", id="no YAML"),
    ],
)
def test_a_rubric_that_is_wrong_is_refused_by_name(tmp_path, text, match):
    write(tmp_path, text)
    with pytest.raises(PromptError, match=match):
        read_rubrics("toy", folder=tmp_path)


def test_rules_grade_what_the_reader_is_told():
    answered = {"is_answered": True, "is_worded": True, "grounded_fraction": 0.5, "true_section_cited": False}
    assert grade_grounded(answered) == 0.5
    assert grade_grounded(answered | {"is_worded": False}) == 1.0
    silent = answered | {"is_answered": False}
    assert grade_grounded(silent) is None
    assert (grade_silence(answered), grade_silence(silent)) == (1.0, 0.0)
    # Nobody knows a section: to be silent is right.
    assert (grade_silence(answered | {"true_section_cited": None}), grade_silence(silent | {"true_section_cited": None})) == (0.0, 1.0)


def test_rules_grade_each_answer_once_and_ask_nobody(settings):
    tables.append(settings, CASE.table("inference", "worded_answers"), worded_rows(count=4), batch_id="test/docs_assistant/a/1")
    # Those of another version of a rubric are not this run's.
    old = {"use_case": CASE.name, "rubric": "so", "rubric_version": "1", "grader": "rule so", "subject_kind": "answer", "subject": "a"}
    old |= {"graded_at": BEGIN}
    tables.append(settings, GRADES, build_row(GRADES, old), batch_id="test/docs_assistant/old/1")
    steps = [append_grades(settings, CASE, as_of=BEGIN, with_judges=False) for _ in range(2)]
    assert [(step.decision.passed, step.rows_written) for step in steps] == [(True, 8)] * 2
    rows = tables.read(settings, GRADES).filter(pl.col("rubric") != "so").collect()
    assert (rows.height, rows["subject"].n_unique(), rows["grader"].n_unique()) == (8, 4, 2)


def test_labels_of_known_answers_are_as_many_of_either_kind():
    questions = pl.DataFrame({"question_id": ["b", "a", "c"], "question": ["B?", "A?", "C?"], "answer": ["b", "a", "c"]})
    labels = pair_answers(questions, count=4)
    assert [(found.label_id, found.question, found.answer, found.label) for found in labels] == [
        ("a-own", "A?", "a", 1.0), ("a-other", "A?", "b", 0.0), ("b-own", "B?", "b", 1.0), ("b-other", "B?", "a", 0.0),
    ]  # fmt: skip
    # A judge that needs an odd number of labels would otherwise never have enough.
    assert len(pair_answers(questions, count=5)) == 5


def test_published_labels_keep_their_order_whatever_the_file_s_and_count_once():
    rows = ["q1,said,1,text", "q2,other,0,text", "q1,said,1,text"]
    head = "# a comment\nobjective,assistant_response,human_score,data_type\n"
    found = parse_labels(head + "\n".join(rows), name="toy", count=9)
    assert found == parse_labels(head + "\n".join(reversed(rows)), name="toy", count=9)
    assert sorted((label.question, label.label) for label in found) == [("q1", 1.0), ("q2", 0.0)]
    # A comment stands above all rows; in an answer it is a heading.
    (headed,) = parse_labels(head + 'q3,"first\n# second",1,text', name="toy", count=9)
    assert headed.answer == "first\n# second"


def test_what_is_no_set_of_labels_is_refused_before_it_is_fetched(settings):
    with pytest.raises(ModelError, match="all-minilm-l6-v2 of the model hub is of kind embedder, and a judge is held against labels"):
        read_labels(settings, CASE, "all-minilm-l6-v2", as_of=BEGIN, count=10)
