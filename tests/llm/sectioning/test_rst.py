"""reStructuredText as a reader of the published page sees it."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.llm.sectioning import split_document
from headrace.llm.sectioning.rst_inline import read_inline


def split(text):
    return split_document(textwrap.dedent(text).encode(), media_type="text/x-rst", document_id="a.rst")


def read(text):
    sections = split(text)
    return sections[0].text if sections else ""


def test_headings_nest_by_the_order_in_which_their_styles_come():
    sections = split(
        """\
        ****
        Book
        ****

        Preface.

        .. _label:

        Chapter
        =======

        One.

        Part
        ----

        Two.

        Next
        ====

        Three.
        """
    )
    assert [(section.section_id, section.heading_path, section.text) for section in sections] == [
        ("a.rst#book", "Book", "Preface."),
        ("a.rst#label", "Book > Chapter", "One."),
        ("a.rst#part", "Book > Chapter > Part", "Two."),
        ("a.rst#next", "Book > Next", "Three."),
    ]


def test_a_line_of_dashes_between_paragraphs_is_no_heading():
    assert read("One.\n\n--------\n\nTwo.\n") == "One.\n\nTwo."


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (":func:`open` and :meth:`~io.IOBase.close`", "open() and close()"),
        (":class:`!Thing`, :class:`a thing <Thing>`", "Thing, a thing"),
        (":pep:`8`, :rfc:`4180`, :issue:`123`", "PEP 8, RFC 4180, bpo-123"),
        (":ref:`the guide <some-label>` or :ref:`some-label`", "the guide or some label"),
        ("``*args`` is not *args*", "*args is not args"),
        ("**strong** `Link <https://example.org>`__ `other`_ [1]_", "strong Link other [1]"),
        ("2 * 3 * 4, a*b*c, \\*kept\\*", "2 * 3 * 4, a*b*c, *kept*"),
        (":samp:`{name}.py`", "name.py"),
        (":ref:`over two\nlines <label>`", "over two\nlines"),
    ],
)
def test_inline_markup_reads_as_its_text(markup, text):
    assert read_inline(markup) == text


def test_code_is_kept_as_it_is_written():
    text = read("Run::\n\n   def f(*args):\n       return ``1``\n\nThen.\n\n.. code-block:: python\n   :caption: x\n\n   a  =  *b\n\n>>> *c\n")
    assert text == "Run:\n\n   def f(*args):\n       return ``1``\n\nThen.\n\n   a  =  *b\n\n>>> *c"


def test_a_description_has_its_signatures_and_its_text():
    text = read(".. function:: read(path, *, limit)\n              read(file)\n   :module: shop\n\n   Reads *path*.\n\n   .. versionadded:: 3.2\n")
    assert text == "read(path, *, limit)\n              read(file)\n\n   Reads path.\n\n   New in version 3.2:"


def test_notes_say_what_they_are():
    assert read(".. note:: Mind\n   the gap.\n\n.. deprecated-removed:: 3.4 3.12\n\n.. audit-event:: os.chdir path os.chdir\n") == (
        "Note: Mind\n   the gap.\n\nDeprecated since version 3.4, removed in version 3.12:\n\nRaises an auditing event os.chdir."
    )


def test_what_is_written_for_machines_is_dropped_with_all_that_belongs_to_it():
    assert read(
        ":tocdepth: 2\n\n.. index::\n   single: x\n\n.. a comment\n   of two lines\n\n.. _target: https://x\n\n.. toctree::\n\n   a\n\nText.\n"
    ) == ("Text.")


def test_a_directive_that_nobody_knows_loses_nothing():
    assert read(".. unheard-of:: argument\n   :option: x\n\n   Its text.\n") == "argument\n\n   Its text."


def test_tables_keep_their_cells_and_lose_their_lines():
    simple = "====  ====\nName  Size\n====  ====\ntea   *2*\n====  ====\n"
    grid = "+----+----+\n| a  | b  |\n+====+====+\n| c  |    |\n+----+----+\n"
    assert read(simple) == "Name  Size\ntea   2"
    assert read(grid) == "a  b\nc"


def test_a_footnote_is_text():
    assert read(".. [1] As *said*.\n") == "[1] As said."


WORDS = st.sampled_from(["mill", "water mill", "head race gate"])
BLOCKS = st.one_of(
    WORDS.map(lambda words: f"{words}\n"),
    WORDS.map(lambda words: f".. note::\n\n   {words}\n"),
    WORDS.map(lambda words: f"Code::\n\n   {words}\n"),
    WORDS.map(lambda words: f"* {words}\n"),
    WORDS.map(lambda words: f".. method:: {words}\n\n   {words}\n"),
    WORDS.map(lambda words: f"{words}\n{'=' * len(words)}\n"),
)


@given(st.lists(BLOCKS, max_size=8))
def test_no_word_outside_markup_is_lost_or_told_twice(blocks):
    document = "\n".join(blocks)
    sections = split_document(document.encode(), media_type="text/x-rst", document_id="a.rst")
    told = " ".join(section.text for section in sections).split()
    written = [word for block in blocks if "\n==" not in block for word in block.replace(".. note::", "Note:").replace(".. method::", "").split()]
    assert [word.rstrip(":") for word in told if word != "*"] == [word.rstrip(":") for word in written if word != "*"]


@given(st.text(".: =-*`|+<>_\\\nab", max_size=60))
def test_no_text_is_refused(text):
    assert all(section.text.strip() for section in split_document(text.encode(), media_type="text/x-rst", document_id="a.rst"))
