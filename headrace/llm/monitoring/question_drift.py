"""Whether questions moved: shares of topics by a chi-square test, and embeddings by their maximum mean discrepancy, both by permutation.

Permutation, because a window holds few questions: the p-value of a table with small cells, or of a distance among hundreds of numbers, is
counted instead of taken from a formula for many. `make bench-question-drift` measures how often both call out where nothing moved.
"""

from collections.abc import Sequence

import numpy as np

from headrace.llm.monitoring.topics import Topic, assign_topics
from headrace.monitoring.figures import Figure, measure_share

# Draws of a permutation test: the least p-value is 1 in 2,000.
PERMUTATIONS = 1_999

# Fewer questions are no sample.
MIN_QUESTIONS = 10

TOPIC = "topic"
P_VALUES = ("questions/topic_p_value", "questions/embedding_p_value")


def measure_question_drift(embeddings: np.ndarray, reference: np.ndarray, topics: Sequence[Topic], *, seed: int) -> list[Figure]:
    """Shares of topics in a window, and p-values of both tests against the reference.

    Args:
        embeddings: Of the window's questions, shape (questions, dimension).
        reference: Of the questions that the topics were found on.
        topics: The topics.
        seed: Makes the permutations reproducible.
    """
    count, found = len(embeddings), assign_topics(topics, embeddings)
    shares = [
        measure_share("questions/topic_fraction", int((found == place).sum()), count, slice_column=TOPIC, slice_value=topic.name)
        for place, topic in enumerate(topics)
    ]
    if count < MIN_QUESTIONS:
        few = f"{count} questions, {MIN_QUESTIONS} are needed"
        return [*shares, *(Figure(name=name, value=None, count=0, reason=few) for name in P_VALUES)]
    before = assign_topics(topics, reference)
    counts = np.bincount(found, minlength=len(topics)), np.bincount(before, minlength=len(topics))
    by_topic, by_embedding = measure_topic_shift(found, before, seed=seed), measure_embedding_shift(embeddings, reference, seed=seed)
    moved = describe_moves(topics, *counts)
    return [
        *shares,
        Figure(name=P_VALUES[0], value=by_topic, count=count, reason=moved),
        Figure(name=P_VALUES[1], value=by_embedding, count=count, reason=f"against {len(reference)} questions; {moved}"),
    ]


def measure_topic_shift(found: np.ndarray, reference: np.ndarray, *, seed: int) -> float:
    """P-value of equal shares: Pearson's chi-square statistic of the table of counts, by permutation.

    Args:
        found: Topic of each question of the window.
        reference: Topic of each question of the reference.
        seed: Makes it reproducible.
    """
    labels = np.concatenate([found, reference])
    expected = np.bincount(labels) * len(found) / len(labels)
    one_hot = np.eye(len(expected))[labels]
    counts = _permute(len(found), len(labels), seed) @ one_hot
    # With both margins fixed, the window's row says all: the statistic is this, times a constant.
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.nansum((counts - expected) ** 2 / expected, axis=1)
    return _p_value(statistics)


def measure_embedding_shift(embeddings: np.ndarray, reference: np.ndarray, *, seed: int) -> float:
    """P-value of one distribution: squared maximum mean discrepancy (Gretton 2012), Gaussian kernel of the median distance, by permutation.

    Args:
        embeddings: Of the window's questions.
        reference: Of the others.
        seed: Makes it reproducible.
    """
    both = np.concatenate([embeddings, reference]).astype(np.float64)
    squared = np.maximum(_square_distances(both), 0.0)
    distances = squared[np.triu_indices(len(both), 1)]
    # Where most questions are one and the same, the median is nothing.
    kernel = np.exp(-squared / (np.median(distances) or distances.mean() or 1.0))
    np.fill_diagonal(kernel, 0.0)
    size, rest = len(embeddings), len(reference)
    chosen = _permute(size, len(both), seed)
    within = ((chosen @ kernel) * chosen).sum(axis=1)
    across = chosen @ kernel.sum(axis=1) - within
    others = kernel.sum() - within - 2 * across
    return _p_value(within / (size * (size - 1)) + others / (rest * (rest - 1)) - 2 * across / (size * rest))


def describe_moves(topics: Sequence[Topic], counts: np.ndarray, before: np.ndarray) -> str:
    """The topic whose share rose most and the one whose share fell most."""
    changes = counts / counts.sum() - before / before.sum()
    most, least = int(np.argmax(changes)), int(np.argmin(changes))
    told = [f"'{topics[place].name}' {before[place] / before.sum():.0%} to {counts[place] / counts.sum():.0%}" for place in (most, least)]
    return f"largest moves of topics: {'; '.join(dict.fromkeys(told))}"


def _permute(size: int, total: int, seed: int) -> np.ndarray:
    """Who belongs to the window: as it was in the first row, by chance in all others. Shape (1 + `PERMUTATIONS`, total)."""
    generator = np.random.default_rng(seed)
    chosen = np.zeros((1 + PERMUTATIONS, total))
    chosen[0, :size] = 1.0
    places = np.argsort(generator.random((PERMUTATIONS, total)), axis=1)[:, :size]
    np.put_along_axis(chosen[1:], places, 1.0, axis=1)
    return chosen


def _square_distances(rows: np.ndarray) -> np.ndarray:
    norms = (rows**2).sum(axis=1)
    return norms[:, None] + norms[None] - 2 * rows @ rows.T


def _p_value(statistics: np.ndarray) -> float:
    """Share of the draws, the real one among them, that are at least as far as the real one."""
    # Sums in another order differ in their last digits.
    return float((statistics >= statistics[0] - 1e-12).mean())
