"""Sections are named so that an edit elsewhere in the document leaves them their names."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.sectioning import find_media_type, split_document
from headrace.llm.sectioning.section import Part, build_sections

TITLES = st.text("abc ", min_size=1, max_size=3).filter(str.strip)
PARTS = st.lists(st.builds(Part, level=st.integers(1, 3), title=TITLES, anchor=st.none() | TITLES, text=st.text("xy \n", max_size=5)), max_size=8)


def part(title, text="Text.", *, level=1, anchor=None):
    return Part(level=level, title=title, anchor=anchor, text=text)


def names(*parts):
    return [section.section_id for section in build_sections(parts, document_id="guide.md")]


def test_a_heading_without_text_is_no_section_but_stays_in_the_path():
    sections = build_sections([part("Guide", ""), part("Install", level=2), part("On Linux", level=3)], document_id="guide.md")
    assert [section.heading_path for section in sections] == ["Guide > Install", "Guide > Install > On Linux"]
    assert [section.position for section in sections] == [0, 1]


def test_text_before_the_first_heading_is_named_after_the_document():
    section = build_sections([part("", level=0)], document_id="notes/todo.txt")[0]
    assert (section.section_id, section.title, section.heading_path) == ("notes/todo.txt#beginning", "todo.txt", "todo.txt")


def test_a_section_keeps_its_name_when_others_come_go_or_change():
    before = names(part("Install"), part("Use"), part("Errors"))
    assert names(part("Install"), part("New"), part("Use", "Other words."), part("Errors")) == [before[0], "guide.md#new", *before[1:]]
    assert names(part("Use"), part("Install")) == [before[1], before[0]]


def test_a_repeated_title_is_told_apart_by_the_titles_above():
    found = names(part("Read"), part("Examples", level=2), part("Write"), part("Examples", level=2), part("Examples", level=2))
    assert found == ["guide.md#read", "guide.md#examples", "guide.md#write", "guide.md#write.examples", "guide.md#examples-2"]


def test_the_documents_own_anchor_comes_before_the_titles_words():
    assert names(part("Install it", anchor="setup")) == ["guide.md#setup"]


@given(PARTS)
def test_every_section_has_a_text_and_a_name_of_its_own(parts):
    sections = build_sections(parts, document_id="guide.md")
    assert len({section.section_id for section in sections}) == len(sections) == sum(bool(found.text.strip()) for found in parts)
    assert all(section.text.strip() and section.heading_path.endswith(section.title) for section in sections)


def test_a_file_is_known_by_the_longest_end_of_its_name():
    known = {name: find_media_type(name) for name in ("a.rst.txt", "a.txt", "A.HTML", "a.htm", "a.md", "a.rst")}
    assert known == {
        "a.rst.txt": "text/x-rst",
        "a.txt": "text/plain",
        "A.HTML": "text/html",
        "a.htm": "text/html",
        "a.md": "text/markdown",
        "a.rst": "text/x-rst",
    }
    assert find_media_type("photo.png") is None


def test_a_byte_order_mark_and_other_line_ends_are_no_text():
    content = "\ufeffTitle\r\n=====\r\n\r\nText.\r\n".encode()
    assert [section.text for section in split_document(content, media_type="text/x-rst", document_id="a.rst")] == ["Text."]
