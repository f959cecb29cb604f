"""Build a candidate from what is known and register it as challenger."""

from datetime import datetime

from prefect import task

from headrace.decisions import Decision
from headrace.registry import challengers
from headrace.registry.challengers import Identity
from headrace.registry.versions import Version
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks.assets import publish_model
from tasks.options import COMPUTE, STORE


@task(**STORE)
def identify_candidate(settings: Settings, case: UseCase, *, as_of: datetime) -> Identity:
    """Name the candidate by what would make it: code, table versions, parameters, seed."""
    return challengers.identify(settings, case, as_of=as_of)


@task(**COMPUTE)
def build_candidate(settings: Settings, case: UseCase, identity: Identity) -> Decision:
    """Tune, fit, calibrate, evaluate and explain; blocked when the data do not allow an honest fit."""
    return challengers.build(settings, case, identity)


@task(**STORE)
def register_challenger(settings: Settings, case: UseCase, identity: Identity) -> Version:
    """Register the built candidate, once, and point the alias `challenger` at it."""
    version = challengers.register(settings, case, identity)
    publish_model(settings, case, number=version.number, metadata={"model_id": version.model_id})
    return version
