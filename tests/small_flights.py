"""The real use case on its declared subset: one airport, three ticks, few trees. Same code, same contracts, same gates."""

from headrace import use_case as use_cases
from headrace.settings import ROOT, load_settings
from headrace.use_case import UseCase


def small_flights() -> UseCase:
    """`flight_delay` as an environment with `subset: true` runs it on its own source."""
    # A home without state: what a person's own says about this machine is nobody else's business.
    settings = load_settings("dev", home=ROOT / "tests", variables={"HEADRACE_SUBSET": "true"})
    return use_cases.load_in(settings, "flight_delay")
