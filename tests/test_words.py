"""One is one, and two are two."""

from datetime import timedelta

import pytest

from headrace.words import format_count, format_interval, format_span


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "row", "0 rows"),
        (1, "window", "1 window"),
        (2_400, "row", "2,400 rows"),
        (3, "batch", "3 batches"),
        (2, "delivery", "2 deliveries"),
        (60, "day", "60 days"),
        (1, "judged prediction", "1 judged prediction"),
    ],
)
def test_a_number_has_the_noun_that_belongs_to_it(number, noun, said):
    assert format_count(number, noun) == said


@pytest.mark.parametrize(
    ("span", "told"),
    [(timedelta(days=7), "7 days"), (timedelta(hours=1), "1 hour"), (timedelta(minutes=30), "30 minutes"), (timedelta(), "under a minute")],
)
def test_a_span_is_told_in_its_largest_unit(span, told):
    assert format_span(span) == told


def test_a_figure_stands_before_the_ends_of_its_interval():
    assert format_interval(0.7312, 0.655, 0.8) == "0.731 (0.655 to 0.800)"
    assert format_interval(0.05, -0.1, 0.2, digits=2, is_gain=True) == "+0.05 (-0.10 to +0.20)"
    assert format_interval(None, None, None) == "-"
