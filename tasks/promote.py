"""Judge a challenger, keep the verdict as rows, and let the aliases follow them."""

from datetime import datetime

from prefect import task

from headrace.decisions import Decision
from headrace.registry import candidates, history, promotion, versions
from headrace.registry.versions import Version
from headrace.settings import Settings
from headrace.use_case import UseCase
from tasks import approval
from tasks.options import STORE


@task(**STORE)
def finish_promotions(settings: Settings, case: UseCase) -> None:
    """Move aliases and tags to where the rows say they belong."""
    history.finish_promotions(settings, case)


@task(**STORE)
def read_challenger(settings: Settings, case: UseCase) -> Version | None:
    """The version that waits for a verdict: the one that this run asked a person about, else the challenger; or None."""
    return approval.read_asked(settings, case) or versions.read_alias(settings, case, alias=versions.CHALLENGER)


@task(**STORE)
def read_verdict(settings: Settings, case: UseCase, challenger: Version) -> Decision | None:
    """The verdict that was recorded about the version, or None."""
    return history.read_decision(settings, case, model_id=challenger.model_id)


@task(**STORE)
def decide_order(settings: Settings, case: UseCase, challenger: Version, *, as_of: datetime) -> Decision:
    """Whether the version was built by then, and no decision was made later."""
    return promotion.decide_order(settings, case, challenger, as_of=as_of)


@task(**STORE)
def decide_compliance(settings: Settings, case: UseCase, challenger: Version) -> Decision:
    """Whether the version carries all that its use case and governance ask for."""
    return promotion.decide_compliance(settings, case, challenger)


@task(**STORE)
def decide_comparison(settings: Settings, case: UseCase, challenger: Version, *, as_of: datetime) -> Decision:
    """Whether the version beats its opponent on rows that neither trained on; also a row in `metrics.model_comparisons`."""
    return promotion.decide_comparison(settings, case, challenger, as_of=as_of)


@task(**STORE)
def decide_words(settings: Settings, case: UseCase, challenger: Version, *, as_of: datetime) -> list[Decision]:
    """Whether a new prompt or model says it as well as the champion's; nothing of candidates that say nothing."""
    return candidates.decide_words(settings, case, challenger, as_of=as_of)


@task(**STORE)
def record_verdict(settings: Settings, case: UseCase, challenger: Version, judged: Decision, answered: Decision, *, as_of: datetime) -> Decision:
    """Write the verdict to `metrics.promotions`, with who answered, when and why, and return it."""
    return promotion.record_verdict(settings, case, challenger, judged, as_of=as_of, approval=answered)
