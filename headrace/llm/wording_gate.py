"""The gate of answers in a model's words: a challenger with another prompt or model must keep every bar that the policy sets them.

Bars are floors and ceilings of the policy whose names begin with `worded/`. It blocks where it cannot decide: a bounded figure that is
missing, a fault in here, or fewer questions than the policy wants. The last is no verdict about the version: answers can still be made.
"""

import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.llm.wording_figures import COUNT, QUALITIES, compare_words
from headrace.registry.bars import WORDED, WORDED_QUESTIONS, Bars, read_bars
from headrace.registry.comparison import FAULTS
from headrace.use_case import Policy
from headrace.words import format_count

GATE = "words"

# Figures that say something about two chains, and nothing where one of them words no answers.
_COMPARES = ("_gain", "_gain_lower_bound", "_gain_upper_bound", "_ratio", "_ratio_lower_bound", "_ratio_upper_bound")


def decide_words(*, challenger: pl.DataFrame, champion: pl.DataFrame | None, policy: Policy, seed: int) -> Decision:
    """Decide whether what a challenger's model says may take the place of what the champion's says.

    Args:
        challenger: Rows of `inference.<use_case>_worded_answers`. Grain: one row per question.
        champion: The same of the champion; None: it words nothing, and only what a challenger must be by itself is judged.
        policy: The use case's own bars.
        seed: Makes the verdict reproducible from the rows.

    Returns:
        A decision whose evidence holds the bounded figures and both sides' means, each named `worded/...`. Its gate is `WORDED_QUESTIONS` where too
        few questions were answered.
    """
    bars = read_bars(policy, worded=True)
    needed = bars.floors.get(f"{WORDED}{COUNT}")
    if needed is None:
        return blocked(
            WORDED_QUESTIONS, f"the policy bounds answers in a model's words, but no floor {WORDED}{COUNT} says how many make a figure; add it"
        )
    try:
        figures = {f"{WORDED}{name}": figure for name, figure in compare_words(challenger, champion, seed=seed).items()}
    except FAULTS as fault:
        return blocked(GATE, f"{type(fault).__name__} inside the gate, so nothing was compared: {str(fault).partition(chr(10))[0]}")
    count = figures[f"{WORDED}{COUNT}"] or 0.0
    if not count >= needed:
        by = "the challenger" if champion is None else "both"
        reason = f"{format_count(int(count), 'question')} answered in a model's words by {by}, the policy needs {needed:g}"
        return blocked(WORDED_QUESTIONS, reason, {f"{WORDED}{COUNT}": count})
    bars = bars if champion is not None else _leave_out_comparisons(bars)
    means = {f"{WORDED}{name}" for metric in (*QUALITIES, "token_count") for name in (metric, f"champion_{metric}")}
    evidence = {name: figure for name, figure in figures.items() if figure is not None and name in means | {*bars.floors, *bars.ceilings}}
    if broken := bars.list_broken(figures):
        return blocked(GATE, "; ".join(broken), evidence)
    return passed(GATE, f"{len(bars)} bounded figures of {format_count(int(count), 'worded answer')} keep their bounds", evidence)


def _leave_out_comparisons(bars: Bars) -> Bars:
    floors, ceilings = ({name: bar for name, bar in found.items() if not name.endswith(_COMPARES)} for found in (bars.floors, bars.ceilings))
    return Bars(floors=floors, ceilings=ceilings)
