"""The chat page and the queue, as a person uses them: in a real browser, against a real server, on the width of a phone too."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from headrace.serving.feedback_log import read_feedback
from tests.browser.chromium import Browser, browsing, find_chromium
from tests.llm.chat_server import run_process
from tests.serving.assistant_server import AssistantServer, running
from tests.serving.tiny_assistant import ASSISTANT, MARKUP

# A browser is no package of ours. Where there is none the report names these tests as skipped; nothing takes its place.
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium here; install it to look at the pages"),
]

ANSWERED = "document.querySelectorAll('.feedback').length === {}"
# A browser gives the field its focus a moment after the page is loaded; what is typed before goes nowhere.
FOCUSED = "document.activeElement.id === 'question'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssistantServer]:
    with running(tmp_path_factory.mktemp("assistant")) as found:
        yield found


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path / "profile") as found:
        yield found


def ask(browser: Browser, question: str, *, turn: int = 1) -> None:
    """Ask by keyboard; the field has the focus when the page is open and after each answer."""
    browser.wait(FOCUSED)
    browser.type(question)
    browser.press("Enter")
    browser.wait(ANSWERED.format(turn))


def feedback(server: AssistantServer) -> pl.DataFrame:
    return read_feedback(server.settings, ASSISTANT, where=pl.lit(True))


def test_an_answer_is_shown_with_quotations_sources_and_how_sure_it_is(server: AssistantServer, browser: Browser, tmp_path: Path) -> None:
    browser.resize(width=1000, height=800)
    browser.open(server.url)
    ask(browser, "how do i sort a list in place?")
    assert browser.run("document.querySelector('.asked').textContent") == "how do i sort a list in place?"
    assert browser.run("document.querySelector('blockquote').textContent") == "Lists have a sort method. It sorts the list in place."
    assert browser.run("document.querySelector('.source').textContent") == "Lists > Sorting"
    assert "of 100 such cases" in browser.run("document.querySelector('.answer').innerText")
    # An answer that is its quotations is not shown twice.
    assert browser.run("document.querySelector('.said')") is None
    ask(browser, "zebras", turn=2)
    assert browser.run("document.querySelectorAll('.said')[0].textContent") == "I do not know: the documents do not say."
    browser.picture(tmp_path / "chat.png")
    assert browser.complaints == []


def test_a_models_words_are_asked_for_by_a_box_and_told_apart_from_quotations(tmp_path: Path, browser: Browser) -> None:
    text = "It sorts the list in place. [1]"
    with run_process(text) as (address, model), running(tmp_path / "home", {"kind": "openai", "model": "other", "address": address}) as server:
        browser.resize(width=1000, height=800)
        browser.open(server.url)
        ask(browser, "how do i sort a list in place?")
        assert browser.run("document.querySelector('.whose').textContent") == "Quoted, word for word:"
        browser.run("document.querySelector('#words').click(); document.querySelector('#question').focus()")
        ask(browser, "how do i sort a list in place?", turn=2)
        assert browser.run("document.querySelector('.said').textContent").strip() == text
        assert browser.run("document.querySelectorAll('.whose')[1].textContent") == "In the model's words. What they rest on, quoted word for word:"
        model.kill()
        ask(browser, "how do i sort a list in place?", turn=3)
        told = "Quoted, word for word. The model's words are not shown: the model gave no whole answer in time."
        assert browser.run("document.querySelectorAll('.whose')[2].textContent") == told
        assert browser.run("document.querySelectorAll('.said').length") == 1
        browser.picture(tmp_path / "words.png")
        browser.resize(width=360, height=740)
        assert browser.run("document.documentElement.scrollWidth") <= 360
        browser.picture(tmp_path / "words-phone.png")
        assert browser.complaints == []


def test_markup_in_a_document_and_in_a_question_shows_as_text_and_runs_nothing(server: AssistantServer, browser: Browser) -> None:
    browser.open(server.url)
    ask(browser, f"what does the script say? {MARKUP}")
    # A quotation is a part of the document, so it may leave an end off.
    shown = browser.run("document.querySelector('blockquote').textContent")
    assert shown.startswith("<script>")
    assert shown in MARKUP
    assert browser.run("document.querySelector('.source').textContent") == f"Evil > {MARKUP}"
    assert browser.run("document.querySelectorAll('#turns script, #turns img, #turns b').length") == 0
    assert browser.run("document.title") == ASSISTANT.title
    assert browser.complaints == []


def test_a_script_that_got_into_the_page_all_the_same_would_not_run(server: AssistantServer, browser: Browser) -> None:
    browser.open(server.url)
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"document.title = 1\">')")
    browser.run("new Promise((done) => setTimeout(done, 200))")
    assert browser.run("document.title") == ASSISTANT.title
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


def test_thumbs_corrections_and_the_wish_for_a_person_are_taken_and_a_person_answers(
    server: AssistantServer, browser: Browser, tmp_path: Path
) -> None:
    browser.open(server.url)
    ask(browser, "every key of a dict")
    before = feedback(server).height
    browser.run("document.querySelector('.feedback button[aria-label*=bad]').click()")
    browser.wait("document.querySelector('.feedback button[aria-label*=bad]').getAttribute('aria-pressed') === 'true'")
    browser.run("document.querySelector('details').open = true; document.querySelector('details textarea').focus()")
    browser.type("Keys are hashable <b>objects</b>.")
    browser.run("document.querySelector('details form').requestSubmit()")
    browser.wait("document.querySelector('.feedback [role=status]').textContent.includes('looked at')")
    # What had the focus is hidden now; who has no mouse goes on from the same answer.
    assert browser.run("document.activeElement.textContent") == "Correct it"
    browser.run("[...document.querySelectorAll('.feedback button')].find((button) => button.textContent === 'Ask a person').click()")
    browser.wait("document.querySelector('.feedback [role=status]').textContent.includes('A person will see')")
    rows = feedback(server).tail(3)
    assert feedback(server).height == before + 3
    assert rows.select("rating", "correction", "is_person_asked").rows() == [
        ("down", None, False),
        ("down", "Keys are hashable <b>objects</b>.", False),
        (None, None, True),
    ]

    browser.open(f"{server.url}/queue")
    browser.wait("document.querySelector('#state').textContent === '1 question waits.'")
    browser.picture(tmp_path / "queue.png")
    browser.run("document.querySelector('#answer-0').focus()")
    browser.type("A key must be hashable.")
    browser.run("document.querySelector('form').requestSubmit()")
    browser.wait("document.querySelector('.problem').textContent === 'say who you are, above'")
    browser.run("document.querySelector('#name').focus()")
    browser.type("Ada")
    browser.run("document.querySelector('form').requestSubmit()")
    browser.wait("document.querySelector('#state').textContent === 'No question waits.'")
    (answer,) = feedback(server).filter(pl.col("origin") == "person").to_dicts()
    assert (answer["given_by"], answer["correction"]) == ("Ada", "A key must be hashable.")
    assert browser.complaints == []


def test_the_page_fits_a_phone_and_is_used_by_keyboard_alone(server: AssistantServer, browser: Browser, tmp_path: Path) -> None:
    browser.resize(width=360, height=740)
    browser.open(server.url)
    ask(browser, f"what does the script say? {'x' * 300}")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    assert browser.run("Math.min(...[...document.querySelectorAll('button')].map((button) => button.offsetHeight))") >= 44
    # From the first button of the answer on, each is reached by Tab and pressed by Space.
    browser.run("document.querySelector('.feedback button').focus()")
    browser.press("Tab")
    assert "bad" in browser.run("document.activeElement.getAttribute('aria-label')")
    browser.press("Space")
    browser.wait("document.activeElement.getAttribute('aria-pressed') === 'true'")
    browser.press("Tab")
    assert browser.run("document.activeElement.textContent") == "Ask a person"
    browser.press("Tab")
    assert browser.run("document.activeElement.tagName") == "SUMMARY"
    browser.press("Enter")
    assert browser.run("document.querySelector('details').open")
    browser.picture(tmp_path / "phone.png")


def test_what_goes_wrong_is_said_and_the_question_is_kept(server: AssistantServer, browser: Browser) -> None:
    browser.open(server.url)
    browser.wait(FOCUSED)
    browser.type("sort a list")
    browser.run("window.fetch = () => Promise.reject(new TypeError('offline'))")
    browser.press("Enter")
    browser.wait("document.querySelector('#problem').textContent === 'the server does not answer; try again in a moment'")
    assert browser.run("document.querySelector('#question').value") == "sort a list"
