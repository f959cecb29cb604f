"""The judging of a challenger: facts gathered from registry and lake, handed to pure gates, verdicts kept as rows."""

import json
from datetime import datetime

import numpy as np
import polars as pl

from headrace.decisions import Decision, blocked, decide_all, passed
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_row
from headrace.models.baseline import load_baseline
from headrace.models.candidate import read_candidate
from headrace.models.evaluation import log_losses
from headrace.models.scorer import load_scorer
from headrace.registry import challengers, comparison, compliance, history, versions
from headrace.registry.history import Reign
from headrace.settings import Settings
from headrace.use_case import UseCase

COMPARISONS = "metrics.model_comparisons"

# Rows scored twice to see that a score is reproducible; enough to reach every tree, few enough to cost nothing.
REPRODUCED_ROWS = 200


def decide_compliance(settings: Settings, case: UseCase, challenger: versions.Version) -> Decision:
    """Gather what the version carries and judge it check by check."""
    folder = versions.candidate_folder(settings, challenger)
    rows = challengers.holdout_rows(settings, case, folder).head(REPRODUCED_ROWS)
    facts = compliance.read_facts(
        folder,
        tags=challenger.tags,
        has_signature=versions.has_signature(settings, challenger),
        scores=load_scorer(folder).predict(rows),
        scores_again=load_scorer(folder).predict(rows.reverse())[::-1],
    )
    return decide_all("compliance", compliance.decide_compliance(facts, policy=case.policy, features=case.features))


def decide_comparison(settings: Settings, case: UseCase, challenger: versions.Version, *, as_of: datetime) -> Decision:
    """Score challenger and opponent on the challenger's holdout and judge the paired losses; the verdict becomes a row.

    The opponent is the champion that the rows name; without one, the business rule fitted on the challenger's training rows.
    """
    reign = history.read_reign(settings, case, as_of=as_of)
    folder = versions.candidate_folder(settings, challenger)
    rows = challengers.holdout_rows(settings, case, folder)
    labels = rows[case.label.name].to_numpy()
    opponent, unseen = _score_opponent(settings, case, reign, rows, challenger_folder=folder)
    losses = rows.select(*case.features.key, *case.policy.slices).with_columns(
        pl.Series("challenger_loss", log_losses(labels, load_scorer(folder).predict(rows))),
        pl.Series("opponent_loss", log_losses(labels, opponent)),
    )
    judged = comparison.decide_comparison(losses, policy=case.policy, seed=settings.seed)
    decision = decide_all(comparison.GATE, [unseen, judged])
    verdict = Decision(gate=comparison.GATE, passed=decision.passed, reason=judged.reason if unseen.passed else unseen.reason, evidence=judged.evidence)
    _record_comparison(settings, case, challenger, reign, verdict, row_count=rows.height, as_of=as_of)
    return verdict


def decide_approval(settings: Settings, case: UseCase, challenger: versions.Version) -> Decision:
    """Pass where the environment promotes on its own, or where a person's approval names this very version; block otherwise."""
    if settings.approval == "automatic":
        return passed("approval", f"{settings.environment} promotes on its own")
    approver = history.find_approval(settings, case, version=challenger)
    if approver is None:
        return blocked(
            "approval",
            f"version {challenger.number} passed its gates and waits for a person: make approve USE_CASE={case.name} ENV={settings.environment} "
            f"VERSION={challenger.number} BY=<name> REASON=<why>, then promote again",
        )
    return passed("approval", f"approved by {approver}")


def record_verdict(settings: Settings, case: UseCase, challenger: versions.Version, verdict: Decision, *, as_of: datetime) -> Decision:
    """Write the verdict to `metrics.promotions`, with the approver where there is one, and return it."""
    approver = "automatic" if settings.approval == "automatic" else history.find_approval(settings, case, version=challenger)
    history.record_verdict(settings, case, challenger, verdict, as_of=as_of, approver=approver)
    return verdict


def _score_opponent(settings: Settings, case: UseCase, reign: Reign | None, rows: pl.DataFrame, *, challenger_folder) -> tuple[np.ndarray, Decision]:  # type: ignore[no-untyped-def]
    """The opponent's probabilities for the rows, and whether neither model has seen them."""
    challenger = read_candidate(challenger_folder)
    if reign is None:
        return load_baseline(challenger_folder).predict(rows), comparison.decide_unseen(challenger, None, rows)
    folder = versions.candidate_folder(settings, versions.read(settings, case, number=reign.version))
    return load_scorer(folder).predict(rows), comparison.decide_unseen(challenger, read_candidate(folder), rows)


def _record_comparison(
    settings: Settings, case: UseCase, challenger: versions.Version, reign: Reign | None, verdict: Decision, *, row_count: int, as_of: datetime
) -> None:
    row = {
        "use_case": case.name,
        "as_of": as_of,
        "challenger_version": challenger.number,
        "opponent": "champion" if reign else "baseline",
        "opponent_version": reign.version if reign else None,
        "passed": verdict.passed,
        "reason": verdict.reason,
        "gain": verdict.evidence.get("gain"),
        "gain_lower_bound": verdict.evidence.get("gain_lower_bound"),
        "row_count": row_count,
        "evidence": json.dumps(dict(verdict.evidence), sort_keys=True),
    }
    batch_id = build_batch_id("promote", case.name, challenger.model_id)
    if not tables.is_written(settings, COMPARISONS, batch_id=batch_id):
        tables.append(settings, COMPARISONS, build_row(COMPARISONS, row), batch_id=batch_id)
