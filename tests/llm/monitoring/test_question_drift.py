"""Drift of questions: seldom called where nothing moved, called where something did, and named by its topics."""

import numpy as np
import pytest

from headrace.llm.monitoring.question_drift import P_VALUES, measure_embedding_shift, measure_question_drift, measure_topic_shift
from headrace.llm.monitoring.topics import as_json, assign_topics, fit_topics, parse_topics

WORDS = ("lists sort reverse", "files open close", "threads lock wait", "classes inherit method")


def draw(count: int, *, seed: int, weights: tuple[float, ...] = (0.25,) * 4) -> tuple[list[str], np.ndarray]:
    """Questions of four topics, their embeddings around four directions."""
    generator = np.random.default_rng(seed)
    topics = generator.choice(4, count, p=weights)
    rows = np.eye(4, 16)[topics] + generator.normal(0, 0.15, (count, 16))
    texts = [f"how do i {' '.join(generator.permutation(WORDS[topic].split())[:2])}" for topic in topics]
    return texts, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_topics_are_few_named_by_telling_words_and_survive_their_file():
    texts, embeddings = draw(80, seed=1)
    topics = fit_topics(texts, embeddings)
    assert (len(topics), sum(topic.question_count for topic in topics)) == (6, 80)
    assert all(set(topic.name.split(", ")) <= {word for words in WORDS for word in words.split()} for topic in topics)
    kept = parse_topics(as_json(topics))
    assert kept == topics == fit_topics(texts, embeddings)
    assert np.bincount(assign_topics(kept, embeddings)).tolist() == [topic.question_count for topic in topics]


def test_questions_without_a_telling_word_are_a_topic_all_the_same():
    (topic,) = fit_topics(["what is it", "who is she"], np.eye(2, 4, dtype=np.float32))
    assert (topic.name, topic.question_count) == ("topic 1", 2)
    # Also beside one that has them.
    rows = np.eye(2, 4, dtype=np.float32)[[0] * 12 + [1] * 12]
    assert {topic.name for topic in fit_topics(["sort lists"] * 12 + ["what is it"] * 12, rows)} == {"lists, sort", "topic 2"}


@pytest.mark.parametrize("test", ["topics", "embeddings"])
def test_where_nothing_moved_one_window_in_twenty_is_below_five_per_cent(test):
    p_values = []
    for seed in range(60):
        (_, window), (texts, reference) = draw(24, seed=seed), draw(60, seed=10_000 + seed)
        if test == "topics":
            topics = fit_topics(texts[:30], reference[:30])
            p_values.append(measure_topic_shift(assign_topics(topics, window), assign_topics(topics, reference), seed=seed))
        else:
            p_values.append(measure_embedding_shift(window, reference, seed=seed))
    # Of 60 windows 3 are expected below 5 %; more than 8 come of a right test once in 200 times (binomial), and 30 on either side of one half.
    assert sum(value < 0.05 for value in p_values) <= 8
    assert 0.3 < np.mean(p_values) < 0.7


def test_a_topic_that_takes_over_is_called_by_both_tests_and_named():
    (texts, reference), (_, window) = draw(80, seed=1), draw(30, seed=2, weights=(0.85, 0.05, 0.05, 0.05))
    figures = measure_question_drift(window, reference, fit_topics(texts, reference), seed=5)
    by_name = {figure.name: figure for figure in figures if figure.slice_column == "all"}
    for name in P_VALUES:
        assert by_name[name].value is not None
        assert by_name[name].value < 0.001
        assert "sort" in str(by_name[name].reason)
    shares = [figure for figure in figures if figure.slice_column == "topic"]
    assert sum(figure.value or 0 for figure in shares) == pytest.approx(1)


def test_new_questions_that_fall_into_old_topics_evenly_are_seen_by_embeddings():
    texts, reference = draw(80, seed=1)
    _, window = draw(30, seed=2)
    moved = window.copy()
    moved[:, 8:] += 0.4
    figures = {figure.name: figure for figure in measure_question_drift(moved, reference, fit_topics(texts, reference), seed=5)}
    assert (figures[P_VALUES[0]].value or 0) > 0.05
    assert (figures[P_VALUES[1]].value or 1) < 0.001


def test_one_question_asked_over_and_over_has_p_values():
    """The median distance is nothing then, and a p-value is never less than one draw of all."""
    (_, reference) = draw(20, seed=1)
    window = np.repeat(reference[:1], 80, axis=0)
    assert measure_embedding_shift(window, reference, seed=5) == 1 / 2_000
    assert measure_embedding_shift(window, window[:40], seed=5) == 1


def test_a_handful_of_questions_is_no_sample():
    texts, reference = draw(80, seed=1)
    topics = fit_topics(texts, reference)
    for count in (0, 9):
        figures = measure_question_drift(reference[:count], reference, topics, seed=5)
        assert [(figure.value, figure.count) for figure in figures if figure.name in P_VALUES] == [(None, 0)] * 2
