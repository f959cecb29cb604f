"""How far a judge agrees with people, and whether that is enough to listen to it.

Cohen's kappa (1960) is the share of agreement beyond what two graders would reach by chance who say yes as often as these do:
`(observed - expected) / (1 - expected)`. 0 is chance, 1 is perfect. A judge that always says the same has 0, however often it is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.decisions import Decision, blocked, passed
from headrace.llm.intervals import CONFIDENCE_FRACTION, Interval
from headrace.resampling import RESAMPLES

GATE = "judge"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What a judge made of labelled answers.

    Attributes:
        kappa: Cohen's kappa, with its interval over labels; without a value where there is no label, or all sides say one thing only.
        agreed_fraction: Share of the labels on which both said the same, 0 to 1; None without labels.
        yes_fraction: Share of them to which the judge said yes, 0 to 1; None without labels.
        label_yes_fraction: The same of the labels.
    """

    kappa: Interval
    agreed_fraction: float | None
    yes_fraction: float | None
    label_yes_fraction: float | None


def measure_agreement(labels: Sequence[float], grades: Sequence[float], *, seed: int) -> Agreement:
    """Hold a judge's grades against labels.

    Args:
        labels: 0 or 1 per answer.
        grades: The judge's 0 or 1 of the same answers, in the same order.
        seed: Makes the interval reproducible.

    Raises:
        ValueError: The two are not of one length, or hold something else than 0 and 1.
    """
    truth, said = np.asarray(labels, dtype=np.float64), np.asarray(grades, dtype=np.float64)
    if truth.shape != said.shape or not np.isin(np.concatenate([truth, said]), (0.0, 1.0)).all():
        raise ValueError(f"agreement needs a label and a grade of 0 or 1 each, not {truth.size} labels and {said.size} grades of other kinds")
    if not truth.size:
        return Agreement(
            kappa=Interval(value=None, lower=None, upper=None, count=0), agreed_fraction=None, yes_fraction=None, label_yes_fraction=None
        )
    # How often label and judge say (no, no), (no, yes), (yes, no), (yes, yes).
    counts = np.bincount((2 * truth + said).astype(int), minlength=4)
    drawn = np.random.default_rng(seed).multinomial(truth.size, counts / truth.size, size=RESAMPLES)
    value, resampled = float(_compute_kappa(counts[None, :])[0]), _compute_kappa(drawn)
    # A draw in which both say one thing only has no kappa; were such draws left out, the rest would promise too much.
    tail = (1 - CONFIDENCE_FRACTION) / 2
    known = np.isfinite(value) and bool(np.isfinite(resampled).all())
    lower, upper = np.quantile(resampled, (tail, 1 - tail)) if known else (None, None)
    kappa = Interval(
        value=value if np.isfinite(value) else None,
        lower=None if lower is None else float(lower),
        upper=None if upper is None else float(upper),
        count=int(truth.size),
    )
    return Agreement(
        kappa=kappa, agreed_fraction=float((truth == said).mean()), yes_fraction=float(said.mean()), label_yes_fraction=float(truth.mean())
    )


def decide_judge(agreement: Agreement, *, min_kappa: float, least_labels: int) -> Decision:
    """Whether a judge's grades may be shown and used; blocked where too little is known of it.

    Args:
        agreement: What was measured.
        min_kappa: What the lower end of kappa's interval must reach.
        least_labels: Labels below which nothing is known.
    """
    kappa = agreement.kappa
    if not kappa.count >= least_labels:
        return blocked(GATE, f"its agreement with labels was measured on {kappa.count} of the {least_labels} that it needs")
    if kappa.value is None or kappa.lower is None or kappa.upper is None:
        return blocked(GATE, "its agreement with labels has no interval, because judge or labels say nearly one thing only")
    measured = f"kappa {kappa.value:.2f} ({kappa.lower:.2f} to {kappa.upper:.2f}) on {kappa.count} labels"
    if not kappa.lower >= min_kappa:
        return blocked(GATE, f"its agreement with labels, {measured}, is not surely {min_kappa:g}", {"kappa": kappa.value})
    return passed(GATE, f"its agreement with labels is {measured}", {"kappa": kappa.value})


def _compute_kappa(counts: np.ndarray) -> np.ndarray:
    """Kappa of rows of counts (no, no), (no, yes), (yes, no), (yes, yes); not a number where chance alone agrees on everything."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    observed = shares[:, 0] + shares[:, 3]
    label_yes, judge_yes = shares[:, 2] + shares[:, 3], shares[:, 1] + shares[:, 3]
    expected = label_yes * judge_yes + (1 - label_yes) * (1 - judge_yes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
