"""How instants are written in the names of runs."""

from datetime import UTC, datetime

import pytest

from tasks.naming import format_short


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(2013, 7, 1, tzinfo=UTC), "2013-07-01"),
        (datetime(2013, 7, 1, 6, 30, tzinfo=UTC), "2013-07-01 06:30"),
        (datetime.fromisoformat("2013-07-01T02:00:00+02:00"), "2013-07-01"),
        (datetime(2013, 7, 1), "2013-07-01"),  # noqa: DTZ001 - a person may leave the offset out
    ],
)
def test_an_instant_is_written_without_what_is_zero(instant, expected):
    assert format_short(instant) == expected
