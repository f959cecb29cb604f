"""What changed between two ways of answering: prompt, model, chain; and which part of the prompt grew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import polars as pl

from headrace.llm.monitoring.calls import WAYS
from headrace.llm.prompt_templates import PromptTemplate


@dataclass(frozen=True, kw_only=True)
class ChainReign:
    """A chain and since when it answered.

    Attributes:
        version: Its registered version.
        since: Instant (UTC) after which it answered.
        prompt_hash: Hash of the prompt that it pins; None: it pins none.
        model: Name of the model that it pins; None: it pins none.
    """

    version: int
    since: datetime
    prompt_hash: str | None
    model: str | None


Way = Mapping[str, Any]


def find_way(answers: pl.DataFrame) -> Way:
    """The way in which most of these were answered, of two the later: the columns of `WAYS`, and `at` of its first answer (UTC)."""
    ways = answers.group_by(WAYS, maintain_order=True).agg(pl.len().alias("answer_count"), pl.col("at").min()).sort("answer_count", "at")
    return ways.row(-1, named=True)


def explain_change(risen: pl.DataFrame, earlier: pl.DataFrame, *, reigns: Sequence[ChainReign], templates: Mapping[str, PromptTemplate]) -> str:
    """What changed between answers and those before, or that nothing did.

    Args:
        risen: Answers now, of one way; rows of `gather_answers`.
        earlier: Answers before.
        reigns: Chains that were champion, oldest first.
        templates: Prompts by their hash; those that cannot be had are missing.
    """
    now, before = find_way(risen), find_way(earlier)
    said = []
    if now["prompt_hash"] != before["prompt_hash"]:
        said.append(f"prompt {_name(before)} became {_name(now)}{_describe_chains(before, now, reigns)}{_describe_growth(before, now, templates)}")
    if now["model"] != before["model"]:
        said.append(f"model {before['model']} became {now['model']}")
    if not said and (chains := _find_chains(before, now, reigns)):
        said.append(
            f"neither prompt nor model changed, but chain version {chains[0].version} gave way to {chains[1].version} as of {_day(chains[1])}"
        )
    cause = "; ".join(said) or "neither prompt, model nor chain changed: questions, passages or answers grew"
    return f"{cause} (tokens of the prompt {_grown(risen, earlier, 'input_tokens')}, of the answer {_grown(risen, earlier, 'output_tokens')})"


def _name(way: Way) -> str:
    return f"{way['prompt']} v{way['prompt_version']} ({str(way['prompt_hash'])[:12]})" if way["prompt"] else "(none)"


def _describe_chains(before: Way, now: Way, reigns: Sequence[ChainReign]) -> str:
    chains = _find_chains(before, now, reigns)
    if not chains:
        return f", first seen {now['at']:%Y-%m-%d %H:%M}Z"
    return f" when chain version {chains[1].version} took over from {chains[0].version} as of {_day(chains[1])}"


def _find_chains(before: Way, now: Way, reigns: Sequence[ChainReign]) -> tuple[ChainReign, ChainReign] | None:
    """The last change of champions that led from a chain of the earlier prompt to one of this one, after its first answer and before this way's."""
    hashes = (before["prompt_hash"], now["prompt_hash"])
    changes = [
        (old, new)
        for old, new in pairwise(reigns)
        if old.version != new.version and (old.prompt_hash, new.prompt_hash) == hashes and before["at"] <= new.since <= now["at"]
    ]
    return changes[-1] if changes else None


def _describe_growth(before: Way, now: Way, templates: Mapping[str, PromptTemplate]) -> str:
    old, new = templates.get(before["prompt_hash"]), templates.get(now["prompt_hash"])
    if old is None or new is None:
        return "; what of it grew is not known, the registry does not have both"
    parts = {name: _count(new)[name] - count for name, count in _count(old).items()}
    grown = [f"{name} by {count:+d} words" for name, count in sorted(parts.items(), key=lambda part: -part[1]) if count > 0]
    limit = f", its longest answer from {old.max_tokens} to {new.max_tokens} tokens" if new.max_tokens != old.max_tokens else ""
    return f": {', '.join(grown) if grown else 'no part of it grew'}{limit}"


def _count(template: PromptTemplate) -> dict[str, int]:
    """Words of each part of a prompt."""
    shown = " ".join(f"{' '.join(map(str, example.variables.values()))} {example.answer}" for example in template.examples)
    return {"what it is told first": len(template.system.split()), "what the user says": len(template.user.split()), "examples": len(shown.split())}


def _grown(risen: pl.DataFrame, earlier: pl.DataFrame, column: str) -> str:
    before, now = earlier[column].median(), risen[column].median()
    return f"{before:.0f} to {now:.0f}"


def _day(reign: ChainReign) -> str:
    return f"{reign.since:%Y-%m-%d %H:%M}Z"
