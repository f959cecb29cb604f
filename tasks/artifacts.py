"""What people see beside a run in Prefect's pages: one artifact per subject and use case, each run a new version of it.

Artifacts are for looking; no decision reads them. Keys are lower case with dashes: `quality-flight-delay`. They are made where
a server is up: one that lives as long as its run has no pages to look at while it runs, and its time is the run's.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, create_table_artifact, update_progress_artifact

from headrace.console import notes
from headrace.decisions import Decision
from headrace.lake.runs import Step
from headrace.registry.versions import Version
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count


def is_watched() -> bool:
    """Whether this process works for a server that stays, whose pages people look at."""
    return bool(os.environ.get("PREFECT_API_URL"))


def publish_quality(case: UseCase, steps: Mapping[str, Step]) -> None:
    """Show what was expected of each feed and what came."""
    if not is_watched():
        return
    text = f"Feeds of {case.name}: what came, and what its contract let through"
    create_table_artifact(key=_key("quality", case), table=notes.build_quality(steps, reshaped=case.silver), description=text)


def publish_promotion(settings: Settings, case: UseCase, challenger: Version, judged: Decision) -> list[str]:
    """Show a challenger's comparison with its opponent, and its model card.

    Returns:
        Links to both, Markdown; none where nobody watches.
    """
    if not is_watched():
        return []
    comparison = notes.build_comparison(settings, case, challenger, judged)
    card = notes.read_card(settings, challenger)
    number = f"version {challenger.number} of {case.name}"
    shown = {
        "comparison": create_markdown_artifact(key=_key("promotion", case), markdown=comparison, description=f"Comparison of {number}"),
        "model card": create_markdown_artifact(key=_key("model-card", case), markdown=card, description=f"Model card of {number}"),
    }
    return [f"[{name}](/v2/artifacts/artifact/{artifact})" for name, artifact in shown.items()]


def publish_monitoring(settings: Settings, case: UseCase) -> None:
    """Show drift, live performance and how it served, where there is any."""
    if not is_watched():
        return
    found = {
        "drift": notes.build_drift(settings, case),
        "performance": notes.build_performance(settings, case),
        "service": notes.build_service(settings, case),
    }
    for subject, text in found.items():
        if text:
            create_markdown_artifact(key=_key(subject, case), markdown=text, description=text.partition("\n")[0].removeprefix("# "))


def show_progress(case: UseCase, ticks: Sequence[datetime]) -> Iterator[datetime]:
    """Go through the ticks of a run, and show how many are done; a single tick shows itself."""
    is_shown = is_watched() and len(ticks) > 1
    artifact = (
        create_progress_artifact(progress=0.0, key=_key("ticks", case), description=f"{format_count(len(ticks), 'tick')} to run")
        if is_shown
        else None
    )
    for done, tick in enumerate(ticks, start=1):
        yield tick
        if isinstance(artifact, UUID):
            update_progress_artifact(artifact, progress=100.0 * done / len(ticks), description=f"{done} of {len(ticks)} ticks run")


def _key(subject: str, case: UseCase) -> str:
    return f"{subject}-{case.name.replace('_', '-')}"
