from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from headrace.monitoring.windows import list_windows

WEEK = timedelta(days=7)
FIRST, LAST = datetime(2013, 4, 1, 5, tzinfo=UTC), datetime(2013, 12, 31, tzinfo=UTC)


def windows(*, after, until):
    return list_windows(first=FIRST, after=after, until=until, length=WEEK, delay=timedelta(days=2))


def test_a_window_is_listed_once_its_last_label_is_due():
    end = datetime(2013, 4, 8, tzinfo=UTC)
    assert windows(after=None, until=end + timedelta(days=2) - timedelta(seconds=1)) == []
    assert windows(after=None, until=end + timedelta(days=2)) == [(datetime(2013, 4, 1, tzinfo=UTC), end)]


def test_windows_of_weeks_begin_on_mondays():
    assert {start.weekday() for start, _ in windows(after=None, until=LAST)} == {0}


@given(st.lists(st.integers(min_value=0, max_value=274 * 24).map(lambda hours: FIRST + timedelta(hours=hours)), max_size=12))
def test_whatever_the_ticks_every_window_is_listed_exactly_once(ticks):
    listed, after = [], None
    for tick in [*sorted(set(ticks)), LAST]:
        listed += windows(after=after, until=tick)
        after = tick
    assert listed == windows(after=None, until=LAST)
