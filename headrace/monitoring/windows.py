"""Fixed windows of time, so that what is measured does not depend on when somebody looks."""

from datetime import UTC, datetime, timedelta

# A Monday: windows of whole weeks begin on Mondays.
EPOCH = datetime(1970, 1, 5, tzinfo=UTC)

Window = tuple[datetime, datetime]


def list_windows(*, first: datetime, after: datetime | None, until: datetime, length: timedelta, delay: timedelta = timedelta(0)) -> list[Window]:
    """Windows `(start, end)` that became complete in `after < end + delay <= until`, oldest first; all instants are UTC, ends are exclusive.

    Args:
        first: Windows before the one that holds this instant are left out.
        after: Instant until which windows were measured before; None: none was.
        until: Instant whose knowledge counts.
        length: Length of a window.
        delay: Time after its end until everything about a window is known.
    """
    start = EPOCH + (first - EPOCH) // length * length
    windows = []
    while start + length + delay <= until:
        if after is None or start + length + delay > after:
            windows.append((start, start + length))
        start += length
    return windows
