"""Quote a passage: the sentences of it that share most with the question, word for word.

A quotation is a part of the passage, to the letter; nothing is worded anew, so nothing can be made up.
"""

import re

# A sentence ends at its stop, at a colon that ends its line, at an empty line, or at a line break before a list item or code. A colon within a
# line ends nothing: `input("To: ")` would be cut in two.
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=:)[ \t]*\n\s*|\n\s*\n|\n(?=\s*(?:[-*]|\d+\.|>>>)\s)")
_WORD = re.compile(r"[a-z0-9_]+")

# Words that every question has say nothing about which sentence answers it.
# fmt: off
_COMMON = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i", "if", "in", "is", "it", "me", "my",
    "of", "on", "or", "should", "that", "the", "there", "this", "to", "what", "when", "where", "which", "why", "with", "you",
})
# fmt: on

# About what a person reads at a glance: three lines.
MAX_CHARACTERS = 320


def choose_quotation(question: str, text: str, *, max_characters: int = MAX_CHARACTERS) -> str:
    """The run of neighbouring sentences, at most so long, that shares most words with the question; the first one where none shares any.

    Args:
        question: What was asked.
        text: The passage.
        max_characters: Most characters of the quotation; a single sentence that is longer is cut at a word.

    Returns:
        A part of `text`, without white space around it; empty where the text is.
    """
    spans = _list_sentences(text)
    if not spans:
        return ""
    asked = _words(question)
    best = max(range(len(spans)), key=lambda place: (_score(asked, text, spans, place, max_characters), -place))
    start, end = _run(spans, best, max_characters)
    return _cut(text[start:end], max_characters)


def _list_sentences(text: str) -> list[tuple[int, int]]:
    """Where each sentence begins and ends, white space left out."""
    ends = [(match.start(), match.end()) for match in _SENTENCE_END.finditer(text)]
    starts = [0, *(after for _, after in ends)]
    stops = [*(before for before, _ in ends), len(text)]
    found = []
    for start, stop in zip(starts, stops, strict=True):
        piece = text[start:stop]
        if piece.strip():
            found.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return found


def _run(spans: list[tuple[int, int]], first: int, max_characters: int) -> tuple[int, int]:
    """The sentences from one on that fit together."""
    start, end = spans[first]
    for _, stop in spans[first + 1 :]:
        if stop - start > max_characters:
            break
        end = stop
    return start, end


def _score(asked: frozenset[str], text: str, spans: list[tuple[int, int]], first: int, max_characters: int) -> int:
    start, end = _run(spans, first, max_characters)
    return len(asked & _words(text[start : min(end, start + max_characters)]))


def _cut(quotation: str, max_characters: int) -> str:
    if len(quotation) <= max_characters:
        return quotation
    at = quotation.rfind(" ", 0, max_characters)
    return quotation[: at if at > 0 else max_characters].rstrip()


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _COMMON
