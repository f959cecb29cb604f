"""The language of a text, as a code of two letters (ISO 639-1)."""

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# Letters below which a text is too short to tell: names of functions then outweigh the words between them.
FEWEST_LETTERS = 100

# Certainty (0 to 1) below which nothing is said. On the 4,390 sections of the reference corpus, all of them English, the surest
# wrong answer has 0.41, and of 3,453 with enough letters 3,431 are told.
LEAST_CERTAINTY = 0.5

# What the classifier (and ISO 639-2) calls text of no language, such as code.
_NO_LANGUAGE = "zxx"

# What is looked at: the first words of the first lines. More takes time and changes no answer on that corpus.
_READ_CHARACTERS, _JUDGED_CHARACTERS = 4000, 500

# Lines of code say nothing about the language around them: they are indented or follow a prompt.
_CODE = re.compile(r"(?m)^( {3,}|\t|>>>|\.\.\. ).*$|[\w.]*[_./\\()=<>{}\[\]][\w./\\()=<>{}\[\]]*")


def find_language(text: str) -> str | None:
    """The language that a text is written in; None where it is too short, mostly code, or of no language in particular."""
    prose = " ".join(_CODE.sub(" ", text[:_READ_CHARACTERS]).split())[:_JUDGED_CHARACTERS]
    if sum(map(str.isalpha, prose)) < FEWEST_LETTERS:
        return None
    language, certainty = _load_identifier().classify(prose)
    return str(language) if certainty >= LEAST_CERTAINTY and language != _NO_LANGUAGE else None


@cache
def _load_identifier() -> LanguageIdentifier:
    """The classifier with certainties between 0 and 1; its weights come with the package."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
