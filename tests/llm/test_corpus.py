from headrace.llm.corpus import read_current_versions, read_sections
from tests.llm.small_documents import CASE, at, deliver


def texts(settings, day):
    return read_sections(settings, CASE, at(day))["text"].to_list()


def test_the_corpus_at_an_instant_is_the_newest_version_of_what_is_there_then(settings):
    deliver(settings, 1, {"a.md": "one\n\ntwo", "b.md": "three"})
    deliver(settings, 2, {"a.md": "one\n\ntwo changed"})
    deliver(settings, 3, {"b.md": None})
    assert texts(settings, 1) == ["one", "two", "three"]
    assert texts(settings, 2) == ["one", "two changed", "three"]
    assert texts(settings, 3) == ["one", "two changed"]
    assert read_current_versions(settings, CASE, at(3))["document_id"].to_list() == ["a.md"]


def test_a_document_that_comes_back_is_there_again_as_it_was(settings):
    deliver(settings, 1, {"a.md": "one"})
    deliver(settings, 2, {"a.md": None})
    deliver(settings, 3, {"a.md": "one"})
    assert [texts(settings, day) for day in (1, 2, 3)] == [["one"], [], ["one"]]
