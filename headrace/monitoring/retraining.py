"""Whether to train again: a pure policy over what monitoring has measured.

Triggers ask for a training (no champion, documents that changed, its age, a drop in performance that lasts, drift that lasts); brakes hold it back
(a challenger that waits, cool-down, budget, too few new labels). Only a challenger that waits holds back what documents ask for: a champion quotes
the index that it pins, and what was deleted is to leave its answers. A figure that is missing is never read as fine: it is counted and named.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from headrace.use_case import Policy
from headrace.words import format_count

Trigger = Literal["none", "first", "documents", "schedule", "performance", "drift"]


@dataclass(frozen=True, kw_only=True)
class RetrainFacts:
    """What is known at the instant of the decision.

    Attributes:
        as_of: The instant (UTC).
        champion_as_of: Instant (UTC) whose knowledge the champion was built from; None: there is no champion.
        trainings: Instants (UTC) of all trainings that were started before, oldest first.
        new_label_count: Labels that became known since the last training; all of them when there was none.
        reference_metric: The champion's own figure on its holdout for the metric that the policy watches; None: unknown.
        live_metrics: That metric on the champion's complete windows, oldest first; None where it could not be computed, or was not measured.
        drifted_fractions: Share of drifted features (0 to 1) in each window of the view that the policy reads, oldest
            first; None where too few features could be compared to tell.
        index_change: How the newest index differs from the one that the last training, or the champion, pinned; None: it does not, or there is none.
        pending_version: Version that waits for its verdict; None: there is none.
    """

    as_of: datetime
    champion_as_of: datetime | None
    trainings: Sequence[datetime]
    new_label_count: int
    reference_metric: float | None
    live_metrics: Sequence[float | None]
    drifted_fractions: Sequence[float | None]
    index_change: str | None = None
    pending_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class RetrainDecision:
    """Whether to train, what asked for it, why, and the figures."""

    should_retrain: bool
    trigger: Trigger
    reason: str
    evidence: Mapping[str, float | str]


def decide_retraining(facts: RetrainFacts, policy: Policy) -> RetrainDecision:
    """Ask the triggers in order of urgency, then the brakes."""
    trigger, reason = _find_trigger(facts, policy)
    evidence = _gather_evidence(facts, policy)
    if trigger == "none":
        return RetrainDecision(should_retrain=False, trigger=trigger, reason=reason, evidence=evidence)
    brake = _find_brake(facts, policy, trigger)
    if brake is not None:
        return RetrainDecision(should_retrain=False, trigger=trigger, reason=f"{reason}; held back: {brake}", evidence=evidence)
    return RetrainDecision(should_retrain=True, trigger=trigger, reason=reason, evidence=evidence)


def _find_trigger(facts: RetrainFacts, policy: Policy) -> tuple[Trigger, str]:
    if facts.champion_as_of is None:
        return "first", "there is no champion"
    if facts.index_change is not None:
        return "documents", facts.index_change
    drop = _find_drop(facts, policy)
    if drop is not None:
        return "performance", drop
    drift = _find_drift(facts, policy)
    if drift is not None:
        return "drift", drift
    # A challenger that was built and turned away confirms the champion: its age counts from there, or it would be asked again at every tick.
    confirmed_at = max([facts.champion_as_of, *facts.trainings])
    age = facts.as_of - confirmed_at
    if age >= policy.max_age:
        return "schedule", f"the champion was built or confirmed {format_count(age.days, 'day')} ago, {policy.max_age.days} are allowed"
    gaps = _find_gaps(facts, policy)
    if gaps:
        return "none", f"the champion was built or confirmed {format_count(age.days, 'day')} ago; cannot be judged: {', '.join(gaps)}"
    return "none", f"the champion was built or confirmed {format_count(age.days, 'day')} ago and holds: {_describe_watch(facts, policy)}"


def _find_gaps(facts: RetrainFacts, policy: Policy) -> list[str]:
    """What the policy watches and cannot judge, by name: nobody should read silence as health."""
    gaps = []
    if facts.reference_metric is None or not math.isfinite(facts.reference_metric):
        gaps.append("performance (the champion has no figure of its holdout)")
    elif _has_gap(_newest(facts.live_metrics, policy)):
        gaps.append("performance (a newest window has no figure)")
    if _has_gap(_newest(facts.drifted_fractions, policy)):
        gaps.append("drift (a newest window has no figure)")
    return gaps


def _has_gap(values: Sequence[float | None]) -> bool:
    return not values or any(value is None or not math.isfinite(value) for value in values)


def _find_drop(facts: RetrainFacts, policy: Policy) -> str | None:
    """Performance that was worse than the champion's own holdout by the policy's bar in all of its newest windows."""
    newest = _newest(facts.live_metrics, policy)
    reference = facts.reference_metric
    if reference is None or not math.isfinite(reference) or len(newest) < policy.persistence:
        return None
    drops = [value - reference for value in newest if value is not None and math.isfinite(value)]
    if len(drops) < policy.persistence or min(drops) < policy.max_performance_drop:
        return None
    listed = ", ".join(f"{drop:+.4f}" for drop in drops)
    lasted = f"in {format_count(policy.persistence, 'window')} running, {policy.max_performance_drop:+.4f} is allowed"
    return f"{policy.performance_metric} lay {listed} above the holdout's {reference:.4f} {lasted}"


def _find_drift(facts: RetrainFacts, policy: Policy) -> str | None:
    """Drift of enough features in all of the newest windows."""
    newest = [share for share in _newest(facts.drifted_fractions, policy) if share is not None and math.isfinite(share)]
    if len(newest) < policy.persistence or min(newest) < policy.max_drifted_fraction:
        return None
    listed = ", ".join(f"{share:.0%}" for share in newest)
    lasted = f"in {format_count(policy.persistence, 'window')} running, {policy.max_drifted_fraction:.0%} is the bar"
    return f"{listed} of the features drifted ({policy.drift_view} view) {lasted}"


def _find_brake(facts: RetrainFacts, policy: Policy, trigger: Trigger) -> str | None:
    """Why a wanted training has to wait, or None."""
    if facts.pending_version is not None:
        return f"version {facts.pending_version} waits for its verdict; promote decides about it first"
    if trigger == "documents":
        return None
    last = facts.trainings[-1] if facts.trainings else None
    if last is not None and facts.as_of - last < policy.cool_down:
        return f"the last training was {format_count((facts.as_of - last).days, 'day')} ago, the cool-down is {policy.cool_down.days}"
    spent = sum(1 for training in facts.trainings if facts.as_of - training < policy.budget_window)
    if spent >= policy.budget:
        return f"{format_count(spent, 'training')} in {format_count(policy.budget_window.days, 'day')}, the budget is {policy.budget}"
    if trigger != "first" and facts.new_label_count < policy.min_new_labels:
        return f"{format_count(facts.new_label_count, 'new label')} since the last training, {policy.min_new_labels} are needed"
    return None


def _newest(values: Sequence[float | None], policy: Policy) -> Sequence[float | None]:
    return values[-policy.persistence :]


def _describe_watch(facts: RetrainFacts, policy: Policy) -> str:
    return (
        f"{policy.performance_metric} {facts.live_metrics[-1]:.4f} against {facts.reference_metric:.4f} on its holdout, "
        f"{facts.drifted_fractions[-1]:.0%} of features drifted"
    )


def _gather_evidence(facts: RetrainFacts, policy: Policy) -> dict[str, float | str]:
    listed = {"live_metrics": facts.live_metrics, "drifted_fractions": facts.drifted_fractions}
    evidence: dict[str, float | str] = {
        name: ", ".join("missing" if v is None else f"{v:.4f}" for v in _newest(values, policy)) for name, values in listed.items()
    }
    evidence |= {
        "new_label_count": float(facts.new_label_count),
        "training_count": float(len(facts.trainings)),
        "performance_metric": policy.performance_metric,
    }
    if facts.reference_metric is not None:
        evidence["reference_metric"] = facts.reference_metric
    if facts.champion_as_of is not None:
        evidence["champion_age_days"] = (facts.as_of - facts.champion_as_of) / timedelta(days=1)
    return evidence
