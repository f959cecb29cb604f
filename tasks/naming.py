"""Names of runs, as people read them in lists: what ran, for which use case, and the instant it stands for."""

from datetime import UTC, datetime

from prefect.runtime import flow_run


def build_run_name() -> str:
    """`promote flight_delay 2013-07-01`; where the instant is left to the clock, `promote flight_delay, scheduled 2026-11-27 05:50`."""
    parameters = flow_run.parameters
    subject = f"{flow_run.flow_name} {parameters.get('use_case')}"
    as_of = parameters.get("as_of")
    if as_of is not None:
        return f"{subject} {format_short(as_of)}"
    return f"{subject}, scheduled {format_short(datetime.fromisoformat(str(flow_run.scheduled_start_time)))}"


def format_short(instant: datetime) -> str:
    """An instant (without an offset: UTC) without what is zero: `2013-07-01`, `2013-07-01 06:30`."""
    utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if (utc.hour, utc.minute, utc.second) == (0, 0, 0) else f"{utc:%Y-%m-%d %H:%M}"
