"""One line of the table: how many texts of a sample were blocked, where that share may lie, and what judging them took."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from benchmarks.guardrails.samples import Sample
from headrace.inventory.markdown import replace_between

BEGIN, END = "<!-- written by make bench-guardrails -->", "<!-- end of what it wrote -->"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a guardrail made of a sample.

    Attributes:
        guardrail: Its name, and what of it was on.
        sample: Which texts.
        is_attack: Whether they should be blocked.
        blocked_count: How many were.
        count: How many there are.
        ms: CPU-milliseconds per 1,000 characters; None: not measured.
    """

    guardrail: str
    sample: str
    is_attack: bool
    blocked_count: int
    count: int
    ms: float | None


def measure(guardrail: str, sample: Sample, is_blocked: Callable[[int, str], bool]) -> Figure:
    """Judge every text of a sample.

    Args:
        guardrail: Its name.
        sample: The texts.
        is_blocked: Judges one, by its place and text.
    """
    began = time.process_time()
    blocked = sum(is_blocked(place, text) for place, text in enumerate(sample.texts))
    ms = 1_000 * (time.process_time() - began) / max(1.0, sum(map(len, sample.texts)) / 1_000)
    return Figure(guardrail=guardrail, sample=sample.name, is_attack=sample.is_attack, blocked_count=blocked, count=len(sample.texts), ms=ms)


def format_table(figures: Sequence[Figure]) -> list[str]:
    """The figures as Markdown: the share that was blocked with its 95 % interval (Wilson 1927)."""
    lines = ["| guardrail | texts | number | recall | false alarms | ms per 1,000 characters |", "|---|---|---|---|---|---|"]
    for figure in figures:
        interval = binomtest(figure.blocked_count, figure.count).proportion_ci(method="wilson")
        share = f"{figure.blocked_count / figure.count:.1%} ({interval.low:.1%} to {interval.high:.1%})"
        cells = (share, "") if figure.is_attack else ("", share)
        ms = "-" if figure.ms is None else f"{figure.ms:.2g}"
        lines.append(f"| {figure.guardrail} | {figure.sample} | {figure.count:,} | {cells[0]} | {cells[1]} | {ms} |")
    return lines


def write_table(path: Path, table: Sequence[str]) -> None:
    """Put the table between its marks."""
    text = path.read_text(encoding="utf-8")
    content = "\n".join(["", *table, ""])
    path.write_text(replace_between(text, begin=BEGIN, end=END, content=content, document=path.name), encoding="utf-8")
