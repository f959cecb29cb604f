"""What every gate returns: a verdict, why, and the evidence a person would ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict that is stored as a row, read by people and obeyed by flows.

    There is no third outcome: a gate that cannot decide blocks and says why.

    Attributes:
        gate: Name of the gate, `snake_case`; the same in table, tag and chart.
        passed: Whether work may go on.
        reason: One sentence for a person, with the figures that decided.
        evidence: Figures and names behind the verdict; JSON when stored.
    """

    gate: str
    passed: bool
    reason: str
    evidence: Mapping[str, float | str] = field(default_factory=dict)


def blocked(gate: str, reason: str, evidence: Mapping[str, float | str] | None = None) -> Decision:
    """The verdict of a gate that says no, or that cannot say yes."""
    return Decision(gate=gate, passed=False, reason=reason, evidence=evidence or {})


def passed(gate: str, reason: str, evidence: Mapping[str, float | str] | None = None) -> Decision:
    """The verdict of a gate that lets work go on."""
    return Decision(gate=gate, passed=True, reason=reason, evidence=evidence or {})


def decide_all(gate: str, decisions: Sequence[Decision]) -> Decision:
    """Pass when every decision passed; no decisions at all is a gate that did not run, so it blocks. Evidence is kept together."""
    if not decisions:
        return blocked(gate, "no check ran")
    evidence = {name: value for decision in decisions for name, value in decision.evidence.items()}
    refusals = [decision for decision in decisions if not decision.passed]
    if refusals:
        return blocked(gate, "; ".join(f"{refusal.gate}: {refusal.reason}" for refusal in refusals), evidence)
    # Two reasons can be read at once; of more, their number says enough.
    reason = "; ".join(decision.reason for decision in decisions) if len(decisions) <= 2 else f"{len(decisions)} checks passed"
    return passed(gate, reason, evidence)
