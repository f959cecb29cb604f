"""A judge is listened to only where its agreement with labels was measured and is enough: each way of not knowing keeps it silent."""

import pytest

from headrace.console.prompts_table import render_prompts
from headrace.lake import tables
from headrace.llm import judging, wording_promotion
from headrace.llm.agreement import GATE, decide_judge, measure_agreement
from headrace.llm.judging import append_grades
from headrace.llm.model_calls import TABLE as CALLS
from headrace.llm.rubric_grades import GRADES, measure_judge, read_trusted_grades
from headrace.llm.rubrics import read_rubrics
from headrace.registry import versions
from headrace.settings import Settings
from tests.llm import chat_server
from tests.llm.tiny_chain import SECTIONS
from tests.llm.worded_chains import BEGIN, HOUR, append_words, build_case, build_settings, change_prompt, promote, register_chain, write_questions
from tests.llm.worded_rows import worded_rows

NOW = BEGIN + 48 * HOUR
PROMPT, OTHER = change_prompt(), change_prompt(system="You answer at length.")
CASE = build_case(floors={"worded/question_count": 8, "worded/rubric_answers_the_question": 0.5})
[RUBRIC] = [rubric for rubric in read_rubrics("docs_assistant") if rubric.name == "answers_the_question"]
BOTH = [1.0, 0.0] * 30
ASKED = [(f"question-{number:03}", f"{SECTIONS[number % 3].text[:20]}... ({number})?", SECTIONS[number % 3].section_id) for number in range(30)]


@pytest.mark.parametrize(
    ("labels", "grades", "reason"),
    [
        pytest.param(BOTH, [1.0] * 60, "kappa 0.00 (0.00 to 0.00) on 60 labels, is not surely 0.4", id="always yes"),
        pytest.param(BOTH, [0.0, 1.0] * 30, "is not surely 0.4", id="always wrong"),
        pytest.param(BOTH, [1.0, 0.0] * 22 + [0.0, 1.0] * 8, "kappa 0.47", id="better than the bar, but not surely"),
        pytest.param(BOTH[:58], BOTH[:58], "on 58 of the 60 that it needs", id="too few labels"),
        pytest.param([], [], "on 0 of the 60", id="no labels"),
        pytest.param([1.0] * 60, [1.0] * 60, "say nearly one thing only", id="labels of one kind"),
        pytest.param([0.0, *[1.0] * 59], [0.0, *[1.0] * 59], "say nearly one thing only", id="one label of the other kind"),
    ],
)
def test_a_judge_blocks(labels, grades, reason):
    decision = decide_judge(measure_agreement(labels, grades, seed=1), min_kappa=0.4, least_labels=60)
    assert (decision.gate, decision.passed) == (GATE, False)
    assert reason in decision.reason


def test_a_judge_that_agrees_passes_and_no_judge_passes_a_bar_that_is_no_number():
    agreement = measure_agreement(BOTH, [*BOTH[:-1], 1.0], seed=1)
    assert decide_judge(agreement, min_kappa=0.4, least_labels=60).passed
    assert not decide_judge(agreement, min_kappa=float("nan"), least_labels=60).passed


@pytest.fixture
def world(tmp_path, empty_registry, monkeypatch):
    """A champion and a challenger whose answers are there, one rubric with a judge, and the server that is the judge."""
    for module in (judging, wording_promotion):
        monkeypatch.setattr(module, "read_rubrics", lambda name: [RUBRIC])
    with chat_server.run(chat_server.answer('"yes"')) as server:
        settings = build_settings(tmp_path, empty_registry, address=server.address)
        write_questions(settings, CASE, ASKED)
        for name, prompt in (("old", PROMPT), ("new", OTHER)):
            version = register_chain(settings, CASE, tmp_path / name / versions.CANDIDATE_FOLDER, prompt=prompt, model_id=name)
            append_words(settings, CASE, version, prompt, worded_rows(count=10))
            if name == "old":
                promote(settings, CASE, version)
        yield settings, server


def knows(server: chat_server.ChatServer) -> chat_server.Reply:
    """A judge who can tell: it says yes where the answer begins as the question does."""

    def reply(handler):
        asked = server.bodies[-1]["messages"][-1]["content"]
        question, answer = asked.removeprefix("Question: ").split("\n\nAnswer: ")
        chat_server.answer('"yes"' if answer.startswith(question[:10]) else '"no"')(handler)

    return reply


def judge(settings: Settings):
    return append_grades(settings, CASE, as_of=NOW, with_judges=True)


def decide(settings: Settings):
    return wording_promotion.decide(settings, CASE, versions.read_alias(settings, CASE, alias=versions.CHALLENGER), as_of=NOW)


@pytest.mark.long
def test_a_judge_that_does_not_agree_is_neither_shown_nor_used_nor_asked_about_answers(world):
    settings, server = world
    step = judge(settings)
    assert "the judge is not listened to, its agreement with labels, kappa 0.00 (0.00 to 0.00) on 60 labels" in step.decision.reason
    assert len(server.bodies) == 60
    assert read_trusted_grades(settings, CASE, RUBRIC) is None
    assert "not shown" in render_prompts(settings, CASE)
    blocked = decide(settings)
    assert not blocked.passed
    assert "worded/rubric_answers_the_question (missing) is below 0.5" in blocked.reason


@pytest.mark.long
def test_a_judge_that_agrees_is_shown_with_its_agreement_and_used_and_asked_once(world):
    settings, server = world
    server.replies[:] = [knows(server)]
    judge(settings)
    assert measure_judge(settings, CASE, RUBRIC, RUBRIC.judge)[0].kappa.value == 1.0
    assert len(server.bodies) == 80
    rows = tables.read(settings, GRADES).collect()
    assert (
        rows.filter(rows["subject_kind"] == "answer")
        .select("subject", "grade")
        .sort("subject")
        .equals(read_trusted_grades(settings, CASE, RUBRIC).sort("subject"))
    )
    # None of the answers begins as its question does, and the judge says so.
    assert "is below 0.5" in decide(settings).reason
    assert "0 is below" in decide(settings).reason
    assert "kappa 1.00 (1.00 to 1.00) on 60 labels" in render_prompts(settings, CASE)
    judge(settings)
    assert (len(server.bodies), tables.read(settings, GRADES).collect().height) == (80, 80)


def test_without_a_measurement_no_judge_is_listened_to(world):
    settings, server = world
    assert read_trusted_grades(settings, CASE, RUBRIC) is None
    assert not decide(settings).passed
    # Rules alone grade in a tick of the lifecycle.
    append_grades(settings, CASE, as_of=NOW, with_judges=False)
    assert server.bodies == []


@pytest.mark.long
def test_another_model_behind_the_alias_is_another_judge(world):
    settings, server = world
    server.replies[:] = [knows(server)]
    judge(settings)
    models = {"chat": {"kind": "openai", "model": "larger", "address": server.address}}
    moved = Settings.model_validate({**settings.model_dump(), "language_models": models})
    assert read_trusted_grades(settings, CASE, RUBRIC) is not None
    assert read_trusted_grades(moved, CASE, RUBRIC) is None


@pytest.mark.long
def test_a_judge_who_says_neither_yes_nor_no_has_no_agreement(world):
    settings, server = world
    server.replies[:] = [chat_server.answer("Well, it depends.")]
    assert "on 0 of the 60 that it needs" in judge(settings).decision.reason


@pytest.mark.long
def test_a_judge_that_fails_in_the_middle_is_asked_the_rest_and_each_label_once(world):
    settings, server = world
    server.replies[:] = [*[chat_server.answer('"yes"')] * 6, chat_server.status(400, {"error": {"message": "no"}}), chat_server.answer('"yes"')]
    assert not judge(settings).decision.passed
    assert tables.read(settings, GRADES).collect().height == 6
    # The call that failed may have to be paid for too.
    assert tables.read(settings, CALLS).collect()["status"].value_counts().sort("status").rows() == [("answered", 6), ("failed", 1)]
    judge(settings)
    rows = tables.read(settings, GRADES).collect()
    assert (rows.height, rows["subject"].n_unique()) == (60, 60)
