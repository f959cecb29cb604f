"""What a version must carry before anything else is asked about it. One check each, one decision each, by name.

The checks are pure: `VersionFacts` says what was found in registry and folder, None where it was not found.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from headrace.decisions import Decision, blocked, passed
from headrace.models.kinds.kind import Kind, is_better
from headrace.registry.bars import read_bars
from headrace.use_case import Policy
from headrace.words import format_count

# Files that hold data only. A pickle runs code when it is loaded, so does a Python file; what is not listed is not trusted.
DATA_SUFFIXES = frozenset({".txt", ".json", ".md", ".parquet"})


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """What was found about a version.

    Attributes:
        features: Features the model reads, in order.
        signature: Names of the inputs that its registered signature declares.
        card: Text of its model card.
        tags: Its tags in the registry.
        table_versions: Table it was built from -> Delta version.
        metrics: `<split>/<metric>_<unit>` -> figure.
        files: Paths of all files in its folder, relative to it.
        first_scores: Its predictions for a sample of rows.
        repeated_scores: Its predictions for the same rows, from the files loaded anew.
    """

    features: Sequence[str]
    signature: Sequence[str] | None
    card: str | None
    tags: Mapping[str, str]
    table_versions: Mapping[str, int]
    metrics: Mapping[str, float | None]
    files: Sequence[str]
    first_scores: np.ndarray | None
    repeated_scores: np.ndarray | None


def decide_compliance(facts: VersionFacts, *, kind: Kind, policy: Policy, forbidden: Sequence[str], needed: Sequence[str]) -> list[Decision]:
    """Every check, in the order a person would ask.

    Args:
        facts: What was found about the version.
        kind: The kind of task.
        policy: The use case's own bars.
        forbidden: Columns that would leak the label.
        needed: Files that the version's folder must have.
    """
    return [
        decide_signature(facts),
        decide_card(facts),
        decide_tags(facts, required=policy.required_tags),
        decide_table_versions(facts),
        decide_features(facts, forbidden=forbidden),
        decide_suspicion(facts, kind=kind, policy=policy),
        decide_bars(facts, policy=policy),
        decide_files(facts, needed=needed),
        decide_reproducible(facts, kind=kind),
    ]


def decide_signature(facts: VersionFacts) -> Decision:
    """The registered signature declares exactly the features that the model reads."""
    if not facts.signature:
        return blocked("signature", "the version declares no inputs")
    odd = sorted(set(facts.signature) ^ set(facts.features))
    return (
        blocked("signature", f"signature and model differ in {', '.join(odd)}")
        if odd
        else passed("signature", f"declares {len(facts.signature)} inputs")
    )


def decide_card(facts: VersionFacts) -> Decision:
    """There is a model card, and it says something."""
    return (
        passed("model_card", "present")
        if facts.card and facts.card.strip()
        else blocked("model_card", "the version has no model card, or an empty one")
    )


def decide_tags(facts: VersionFacts, *, required: Sequence[str]) -> Decision:
    """Every tag that the policy requires has a value."""
    missing = [name for name in required if not facts.tags.get(name, "").strip()]
    return blocked("tags", f"the version lacks {', '.join(missing)}") if missing else passed("tags", f"has all {len(required)} required tags")


def decide_table_versions(facts: VersionFacts) -> Decision:
    """The data it was built from can be read again."""
    wrong = [name for name, version in facts.table_versions.items() if version < 0]
    if wrong or not facts.table_versions:
        return blocked("table_versions", f"no version of {', '.join(wrong) or 'any table'} is recorded")
    return passed("table_versions", f"recorded for {format_count(len(facts.table_versions), 'table')}")


def decide_features(facts: VersionFacts, *, forbidden: Sequence[str]) -> Decision:
    """No feature is a column that leaks the label."""
    leaking = [name for name in facts.features if name in set(forbidden)]
    if leaking or not facts.features:
        return blocked("leaking_features", f"{', '.join(leaking)} would leak the label" if leaking else "the version names no features")
    return passed("leaking_features", f"none among {format_count(len(facts.features), 'feature')}")


def decide_suspicion(facts: VersionFacts, *, kind: Kind, policy: Policy) -> Decision:
    """The judging metric is there, is a number, and is not too good to be true."""
    figure, limit = facts.metrics.get(policy.metric), policy.suspicion_limit
    if policy.metric.rpartition("/")[2] not in kind.metrics:
        known = ", ".join(kind.metrics)
        return blocked("suspicion", f"nobody knows which way {policy.metric} is better; the policy may name a split and one of {known}")
    if figure is None or not math.isfinite(figure) or not math.isfinite(limit):
        return blocked("suspicion", f"{policy.metric} is {figure} and its limit {limit}, so nobody can tell whether it is too good")
    if is_better(kind, policy.metric, figure, limit=limit):
        return blocked(
            "suspicion",
            f"{policy.metric} {figure:.4f} is better than {limit:.4f}, which is taken for a leak; look for a feature that knows the outcome",
        )
    return passed("suspicion", f"{policy.metric} {figure:.4f} is not better than {limit:.4f}")


def decide_bars(facts: VersionFacts, *, policy: Policy) -> Decision:
    """Every figure of its own that the policy bounds is there, is a number, and keeps its bound."""
    bars = read_bars(policy, worded=False)
    broken = bars.list_broken(facts.metrics)
    return blocked("bars", "; ".join(broken)) if broken else passed("bars", f"{len(bars)} bounded figures keep their bounds")


def decide_files(facts: VersionFacts, *, needed: Sequence[str]) -> Decision:
    """The folder is complete, and holds data only."""
    unsafe = sorted(name for name in facts.files if PurePosixPath(name).suffix not in DATA_SUFFIXES)
    if unsafe:
        return blocked("safe_files", f"{', '.join(unsafe)} may run code when loaded; a version holds {', '.join(sorted(DATA_SUFFIXES))} only")
    missing = sorted(set(needed) - set(facts.files))
    return blocked("safe_files", f"the folder lacks {', '.join(missing)}") if missing else passed("safe_files", f"{len(facts.files)} data files")


def decide_reproducible(facts: VersionFacts, *, kind: Kind) -> Decision:
    """Loaded twice, the version gives the same rows the same predictions, to the last bit."""
    first, again = facts.first_scores, facts.repeated_scores
    if first is None or again is None or not first.size:
        return blocked("reproducible_score", "the version was not scored twice on a sample")
    if not kind.is_possible(first):
        return blocked("reproducible_score", f"some scores are no predictions of {kind.name}: not finite, or out of their range")
    if not np.array_equal(first, again):
        return blocked("reproducible_score", f"two loads of the version score {format_count(len(first), 'row')} differently")
    return passed("reproducible_score", f"two loads score {format_count(len(first), 'row')} alike")
