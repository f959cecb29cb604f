"""What groundedness by words sees and what it does not: `make bench-groundedness USE_CASE=docs_assistant`, on the sections in the lake.

Each sentence is held against a section. It stands there; or it is from another section; or it stands there but for a number, a
negation or a third of its long words, and is no longer true. The share that still counts as held is printed by threshold.
"""

import argparse
import random
import re
import sys
from collections.abc import Callable, Iterator

import polars as pl

from benchmarks.verb import run
from headrace import use_case as use_cases
from headrace.lake import tables
from headrace.llm.text_metrics import measure_support, split_sentences
from headrace.settings import Settings
from headrace.use_case import UseCase

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SECTIONS = 1_500
SEED = 3

_VERB = re.compile(r"\b(is|are|can|will|does|may)\b")


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groundedness", description="What groundedness by words sees.")
    parser.add_argument("--use-case", required=True, help="a use case that answers from documents")
    chosen = parser.parse_args()
    return run(lambda settings: measure(settings, use_cases.load_in(settings, chosen.use_case)))


def measure(settings: Settings, case: UseCase) -> None:
    """Print one line per kind of sentence."""
    sections = tables.read(settings, case.silver_table("documents")).sort("section_id").collect()
    supports: dict[str, list[float]] = {}
    for kind, sentence, passage in build_claims(sections.filter(pl.col("text").str.len_chars() > 300)):
        support = measure_support(sentence, [passage])
        if support is not None:
            supports.setdefault(kind, []).append(support)
    print(f"{'held at':<32}{'sentences':>10}" + "".join(f"{threshold:>8}" for threshold in THRESHOLDS))
    for kind, found in supports.items():
        print(f"{kind:<32}{len(found):>10}" + "".join(f"{sum(one >= bar for one in found) / len(found):>8.3f}" for bar in THRESHOLDS))


def build_claims(sections: pl.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Kind of sentence, the sentence, and the text of the section that it is held against."""
    generator = random.Random(SEED)
    sentences = [list_prose(text) for text in sections["text"].to_list()]
    documents: dict[str, list[int]] = {}
    for place, document in enumerate(sections["document_id"].to_list()):
        documents.setdefault(document, []).append(place)
    words = sorted({word for found in sentences for sentence in found for word in sentence.split() if is_long(word)})
    changes: dict[str, Callable[[str], str]] = {
        "with another number": lambda text: re.sub(r"\d", lambda digit: str((int(digit[0]) + generator.randint(1, 9)) % 10), text),
        "with a not put in": lambda text: _VERB.sub(r"\1 not", text, count=1),
        "a third of the long words others": lambda text: replace_words(text, words, generator),
    }
    for place in generator.sample(range(sections.height), min(SECTIONS, sections.height)):
        passage = sections["text"][place]
        beside = [other for other in documents[sections["document_id"][place]] if other != place]
        others = {"from a section beside it": beside, "from any other section": [generator.randrange(sections.height)]}
        for kind, places in others.items():
            found = sentences[generator.choice(places)] if places else []
            if found and found is not sentences[place]:
                yield kind, generator.choice(found), passage
        if sentences[place]:
            own = generator.choice(sentences[place])
            yield "as it stands there", own, passage
            yield from ((kind, changed, passage) for kind, change in changes.items() if (changed := change(own)) != own)


def list_prose(text: str) -> list[str]:
    """Sentences of 8 to 45 words that begin and end as sentences do."""
    flat = (" ".join(sentence.split()) for sentence in split_sentences(text))
    return [sentence for sentence in flat if 8 <= len(sentence.split()) <= 45 and sentence[0].isupper() and sentence.endswith(".")]


def is_long(word: str) -> bool:
    """Whether a word says something of its own."""
    return word.isalpha() and len(word) > 5


def replace_words(sentence: str, words: list[str], generator: random.Random) -> str:
    """The sentence with a third of its long words, at least one, replaced by others of the documents."""
    parts = sentence.split()
    long = [place for place, word in enumerate(parts) if is_long(word)]
    for place in generator.sample(long, max(1, len(long) // 3)) if long else []:
        parts[place] = generator.choice(words)
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
