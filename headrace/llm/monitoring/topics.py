"""Topics of questions: groups of alike embeddings, found once on the questions that a chain was tuned on, and kept with it.

Later questions are given to the nearest of them, so that the shares of two windows mean the same.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# Groups of fewer questions than this, on average, are chance; more groups than that are read by nobody.
MIN_QUESTIONS_A_TOPIC, MAX_TOPICS = 12, 8

# Words that name a topic: those that set it apart from the others.
_NAMED_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One group of questions.

    Attributes:
        name: Its most telling words.
        centre: Mean of its embeddings.
        question_count: Questions that it was found on.
    """

    name: str
    centre: tuple[float, ...]
    question_count: int


def fit_topics(questions: Sequence[str], embeddings: np.ndarray) -> list[Topic]:
    """Group questions by Ward's method (1963), the largest group first: no seed, no thread, the same groups everywhere.

    Args:
        questions: Their texts, at least one.
        embeddings: Theirs, float32 of shape (questions, dimension), each of length 1.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    count = int(min(MAX_TOPICS, max(1, len(questions) // MIN_QUESTIONS_A_TOPIC)))
    labels = fcluster(linkage(embeddings, method="ward"), count, criterion="maxclust") if count > 1 else np.ones(len(questions), dtype=int)
    # Six digits tell neighbours apart, and another processor gives the same ones.
    centres = np.stack([embeddings[labels == label].mean(axis=0).round(6) for label in np.unique(labels)]).astype(np.float64)
    # A question belongs to the nearest centre, as later ones will.
    nearest = _find_nearest(centres, embeddings)
    sizes, names = np.bincount(nearest, minlength=len(centres)), _name_topics(questions, nearest, len(centres))
    order = sorted(range(len(centres)), key=lambda place: (-sizes[place], names[place]))
    return [Topic(name=names[place], centre=tuple(centres[place].tolist()), question_count=int(sizes[place])) for place in order]


def assign_topics(topics: Sequence[Topic], embeddings: np.ndarray) -> np.ndarray:
    """Place of the nearest topic of each embedding."""
    return _find_nearest(np.asarray([topic.centre for topic in topics]), embeddings)


def as_json(topics: Sequence[Topic]) -> list[dict[str, Any]]:
    """Topics as a chain's folder holds them."""
    return [asdict(topic) for topic in topics]


def parse_topics(content: Sequence[dict[str, Any]]) -> list[Topic]:
    """Topics that a chain's folder holds."""
    return [Topic(name=topic["name"], centre=tuple(topic["centre"]), question_count=topic["question_count"]) for topic in content]


def _find_nearest(centres: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Place of the nearest centre of each embedding, by squared distances less the embedding's own length, which is the same to all."""
    return np.argmin((centres**2).sum(axis=1) - 2 * embeddings @ centres.T, axis=1)


def _name_topics(questions: Sequence[str], labels: np.ndarray, count: int) -> list[str]:
    """The words of each group that are rarest in the others (tf-idf over groups); common words of English are none."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [" ".join(question for question, label in zip(questions, labels, strict=True) if label == place) for place in range(count)]
    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    try:
        weights = vectorizer.fit_transform(texts).toarray()
    except ValueError:
        # Nothing but common words.
        return [f"topic {place + 1}" for place in range(count)]
    words = vectorizer.get_feature_names_out()
    best = [sorted(np.flatnonzero(row), key=lambda word: (-row[word], words[word]))[:_NAMED_WORDS] for row in weights]
    return [", ".join(words[word] for word in found) or f"topic {place + 1}" for place, found in enumerate(best)]
