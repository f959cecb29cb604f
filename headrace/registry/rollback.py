"""Return to the previous champion: a decision like any other, with a person's name and reason in its row."""

from datetime import datetime

from headrace.decisions import Decision, blocked, passed
from headrace.registry import history, versions
from headrace.settings import Settings
from headrace.use_case import UseCase

GATE = "rollback"


def decide_rollback(settings: Settings, case: UseCase, *, as_of: datetime, by: str, reason: str) -> Decision:
    """Make the previous champion champion again from `as_of` (UTC) on, by a row; the aliases follow by `finish_promotions`.

    Where the rows already name another champion than the alias does, an earlier move was cut off before its alias followed.
    That move is then the answer: repeating the verb that died must not roll back twice.
    """
    if not by.strip() or not reason.strip():
        return blocked(GATE, "a rollback needs a person (BY=) and a reason (REASON=)")
    reigns = history.read_reigns(settings, case)
    alias = versions.read_alias(settings, case, alias=versions.CHAMPION)
    if reigns and alias is not None and alias.number != reigns[-1].version:
        return passed(GATE, f"finished the move to version {reigns[-1].version} that was cut off", {"slice": f"finished-reign-{len(reigns)}"})
    predecessor = history.find_predecessor(reigns)
    if predecessor is None:
        return blocked(GATE, f"there is no previous champion to return to: {case.name} has had {len(reigns)}. Train and promote another")
    left = reigns[-1].version
    reign = history.record_rollback(settings, case, as_of=as_of, by=by, reason=reason)
    return passed(GATE, f"version {reign.version} is champion again, version {left} is archived: {reason}", {"slice": f"reign-{len(reigns) + 1}"})
