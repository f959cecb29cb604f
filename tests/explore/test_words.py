"""Values as a person reads them."""

from datetime import UTC, date, datetime

import pytest

from headrace.explore.words import LONGEST, format_value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (True, "yes"),
        (336_776, "336,776"),
        (0, "0"),
        (3.0, "3"),
        (0.244677, "0.2447"),
        (-12.5, "-12.5"),
        (1234.567, "1,235"),
        (0.00000012345, "1.23e-07"),
        (float("nan"), "–"),
        (float("inf"), "inf"),
        (datetime(2013, 1, 2, tzinfo=UTC), "2013-01-02"),
        (datetime(2013, 1, 2, 8, 15, tzinfo=UTC), "2013-01-02 08:15"),
        (date(2013, 1, 2), "2013-01-02"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_value_is_written_with_what_counts(value, words):
    assert format_value(value) == words


def test_a_long_text_is_cut_and_shows_it():
    assert format_value("x" * 100) == "x" * (LONGEST - 1) + "…"
