"""How an answer compares with a true answer, and how much of it the cited passages hold: words only, no model.

What words can see: an answer equal to the truth, a long run of words shared with it (ROUGE-L), a sentence made of words,
numbers and names that its passage does not have. What they cannot see: whether a sentence is true. A `not` that was left out
or put in where another one stands near, one word in five replaced, two names that change places: all of that counts as
supported. A faithful paraphrase in other words counts as not. docs/llm-evaluation.md has how often, measured.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from headrace.llm.common_words import COMMON_WORDS

# Share of a sentence's own words that a passage must hold. Measured on the reference documents; see docs/llm-evaluation.md.
SUPPORT_THRESHOLD = 0.8

# Sentences of a passage that are looked at together: a claim may draw on neighbours. Over a whole passage, words that have nothing
# to do with each other would add up (of sentences from sections beside it 2.8 % were taken for supported, with three sentences 1.2 %).
WINDOW_SENTENCES = 3

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WORD = re.compile(r"\w+(?:\.\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9`])|\n\s*\n|\n\s*(?:[-*+]|\d+[.)])\s+")

NEGATION = "<not>"
_NEGATION = re.compile(r"\b(not|no|never|none|nothing|cannot|without|neither|nor)\b|n['’]t\b", re.IGNORECASE)
_ENDINGS = ("ingly", "edly", "ing", "ies", "ied", "es", "ed", "ly", "s")


@dataclass(frozen=True, kw_only=True)
class Groundedness:
    """How much of an answer its cited passages hold.

    Attributes:
        sentence_count: Sentences of the answer that have a word of their own.
        unsupported: Those that the passages do not hold, in their order.
    """

    sentence_count: int
    unsupported: tuple[str, ...]

    @property
    def supported_fraction(self) -> float | None:
        """Share of the sentences that the passages hold, 0 to 1; None where the answer says nothing."""
        return None if self.sentence_count == 0 else 1 - len(self.unsupported) / self.sentence_count


def normalise(text: str) -> str:
    """Text as exact match compares it: lower case, without punctuation and articles, single spaces (as SQuAD does, Rajpurkar 2016)."""
    lowered = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(" " if unicodedata.category(character)[0] in "PS" else character for character in lowered)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def is_exact_match(answer: str, truth: str) -> bool:
    """Whether two texts are the same words."""
    return normalise(answer) == normalise(truth)


def measure_rouge_l(answer: str, truth: str) -> float:
    """F1 of the longest common subsequence of stemmed words (ROUGE-L, Lin 2004), 0 to 1."""
    # 3.6 CPU-seconds of import, which only an evaluation needs.
    from rouge_score import rouge_scorer

    return float(rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True).score(truth, answer)["rougeL"].fmeasure)


def split_sentences(text: str) -> list[str]:
    """Sentences of prose: at a full stop before a capital, at an empty line, at an item of a list."""
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence and sentence.strip()]


def measure_support(sentence: str, passages: Sequence[str]) -> float | None:
    """Greatest share of the words of a sentence that neighbouring sentences of one passage hold, 0 to 1; None for common words only.

    Numbers, names of code and a negation must be there as they stand, or there is no support at all: `3.11` is not nearly `3.1`.
    """
    return _measure_support(sentence, [window for passage in passages for window in _list_windows(passage)])


def measure_groundedness(answer: str, passages: Sequence[str], *, threshold: float = SUPPORT_THRESHOLD) -> Groundedness:
    """Look for every sentence of an answer in the passages that it cites.

    Args:
        answer: What was answered, without its citation marks.
        passages: Texts that the answer cites; none: nothing is supported.
        threshold: Support from which a sentence counts as held, 0 to 1.
    """
    # Once for all sentences: passages are long, and reading them was most of the time of an answer.
    windows = [window for passage in passages for window in _list_windows(passage)]
    supports = [(sentence, _measure_support(sentence, windows)) for sentence in split_sentences(answer)]
    claims = [(sentence, support) for sentence, support in supports if support is not None]
    return Groundedness(sentence_count=len(claims), unsupported=tuple(sentence for sentence, support in claims if support < threshold))


def list_words(text: str) -> frozenset[str]:
    """The words that tell a text from others: no common ones, endings cut off, numbers and names of code as they stand, and whether it negates."""
    found = {NEGATION} if _NEGATION.search(text) else set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text)):
        # `os.path.join` is a name of its own, and so are its parts: a passage may hold either.
        parts = [word, *word.split(".")] if "." in word and not word[0].isdigit() else [word]
        found |= {part if _is_exact(part) else _cut(part.casefold()) for part in parts if part.casefold() not in COMMON_WORDS}
    return frozenset(found)


def _measure_support(sentence: str, windows: Sequence[frozenset[str]]) -> float | None:
    words = list_words(sentence)
    if not words:
        return None
    exact = {word for word in words if _is_exact(word)}
    return max((len(words & held) / len(words) for held in windows if exact <= held), default=0.0)


def _list_windows(passage: str) -> list[frozenset[str]]:
    """Words of every run of `WINDOW_SENTENCES` sentences."""
    sentences = _list_sentences(passage)
    starts = range(max(1, len(sentences) - WINDOW_SENTENCES + 1))
    return [frozenset().union(*sentences[start : start + WINDOW_SENTENCES]) for start in starts]


# A section that answers one question answers others, and reading it is most of the time of a check.
@lru_cache(maxsize=2048)
def _list_sentences(passage: str) -> tuple[frozenset[str], ...]:
    """Words of each sentence."""
    return tuple(list_words(sentence) for sentence in split_sentences(passage))


def _is_exact(word: str) -> bool:
    return word == NEGATION or any(character.isdigit() or character in "_." for character in word)


def _cut(word: str) -> str:
    """A word without its ending, where three letters are left: `files` and `file` are one word."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending).rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word
