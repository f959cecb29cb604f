"""Split labelled rows by time, with gaps, and judge whether the parts may be trained on.

    train | gap | validation | gap | holdout | gap | as_of

A gap is as long as a label can take to become known. It is dropped whole, not only the rows still without a label: among
the flights of the last hours, those that have landed are the punctual ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol, cast

import numpy as np
import polars as pl

from headrace.decisions import Decision, blocked, decide_all, passed
from headrace.features.views import FeatureSet
from headrace.models.kinds.kind import FittedKind, Kind
from headrace.use_case import Policy
from headrace.words import format_count

GATE = "split"

PREDICTED_AT, LABEL_KNOWN_AT = "prediction_at", "label_known_at"

# Values of one feature are put into this many groups of equal count, and rates are taken over this many rows at most: a
# leak is no subtle thing, and 30 features are then searched in a third of a second.
_GROUPS, _SEARCHED_ROWS = 50, 20_000


class Windows(Protocol):
    """Lengths of the windows; a `TrainingSpec` has them."""

    @property
    def holdout(self) -> timedelta:
        """Of the newest one, which judges."""
        ...

    @property
    def validation(self) -> timedelta:
        """Of the one before it."""
        ...

    @property
    def history(self) -> timedelta | None:
        """Longest history before that; None: all there is."""
        ...


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Three windows of labelled rows, oldest first, sorted by time and key. Instants bound `prediction_at` (UTC), ends are exclusive.

    Attributes:
        train: Rows that parameters are searched on.
        validation: Rows that judge the search.
        holdout: Rows that judge; nothing is fitted or chosen on them.
        train_start: `prediction_at` of the oldest training row; `train_end` where there is none.
        train_end: End of the training rows, one gap before `validation_start`.
        validation_start: Start of the validation rows.
        validation_end: End of the validation rows, one gap before `holdout_start`.
        holdout_start: Start of the holdout.
        holdout_end: End of the holdout, one gap before `as_of`.
        unlabelled_count: Rows dropped because they have no label and never will.
        unknown_count: Rows dropped because they lie in a gap, or their label came later than any gap allows for.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    holdout: pl.DataFrame
    train_start: datetime
    train_end: datetime
    validation_start: datetime
    validation_end: datetime
    holdout_start: datetime
    holdout_end: datetime
    unlabelled_count: int
    unknown_count: int

    @property
    def known(self) -> pl.DataFrame:
        """All rows before the holdout, in time order: what the final fit may use."""
        return pl.concat([self.train, self.validation])

    @property
    def parts(self) -> Mapping[str, pl.DataFrame]:
        """The three windows by name."""
        return {"train": self.train, "validation": self.validation, "holdout": self.holdout}


def split_by_time(rows: pl.DataFrame, *, as_of: datetime, spec: Windows, gap: timedelta, label: str, key: Sequence[str]) -> Splits:
    """Split by `prediction_at`, newest window last.

    Args:
        rows: Feature rows with the label (or null), `prediction_at` and `label_known_at`. Any order.
        as_of: Instant (UTC) whose knowledge counts.
        spec: Lengths of the windows.
        gap: Longest time from prediction to label (`Label.matures_after`).
        label: Name of the label column.
        key: Columns that identify a row; they settle the order of rows of one instant.

    Returns:
        The parts; one may be empty, which `decide_split` blocks.
    """
    holdout_end = as_of - gap
    holdout_start = holdout_end - spec.holdout
    validation_end = holdout_start - gap
    validation_start = validation_end - spec.validation
    train_end = validation_start - gap
    labelled = rows.filter(pl.col(label).is_not_null()).sort(PREDICTED_AT, *key)
    oldest = train_end - spec.history if spec.history is not None else _oldest(labelled) or train_end
    train = _window(labelled, start=oldest, end=train_end, known_by=validation_start)
    validation = _window(labelled, start=validation_start, end=validation_end, known_by=holdout_start)
    holdout = _window(labelled, start=holdout_start, end=holdout_end, known_by=as_of)
    return Splits(
        train=train,
        validation=validation,
        holdout=holdout,
        train_start=_oldest(train) or train_end,
        train_end=train_end,
        validation_start=validation_start,
        validation_end=validation_end,
        holdout_start=holdout_start,
        holdout_end=holdout_end,
        unlabelled_count=rows.height - labelled.height,
        unknown_count=labelled.filter(pl.col(PREDICTED_AT) >= oldest).height - train.height - validation.height - holdout.height,
    )


def _oldest(rows: pl.DataFrame) -> datetime | None:
    return cast("datetime | None", rows[PREDICTED_AT].min())


def _window(rows: pl.DataFrame, *, start: datetime, end: datetime, known_by: datetime) -> pl.DataFrame:
    """Rows of `start <= prediction_at < end` whose label the next window could already know."""
    return rows.filter((pl.col(PREDICTED_AT) >= start) & (pl.col(PREDICTED_AT) < end) & (pl.col(LABEL_KNOWN_AT) <= known_by))


def decide_split(splits: Splits, *, kind: FittedKind, policy: Policy, features: FeatureSet, label: str) -> Decision:
    """Decide whether models may be trained and judged on these parts.

    Blocks on what `decide_parts` blocks on, and on a feature that alone nearly determines the label.
    """
    parts = decide_parts(splits, kind=kind, policy=policy, features=features, label=label)
    # A single feature is searched only in parts that are fit to be searched.
    searched = _decide_single_features(splits, kind, policy, features, label) if parts.passed else parts
    return Decision(gate=GATE, passed=searched.passed, reason=searched.reason, evidence={**parts.evidence, **searched.evidence})


def decide_parts(splits: Splits, *, kind: Kind, policy: Policy, features: FeatureSet, label: str) -> Decision:
    """Decide whether candidates may be built and judged on these parts.

    Blocks on too few rows, on labels that the kind cannot be fitted to or judged on (one class only), on a row in two parts, on
    parts out of order, and on a leaking column among the features. The evidence counts the rows.
    """
    named = decide_all(
        GATE, [*_decide_rows(splits, kind, policy, label), _decide_overlap(splits, features.key), _decide_order(splits), _decide_names(features)]
    )
    counts: dict[str, float | str] = {f"{name}_rows": float(part.height) for name, part in splits.parts.items()}
    evidence = counts | {"unlabelled_rows": float(splits.unlabelled_count), "unknown_rows": float(splits.unknown_count)} | dict(named.evidence)
    return Decision(gate=GATE, passed=named.passed, reason=named.reason, evidence=evidence)


def _decide_rows(splits: Splits, kind: Kind, policy: Policy, label: str) -> list[Decision]:
    needed = {"train": policy.min_training_rows, "validation": policy.min_holdout_rows, "holdout": policy.min_holdout_rows}
    decisions = [
        passed(f"{name}_rows", format_count(part.height, "row"))
        if part.height >= needed[name]
        else blocked(f"{name}_rows", f"{format_count(part.height, 'labelled row')}, the policy needs {needed[name]}")
        for name, part in splits.parts.items()
    ]
    faults = {name: kind.find_label_fault(part[label]) for name, part in splits.parts.items()}
    return decisions + [
        passed(f"{name}_labels", f"fit for {kind.name}") if fault is None else blocked(f"{name}_labels", fault) for name, fault in faults.items()
    ]


def _decide_overlap(splits: Splits, key: Sequence[str]) -> Decision:
    keys = pl.concat([part.select(key) for part in splits.parts.values()])
    repeated = keys.height - keys.unique().height
    occur = "row occurs" if repeated == 1 else "rows occur"
    return blocked("overlap", f"{repeated} {occur} more than once") if repeated else passed("overlap", "no row occurs twice")


def _decide_order(splits: Splits) -> Decision:
    """Each part's last label was known before the next part's first prediction."""
    parts = [(name, part) for name, part in splits.parts.items() if part.height]
    for (name, part), (later, after) in pairwise(parts):
        late = part.filter(pl.col(LABEL_KNOWN_AT) > _oldest(after)).height
        if late:
            return blocked("order", f"{late} labels of {name} became known only after {later} had begun")
    return passed("order", "every label was known before the next part began")


def _decide_names(features: FeatureSet) -> Decision:
    leaking = sorted(set(features.names) & set(features.forbidden))
    return blocked("leaking_columns", f"{', '.join(leaking)} would leak the label") if leaking else passed("leaking_columns", "no leaking column")


def _decide_single_features(splits: Splits, kind: FittedKind, policy: Policy, features: FeatureSet, label: str) -> Decision:
    """Mean of the label per value of each feature, taken on training rows, must not rank validation rows too well."""
    train, validation = (part.gather_every(max(1, part.height // _SEARCHED_ROWS)) for part in (splits.train, splits.validation))
    aucs = {name: single_feature_auc(name, label, kind=kind, train=train, validation=validation) for name in features.names}
    suspect = {name: auc for name, auc in aucs.items() if not auc <= policy.max_feature_auc}
    strongest = max(aucs, key=lambda name: aucs[name])
    evidence = {"strongest_feature": strongest, "strongest_feature_auc": aucs[strongest]}
    if suspect:
        found = ", ".join(f"{name} ({auc:.3f})" for name, auc in suspect.items())
        return blocked(GATE, f"alone nearly determines the label: {found}, the policy allows an AUC of {policy.max_feature_auc:.3f}", evidence)
    return passed(GATE, f"parts are fit to train on; strongest single feature {strongest} ({aucs[strongest]:.3f})", evidence)


def single_feature_auc(name: str, label: str, *, kind: FittedKind, train: pl.DataFrame, validation: pl.DataFrame) -> float:
    """How well one feature alone ranks validation rows (ROC AUC, concordance), whatever the shape of its relation; nulls are a value of their own.

    Args:
        name: Column of the feature: numbers or strings.
        label: Column of the label.
        kind: The kind of task.
        train: Rows that the label's mean per value, or per group of values, is learned on.
        validation: Rows that it is judged on; not a number where no two of their labels differ.
    """
    place, groups = _groups(train[name], validation[name])
    seen, judged = place[: train.height], place[train.height :]
    outcomes = kind.list_outcomes(train[label])
    targets = train.select(target.alias(f"{place}") for place, target in enumerate(kind.targets(label, outcomes))).to_numpy()
    counts = np.bincount(seen, minlength=groups) + 1
    means = [(np.bincount(seen, weights=target, minlength=groups) + target.mean()) / counts for target in targets.T]
    auc = kind.rank(validation[label], np.column_stack(means)[judged], outcomes)
    return math.nan if auc is None else auc


def _groups(train: pl.Series, validation: pl.Series) -> tuple[np.ndarray, int]:
    """Group of every row (training rows first) and the number of groups: one per category, quantiles of a number, one for null."""
    if train.dtype.is_numeric():
        both = pl.concat([train.cast(pl.Float64), validation.cast(pl.Float64)]).to_numpy()
        known = both[: train.len()][np.isfinite(both[: train.len()])]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _GROUPS + 1)[1:-1])) if known.size else np.empty(0)
        return np.where(np.isnan(both), edges.size + 1, np.searchsorted(edges, both, side="right")), edges.size + 2
    codes = pl.concat([train.cast(pl.String), validation.cast(pl.String)]).rank("dense").fill_null(0).to_numpy().astype(np.int64)
    return codes, int(codes.max(initial=0)) + 1
