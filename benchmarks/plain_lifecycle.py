"""The lifecycle as a plain script: the same library functions in the same order, without Prefect. The peer of `bench-lifecycle`.

It is what a careful person would write in one file: a loop over the ticks, a call per step. It writes the same tables.
"""

import argparse
from collections.abc import Callable, Sequence
from datetime import datetime

from headrace import process
from headrace import use_case as use_cases
from headrace.console import story
from headrace.console.summary import summarize
from headrace.decisions import Decision, decide_all, passed
from headrace.features import refresh
from headrace.lake import ingestion, refinement, runs
from headrace.lake.runs import Step
from headrace.monitoring import recording
from headrace.registry import challengers, history, promotion, scoring, versions
from headrace.serving.drain import drain
from headrace.settings import Settings, load_settings
from headrace.use_case import UseCase


def main() -> None:
    """Run every tick of the replay and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use-case", default="flight_delay")
    settings = load_settings()
    case = use_cases.load_in(settings, parser.parse_args().use_case)
    process.prepare(settings)
    process.start_logging(settings, name="plain_lifecycle")
    for tick in case.replay.ticks:
        run_tick(settings, case, tick)
    story.write_story(settings, case)
    print(summarize(settings, case))


def run_tick(settings: Settings, case: UseCase, tick: datetime) -> None:
    """All stages of one instant."""
    _stage(settings, case, "ingest", tick, lambda: [ingestion.append_feed(settings, case, feed, as_of=tick) for feed in case.feeds])
    _stage(settings, case, "refine", tick, lambda: [refinement.refine_feed(settings, case, feed, as_of=tick) for feed in case.feeds])
    _stage(settings, case, "featurize", tick, lambda: _featurize(settings, case, tick))
    _stage(settings, case, "score", tick, lambda: [scoring.append_predictions(settings, case, as_of=tick)])
    _stage(settings, case, "monitor", tick, lambda: _monitor(settings, case, tick))
    _retrain(settings, case, tick)
    runs.record_tick(settings, case.name, tick)


def _stage(settings: Settings, case: UseCase, name: str, tick: datetime, work: Callable[[], Sequence[Step]]) -> None:
    run = runs.begin(settings, case.name, name, as_of=tick)
    if run.is_finished:
        return
    steps = work()
    decisions = [step.decision for step in steps]
    verdict = decide_all(name, decisions) if len(decisions) != 1 else decisions[0]
    _finish(settings, run, verdict, steps)
    if not verdict.passed:
        raise SystemExit(f"{name} blocked: {verdict.reason}")


def _finish(settings: Settings, run: runs.StageRun, verdict: Decision, steps: Sequence[Step] = ()) -> None:
    counts = {"rows_read": sum(step.rows_read for step in steps), "rows_written": sum(step.rows_written for step in steps)}
    runs.finish(settings, run, verdict, counts=counts, prefect_run_id="")


def _featurize(settings: Settings, case: UseCase, tick: datetime) -> list[Step]:
    freshness = refresh.decide_freshness(settings, case, as_of=tick)
    if not freshness.passed:
        return [Step(decision=freshness, rows_read=0, rows_written=0)]
    step = refresh.append_features(settings, case, as_of=tick)
    if step.decision.passed:
        refresh.publish_online(settings, case, as_of=tick)
    return [step]


def _monitor(settings: Settings, case: UseCase, tick: datetime) -> list[Step]:
    drain(settings, case)
    return [recording.append_performance(settings, case, as_of=tick), recording.append_drift(settings, case, as_of=tick)]


def _retrain(settings: Settings, case: UseCase, tick: datetime) -> None:
    run = runs.begin(settings, case.name, "retrain", as_of=tick)
    if not run.is_finished:
        decision = recording.decide_retraining(settings, case, as_of=tick)
        if decision.should_retrain:
            _train(settings, case, tick)
        _finish(settings, run, passed("retrain", f"{decision.trigger}: {decision.reason}"))
    challenger = versions.read_alias(settings, case, alias=versions.CHALLENGER)
    if challenger is not None:
        _promote(settings, case, challenger, tick)


def _train(settings: Settings, case: UseCase, tick: datetime) -> None:
    identity = challengers.identify(settings, case, as_of=tick)
    run = runs.begin(settings, case.name, "train", as_of=tick, slice_name=identity.model_id)
    verdict = challengers.build(settings, case, identity)
    if verdict.passed:
        version = challengers.register(settings, case, identity)
        verdict = passed("train", f"version {version.number}: {verdict.reason}")
    _finish(settings, run, verdict)


def _promote(settings: Settings, case: UseCase, challenger: versions.Version, tick: datetime) -> None:
    run = runs.begin(settings, case.name, "promote", as_of=tick, slice_name=challenger.model_id)
    compliance = promotion.decide_compliance(settings, case, challenger)
    comparison = promotion.decide_comparison(settings, case, challenger, as_of=tick)
    verdict = promotion.record_verdict(settings, case, challenger, decide_all("promotion", [compliance, comparison]), as_of=tick)
    _finish(settings, run, verdict)
    history.finish_promotions(settings, case)


if __name__ == "__main__":
    main()
