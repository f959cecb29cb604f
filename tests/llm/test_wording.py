"""A model's words are shown only where the cited sections hold them; else quotations are."""

import pytest

from headrace.errors import PromptError
from headrace.llm.wording import judge_wording, read_wording_prompt, says_that_it_does_not_know
from tests.llm.tiny_chain import CHAIN, SECTIONS

QUESTION = "how do i sort a list in place?"
QUOTED = CHAIN.reply(QUESTION)
SYSTEM = "Answer only from the numbered passages and quote the sentence that answers."


def judge(text):
    return judge_wording(CHAIN, QUOTED, SECTIONS, text, system_prompt=SYSTEM)


def test_words_that_the_cited_section_holds_are_shown_with_that_section():
    reply, verdict = judge("Lists have a sort method. [1]")
    assert verdict.passed
    assert (reply.answer, reply.cited) == ("Lists have a sort method. [1]", ("lists#sort",))
    assert (reply.ranked, reply.confidence) == (QUOTED.ranked, QUOTED.confidence)


def test_words_without_a_citation_stand_on_all_sections_that_were_shown():
    reply, verdict = judge("Every key of a dict is hashable.")
    assert verdict.passed
    assert reply.cited == tuple(section.section_id for section in SECTIONS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("Call the moon to sort it. [1]", "sentences are in the cited passages", id="made up"),
        pytest.param("Every key of a dict is hashable. [1]", "sentences are in the cited passages", id="cites another section"),
        pytest.param("Lists have a sort method. Call the moon to sort one. [1]", "50% of its sentences are", id="made up beside what stands"),
        pytest.param("It sorts the list in place. [4]", "cites passage 4 of 3", id="cites what it was not shown"),
        pytest.param("It sorts the list in place. [0]", "cites passage 0 of 3", id="cites passage 0"),
        pytest.param("It sorts the list in place. [1, 7]", "cites passage 7 of 3", id="cites two, one of which it was not shown"),
        pytest.param("I do not know. [1]", "says that it does not know", id="declines"),
        pytest.param("1. sort()\n2. sort()\n3. key [1]", "says nothing of them", id="a list of names"),
        pytest.param("1. [1]\n2. [2]\n3. [3]", "says nothing of them", id="a list of citations"),
        pytest.param("Sort lists [1]", "says nothing of them", id="a heading"),
        pytest.param("[1]", "said nothing", id="only a citation"),
        pytest.param("", "said nothing", id="nothing"),
    ],
)
def test_words_that_do_not_stand_give_way_to_the_quotations(text, reason):
    reply, verdict = judge(text)
    assert not verdict.passed
    assert reason in verdict.reason
    assert reply == QUOTED


@pytest.mark.parametrize(("text", "expected"), [("I do not know.", True), ("I do not know [1].", True), ("You do not know it.", False), ("", False)])
def test_a_model_that_declines_is_heard(text, expected):
    assert says_that_it_does_not_know(text) is expected


def test_a_prompt_that_takes_something_else_than_question_and_passages_words_no_answers():
    assert read_wording_prompt("docs_assistant", "answer_short", quoted=3).name == "answer_short"
    with pytest.raises(PromptError, match=r"answer is missing; passages is not declared.*is given question and up to 3 passages \(title, text\)"):
        read_wording_prompt("docs_assistant", "judge_answer", quoted=3)
    with pytest.raises(PromptError, match="passages has 9 items"):
        read_wording_prompt("docs_assistant", "answer", quoted=9)
