"""Who was champion when: rows of `metrics.promotions`, of which the registry's aliases are a projection.

The row comes first, the alias follows. A flow that died in between left a row without its alias; the next flow projects
it before doing anything else (`finish_promotions`), so the registry always catches up with the rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from headrace.decisions import Decision
from headrace.errors import RegistryError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_row
from headrace.registry import versions
from headrace.registry.evidence import Answer
from headrace.settings import Settings
from headrace.use_case import UseCase

PROMOTIONS = "metrics.promotions"


@dataclass(frozen=True, kw_only=True)
class Reign:
    """The time during which a version is champion.

    Attributes:
        version: Its number in the registry.
        model_id: Its model id.
        since: Instant (UTC) after which its predictions count: a prediction made at `since` is still its predecessor's.
    """

    version: int
    model_id: str
    since: datetime


def read_promotions(settings: Settings, case: UseCase) -> pl.DataFrame:
    """All decisions about versions of a use case, in the order they were made."""
    return tables.read(settings, PROMOTIONS).filter(pl.col("use_case") == case.name).sort("as_of", "sequence").collect()


def read_reigns(settings: Settings, case: UseCase) -> list[Reign]:
    """Champions, oldest first; the last one reigns now."""
    moves = read_promotions(settings, case).filter(pl.col("passed") & pl.col("action").is_in(["promote", "rollback"]))
    return [Reign(version=row["model_version"], model_id=row["model_id"], since=row["as_of"]) for row in moves.iter_rows(named=True)]


def read_reign(settings: Settings, case: UseCase, *, as_of: datetime) -> Reign | None:
    """The champion that decisions up to and including `as_of` (UTC) left in force."""
    reigns = [reign for reign in read_reigns(settings, case) if reign.since <= as_of]
    return reigns[-1] if reigns else None


def read_decision(settings: Settings, case: UseCase, *, model_id: str) -> Decision | None:
    """The stored verdict about a version, or None when it was not judged yet."""
    judged = read_promotions(settings, case).filter((pl.col("model_id") == model_id) & pl.col("action").is_in(["promote", "reject"]))
    if judged.is_empty():
        return None
    row = judged.row(-1, named=True)
    return Decision(gate="promotion", passed=row["passed"], reason=row["reason"], evidence=json.loads(row["evidence"]))


def find_predecessor(reigns: Sequence[Reign]) -> int | None:
    """The champion to which a rollback would return, or None. A version that was rolled back is not returned to."""
    line: list[int] = []
    for reign in reigns:
        if len(line) > 1 and line[-2] == reign.version:
            line.pop()
        elif not line or line[-1] != reign.version:
            line.append(reign.version)
    return line[-2] if len(line) > 1 else None


def join_reigns(rows: pl.DataFrame, reigns: Sequence[Reign]) -> pl.DataFrame:
    """Add `model_version` and `model_id` of the champion in force at each row's `prediction_at`; rows before the first reign get null.

    A champion's reign begins after the instant of its promotion, so whatever the ticks are, a row meets the same champion.
    """
    schema = {"since": pl.Datetime("us", "UTC"), "model_version": pl.Int64, "model_id": pl.String}
    starts = pl.DataFrame([(reign.since, reign.version, reign.model_id) for reign in reigns], schema=schema, orient="row")
    starts = starts.unique("since", keep="last", maintain_order=True).sort("since")
    joined = rows.sort("prediction_at").join_asof(starts, left_on="prediction_at", right_on="since", strategy="backward", allow_exact_matches=False)
    return joined.drop("since", strict=False)


def record_verdict(
    settings: Settings,
    case: UseCase,
    version: versions.Version,
    verdict: Decision,
    *,
    as_of: datetime,
    approver: str | None = None,
    answer: Answer | None = None,
) -> None:
    """Write what was decided about a version, in force from `as_of` (UTC); the aliases follow by `finish_promotions`.

    A person's answer is used up by the row that names it; without one, `approver` says who decided in a person's stead.
    """
    action = "promote" if verdict.passed else "reject"
    batch_id = build_batch_id("promote", case.name, version.model_id)
    if not tables.is_written(settings, PROMOTIONS, batch_id=batch_id):
        row = _build_promotion(settings, case, action=action, version=version, as_of=as_of, verdict=verdict, approver=approver, answer=answer)
        tables.append(settings, PROMOTIONS, row, batch_id=batch_id)


def record_rollback(settings: Settings, case: UseCase, *, as_of: datetime, by: str, reason: str) -> Reign:
    """Write that the champion before the present one is champion again; the aliases follow by `finish_promotions`.

    Returns:
        The reign that begins.

    Raises:
        RegistryError: There is no champion, or there was none before it.
    """
    reigns = read_reigns(settings, case)
    number = find_predecessor(reigns)
    if number is None:
        raise RegistryError(
            f"{versions.model_name(settings, case)} has no previous champion to return to: it has had {len(reigns)}. Train and promote another"
        )
    version = versions.read(settings, case, number=number)
    # Never before a decision that stands: what was predicted until then stays its champion's.
    since = max(as_of, *read_promotions(settings, case)["as_of"].to_list())
    verdict = Decision(gate="rollback", passed=True, reason=reason)
    row = _build_promotion(settings, case, action="rollback", version=version, as_of=since, verdict=verdict, approver=by)
    batch_id = build_batch_id("rollback", case.name, f"reign-{len(reigns)}-of-version-{reigns[-1].version}")
    tables.append(settings, PROMOTIONS, row, batch_id=batch_id)
    return Reign(version=version.number, model_id=version.model_id, since=since)


def finish_promotions(settings: Settings, case: UseCase) -> None:
    """Make the registry say what the rows say: tags and descriptions of judged versions, aliases of champions. Safe to repeat."""
    promotions = read_promotions(settings, case)
    if promotions.is_empty():
        return
    reigns = read_reigns(settings, case)
    for row in promotions.unique("model_version", keep="last", maintain_order=True).iter_rows(named=True):
        _describe(settings, case, row, champion=reigns[-1].version if reigns else None)
    if reigns:
        _ensure_alias(settings, case, alias=versions.CHAMPION, number=reigns[-1].version)
        _ensure_alias(settings, case, alias=versions.PREVIOUS_CHAMPION, number=find_predecessor(reigns))
    challenger = versions.read_alias(settings, case, alias=versions.CHALLENGER)
    if challenger is not None and challenger.number in promotions["model_version"]:
        versions.set_alias(settings, case, alias=versions.CHALLENGER, number=None)


def _build_promotion(
    settings: Settings,
    case: UseCase,
    *,
    action: str,
    version: versions.Version,
    as_of: datetime,
    verdict: Decision,
    approver: str | None,
    answer: Answer | None = None,
) -> pl.DataFrame:
    history = read_promotions(settings, case)
    reigns = read_reigns(settings, case)
    row = {
        "use_case": case.name,
        "as_of": as_of,
        "sequence": history.height + 1,
        "action": action,
        "model_version": version.number,
        "model_id": version.model_id,
        "previous_version": reigns[-1].version if reigns else None,
        "passed": verdict.passed,
        "reason": verdict.reason,
        "approver": answer.approver if answer else approver,
        "approval_id": answer.approval_id if answer else None,
        "approved_at": answer.approved_at if answer else None,
        "approval_reason": answer.reason if answer else None,
        "evidence": json.dumps(dict(verdict.evidence), sort_keys=True),
    }
    return build_row(PROMOTIONS, row)


def _describe(settings: Settings, case: UseCase, row: dict[str, object], *, champion: int | None) -> None:
    """The book's stages are tags: a rejected version is archived, the champion is in production."""
    number = int(str(row["model_version"]))
    stage = "production" if number == champion else "archived"
    tags = {"stage": stage, "decision": str(row["action"]), "decision_reason": str(row["reason"])}
    known = versions.read(settings, case, number=number).tags
    if any(known.get(key) != value for key, value in tags.items()):
        versions.describe(settings, case, number=number, tags=tags, description=f"{row['action']} as of {row['as_of']:%Y-%m-%d}: {row['reason']}")


def _ensure_alias(settings: Settings, case: UseCase, *, alias: str, number: int | None) -> None:
    current = versions.read_alias(settings, case, alias=alias)
    if (current.number if current else None) != number:
        versions.set_alias(settings, case, alias=alias, number=number)
