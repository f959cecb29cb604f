"""Run a verb on a use case whose weather lacks a column that its contract promises: `python -m tests.flows.run_broken <verb and its arguments>`."""

import sys
from dataclasses import replace

import use_cases.flight_delay
from flows.__main__ import main
from headrace.source import Source


class WithoutPressure:
    """The flights' own source, with a column of the weather gone."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def deliveries(self, feed, *, after, until):
        found = self.source.deliveries(feed, after=after, until=until)
        return [replace(delivery, read=lambda read=delivery.read: read().drop("pressure", strict=False)) for delivery in found]


if __name__ == "__main__":
    case = use_cases.flight_delay.USE_CASE
    use_cases.flight_delay.USE_CASE = replace(case, source=WithoutPressure(case.source))
    sys.exit(main(sys.argv[1:]))
