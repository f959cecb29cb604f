"""The judging of a challenger: facts gathered from registry and lake, handed to pure gates, verdicts kept as rows."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from headrace.decisions import Decision, blocked, decide_all, passed
from headrace.errors import RegistryError
from headrace.features.materialize import FEATURES_VERSION
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_row
from headrace.models.candidate import CARD, METRICS, read_candidate, read_json
from headrace.models.kinds import load_kind
from headrace.models.kinds.kind import Predictor
from headrace.registry import approvals, candidates, challengers, comparison, compliance, evidence, history, versions
from headrace.registry.compliance import VersionFacts
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
    first, again = candidates.load_candidate(settings, case, folder), candidates.load_candidate(settings, case, folder)
    declared = versions.read_signature(settings, challenger)
    facts = VersionFacts(
        features=first.features,
        signature=None if declared is None else [name for name in declared if name != FEATURES_VERSION],
        card=_read_text(folder / CARD),
        tags=challenger.tags,
        table_versions=json.loads(challenger.tags.get("tables", "{}")),
        metrics=read_json(folder / METRICS),
        files=sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()),
        first_scores=first.predict(rows),
        repeated_scores=again.predict(rows),
    )
    checks = compliance.decide_compliance(
        facts, kind=load_kind(case.kind), policy=case.policy, forbidden=case.features.forbidden, needed=candidates.list_files(case)
    )
    return decide_all("compliance", checks)


def decide_comparison(settings: Settings, case: UseCase, challenger: versions.Version, *, as_of: datetime) -> Decision:
    """Score challenger and opponent on the challenger's holdout and judge the paired losses; the verdict becomes a row.

    The opponent is the champion that the rows name; without one, the business rule fitted on the challenger's training rows.
    A version whose files are gone, or a registry that does not answer, is no verdict: it raises, and nothing is recorded.
    """
    reign = history.read_reign(settings, case, as_of=as_of)
    folder = versions.candidate_folder(settings, challenger)
    opponent_folder = folder if reign is None else versions.candidate_folder(settings, versions.read(settings, case, number=reign.version))
    opponent: Predictor = (
        candidates.load_rule(settings, case, folder)
        if reign is None
        else candidates.load_candidate(settings, case, opponent_folder, threads=settings.threads)
    )
    champion = None if reign is None else read_candidate(opponent_folder)

    rows = challengers.holdout_rows(settings, case, folder)
    unseen = comparison.decide_unseen(rows, challenger=read_candidate(folder), champion=champion)
    judged = comparison.decide_comparison(
        challenger=_measure_losses(case, rows, candidates.load_candidate(settings, case, folder, threads=settings.threads)),
        opponent=_measure_losses(case, rows, opponent),
        key=case.features.key,
        policy=case.policy,
        seed=settings.seed,
    )
    verdict = judged if unseen.passed else unseen
    _record_comparison(settings, case, challenger, reign, verdict, row_count=rows.height, as_of=as_of)
    return verdict


def decide_order(settings: Settings, case: UseCase, challenger: versions.Version, *, as_of: datetime) -> Decision:
    """Block a verdict as of an instant (UTC) before the newest decision, or before the challenger was built.

    A champion put into the past would change who predicted what since, or predict with what it learned later.
    """
    built = read_candidate(versions.candidate_folder(settings, challenger)).as_of
    if as_of < built:
        return blocked(
            "order",
            f"version {challenger.number} was built as of {built:%Y-%m-%d %H:%M}Z, so it cannot reign from {as_of:%Y-%m-%d %H:%M}Z; promote later",
        )
    decided = history.read_promotions(settings, case)["as_of"].to_list()
    if decided and as_of < max(decided):
        newest = f"{max(decided):%Y-%m-%d %H:%M}Z"
        return blocked(
            "order", f"a decision as of {newest} exists, so none can be made as of {as_of:%Y-%m-%d %H:%M}Z; promote as of {newest} or later"
        )
    return passed("order", "no later decision exists")


def decide_approval(settings: Settings, case: UseCase, challenger: versions.Version, judged: Decision, *, now: datetime) -> Decision:
    """Pass where the environment promotes on its own, or where a person's approval of this version and evidence counts; block otherwise.

    Args:
        settings: The environment.
        case: The use case.
        challenger: The version.
        judged: What the gates before a person found about it.
        now: The present (UTC), by which an approval may have expired.
    """
    if settings.approval == "automatic":
        return passed(evidence.GATE, f"{settings.environment} promotes on its own")
    decision = evidence.decide_approval(
        approvals.read_answers(settings, case, version=challenger),
        used=approvals.read_used(settings, case),
        evidence_hash=evidence.hash_evidence(judged, version=challenger.number, model_id=challenger.model_id),
        expires=timedelta(hours=settings.approval_expires_hours),
        now=now,
    )
    if not evidence.is_waiting(decision):
        return decision
    verb = f"make approve USE_CASE={case.name} ENV={settings.environment} VERSION={challenger.number} BY=<name> REASON=<why>"
    return blocked(
        evidence.GATE,
        f"version {challenger.number} passed its gates and waits for a person ({decision.reason}): {verb}, which shows the evidence first, "
        "then promote again",
    )


def record_verdict(
    settings: Settings, case: UseCase, challenger: versions.Version, judged: Decision, *, as_of: datetime, approval: Decision | None = None
) -> Decision:
    """Write the verdict to `metrics.promotions`, with who answered, when and why, and return it.

    Args:
        settings: The environment.
        case: The use case.
        challenger: The version.
        judged: What the gates before a person found.
        as_of: Instant (UTC) from which it is in force.
        approval: What `decide_approval` said; left out where nobody is asked.

    Raises:
        RegistryError: It passed, a person is needed, and nobody has decided.
    """
    if not judged.passed or settings.approval == "automatic":
        history.record_verdict(settings, case, challenger, judged, as_of=as_of, approver="automatic" if settings.approval == "automatic" else None)
        return judged
    answers = {answer.approval_id: answer for answer in approvals.read_answers(settings, case, version=challenger)}
    answer = answers.get(str(approval.evidence.get("approval_id"))) if approval else None
    if approval is None or answer is None:
        raise RegistryError(f"version {challenger.number} of {challenger.name} cannot get a verdict: {settings.environment} asks for a person first")
    verdict = judged if approval.passed else blocked(judged.gate, f"approval: {approval.reason}", judged.evidence)
    history.record_verdict(settings, case, challenger, verdict, as_of=as_of, answer=answer)
    return verdict


def _read_text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _measure_losses(case: UseCase, rows: pl.DataFrame, predictor: Predictor) -> pl.DataFrame:
    """The key, slices and loss of each row."""
    losses = load_kind(case.kind).losses(rows[case.label.name], predictor.predict(rows), predictor.outcomes)
    columns = dict.fromkeys((*case.features.key, "prediction_at", *case.policy.slices))
    return rows.select(*columns).with_columns(pl.Series("loss", losses, dtype=pl.Float64))


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
    # Against another champion it is another comparison: one that waited for a person may be judged anew.
    batch_id = build_batch_id("promote", case.name, f"{challenger.model_id}-against-{reign.version if reign else 'baseline'}")
    if not tables.is_written(settings, COMPARISONS, batch_id=batch_id):
        tables.append(settings, COMPARISONS, build_row(COMPARISONS, row), batch_id=batch_id)
