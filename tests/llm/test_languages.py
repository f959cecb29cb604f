"""Languages are told where there is enough prose, and left open where not."""

import pytest

from headrace.llm.languages import find_language
from tests.llm.words import GERMAN

ENGLISH = (
    "The headrace leads the water to the mill. It is dug along the slope, so that the water loses as little of its height as possible on its way."
)
FRENCH = (
    "Le bief amène l'eau jusqu'au moulin. Il suit la pente de la colline, afin que l'eau perde aussi peu de hauteur que possible en chemin. "
    "Au moulin, une vanne règle le débit, et la roue fait tourner les meules pendant toute la saison."
)


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (GERMAN, "de"), (FRENCH, "fr")])
def test_a_paragraph_tells_its_language(text, language):
    assert find_language(text) == language


@pytest.mark.parametrize("text", ["", "Open the file.", "12 34 --- 56", "   def f(x):\n       return x\n" * 30])
def test_what_is_short_or_code_tells_none(text):
    assert find_language(text) is None


def test_code_that_is_not_indented_is_no_foreign_language():
    lines = [f"x{n} = uuid.UUID('{n:08d}-0a0b-0c0d-0e0f')" for n in range(20)]
    assert find_language("\n".join([">>> import uuid", *lines, "UUID a8098c1a f86e 11da bd1a 00112444be1e " * 8])) in (None, "en")


def test_code_does_not_hide_the_language_around_it():
    assert find_language(f"{GERMAN}\n\n>>> print(open('the_file').read())\n   for line in the_lines: pass\n") == "de"
