"""Build a candidate: split, search, fit, calibrate, evaluate, explain, write. The same rows and seed write the same bytes.

Parameters are searched on the training window and judged on the validation window, forward in time. Then the trees are
fitted on both, stopped and calibrated by cross-fitting. The holdout judges the result: nothing is fitted or chosen on it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from headrace.decisions import Decision, blocked, passed
from headrace.models.baseline import Baseline, fit_baseline
from headrace.models.candidate import BASELINE, CARD, DRIFT_REFERENCE, EXPLANATION, LINEAR, METRICS, MODEL, Candidate, write_candidate, write_json
from headrace.models.card import build_card
from headrace.models.encoding import Categories, encode, fit_categories
from headrace.models.explain import explain
from headrace.models.kinds import load_fitted_kind
from headrace.models.kinds.kind import FittedKind, Outcomes, finite_mean
from headrace.models.lightgbm import Examples, build_dataset, cross_fit, fit_trees, load_booster, predict_scores
from headrace.models.linear import Linear, fit_linear
from headrace.models.slices import score_slices
from headrace.models.splits import GATE, PREDICTED_AT, Splits, decide_split, split_by_time
from headrace.models.tuning import tune
from headrace.use_case import UseCase

logger = logging.getLogger(__name__)

# Each fold costs a fit. Five folds instead of three changed the log loss of the following weeks by 0.0002 nats.
FOLDS = 3

# Threads of one fit wait for each other at every split: of few rows each has nothing to do, and beside other work on the same cores
# two of them took 100 s for a training that takes one 4 s (4,700 rows).
_ROWS_OF_A_THREAD = 20_000

_WEEK = timedelta(days=7) // timedelta(microseconds=1)

_MONTH = "month"


@dataclass(frozen=True, kw_only=True)
class CandidateReport:
    """What came of building a candidate.

    Attributes:
        decision: Whether the rows allowed an honest fit; blocked means that nothing was fitted and nothing written.
        candidate: Its metadata; None when blocked.
        metrics: `<split>/<metric>_<unit>` -> figure, null where it cannot be computed; empty when blocked.
    """

    decision: Decision
    candidate: Candidate | None
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class _Model:
    """The fitted parts of a candidate, before they are files."""

    kind: FittedKind
    outcomes: Outcomes
    categories: Categories
    params: Mapping[str, Any]
    rounds: int
    trees: str
    calibration: Mapping[str, Any]
    cross_fitted_loss: float | None
    baseline: Baseline
    linear: Linear

    def predict(self, rows: pl.DataFrame, *, features: tuple[str, ...], threads: int) -> np.ndarray:
        matrix = encode(rows, features=features, categories=self.categories)
        scores = predict_scores(load_booster(self.trees), matrix, threads=threads)
        return self.kind.calibrate(self.calibration, scores + _start(self.kind, self.baseline, rows))


def build_candidate(
    rows: pl.DataFrame, *, case: UseCase, as_of: datetime, seed: int, threads: int, folder: Path, provenance: Mapping[str, Any]
) -> CandidateReport:
    """Build a candidate from labelled feature rows and write its folder; `candidate.json` comes last, so a folder that has it is complete.

    Args:
        rows: Features, `prediction_at`, `features_version`, the label (or null) and `label_known_at`. Any order;
            rows of other features versions are left out. Grain: one row per key.
        case: The use case.
        as_of: Instant (UTC) whose knowledge counts.
        seed: Seed of sampling, search and fit.
        threads: Most threads of one fit; they change no byte of the result.
        folder: An existing, empty folder.
        provenance: What else made the candidate (table versions, commit, packages); kept in `candidate.json` and card.

    Raises:
        CandidateError: The rows lack a feature, or one has a type the model cannot read.
    """
    kind, label, features = load_fitted_kind(case.kind), case.label.name, case.features.names
    usable = rows.filter(pl.col("features_version") == case.features.version)
    splits = split_by_time(usable, as_of=as_of, spec=case.model_spec, gap=case.label.matures_after, label=label, key=case.features.key)
    split = decide_split(splits, kind=kind, policy=case.policy, features=case.features, label=label)
    decision = _decide_objectives(splits, case, kind) if split.passed and case.model_spec.objectives else split
    if not decision.passed:
        return CandidateReport(decision=decision, candidate=None, metrics={})

    threads = max(1, min(threads, splits.known.height // _ROWS_OF_A_THREAD))
    model = _fit(splits, case=case, seed=seed, threads=threads)
    candidate = _describe(model, splits, case=case, as_of=as_of, seed=seed, provenance=provenance)
    predictions = model.predict(splits.holdout, features=features, threads=threads)
    judged = splits.holdout.with_columns(
        *kind.to_columns(predictions, model.outcomes),
        pl.col(PREDICTED_AT).dt.strftime("%Y-%m").alias(_MONTH),
    )
    metrics = _measure(model, splits.holdout, predictions, label=label)
    slices = score_slices(judged, kind=kind, label=label, slices=[*case.policy.slices, _MONTH])
    explained = splits.holdout.sample(min(case.model_spec.explained_rows, splits.holdout.height), seed=seed)
    explanation = explain(load_booster(model.trees), encode(explained, features=features, categories=model.categories), threads=threads)

    card = build_card(candidate, case=case, split=split, metrics=metrics, slices=slices, explanation=explanation)

    _write_model(folder, model)
    write_json(folder / METRICS, metrics | {"slices": slices.to_dicts()})
    write_json(folder / EXPLANATION, explanation)
    (folder / CARD).write_text(card, encoding="utf-8")
    _sample_reference(splits.known, features=features, limit=case.policy.drift_sample_rows, seed=seed).write_parquet(folder / DRIFT_REFERENCE)
    write_candidate(folder, candidate)
    logger.info("built a candidate of %s train=%d holdout=%d rounds=%d", case.name, splits.train.height, splits.holdout.height, model.rounds)
    return CandidateReport(decision=decision, candidate=candidate, metrics=metrics)


def _decide_objectives(splits: Splits, case: UseCase, kind: FittedKind) -> Decision:
    """Block objectives that the kind does not offer. Those that any offers add logs, and there is none of a negative number."""
    chosen = case.model_spec.objectives
    if unknown := [name for name in chosen if name not in kind.objectives]:
        offered = ", ".join(sorted(kind.objectives)) or "no other than its own"
        return blocked(GATE, f"kind {kind.name} offers {offered}, not objectives={', '.join(unknown)}; take them out of training.py")
    negative = splits.known.filter(pl.col(case.label.name) < 0).height
    if negative:
        return blocked(GATE, f"{negative} labels are negative, objectives={', '.join(chosen)} take none; take them out of training.py")
    return passed(GATE, "no label is negative")


def _fit(splits: Splits, *, case: UseCase, seed: int, threads: int) -> _Model:
    """Search forward in time, calibrate on cross-fitted scores, fit on everything before the holdout."""
    kind, label, features, spec = load_fitted_kind(case.kind), case.label.name, case.features.names, case.model_spec
    known = splits.known
    outcomes = kind.list_outcomes(known[label])
    objective = kind.objective(outcomes)
    categories = fit_categories(known, case.features.categorical)
    baseline = fit_baseline(known, kind=kind, label=label, outcomes=outcomes, columns=case.policy.baseline)

    def examples(rows: pl.DataFrame) -> Examples:
        labels = kind.encode(rows[label], outcomes) - _start(kind, baseline, rows)
        return Examples(matrix=encode(rows, features=features, categories=categories), labels=labels)

    def binned(rows: Examples, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        return build_dataset(rows, features=features, categorical=case.features.categorical, reference=reference)

    sample = binned(examples(splits.train.sample(min(spec.tuning_rows, splits.train.height), seed=seed)))
    params = tune(sample, binned(examples(splits.validation), sample), spec=spec, objective=objective, seed=seed, threads=threads)

    everything = examples(known)
    rows = binned(everything)
    fitted = {**objective, **params}
    crossed = cross_fit(everything, rows, folds=_folds(known), params=fitted, max_rounds=spec.max_rounds, seed=seed, threads=threads)
    scores = crossed.scores + _start(kind, baseline, known)
    calibration = kind.fit_calibration(scores, kind.encode(known[label], outcomes))
    return _Model(
        kind=kind,
        outcomes=outcomes,
        categories=categories,
        params=params,
        rounds=crossed.best_round,
        trees=fit_trees(rows, params=fitted, rounds=crossed.best_round, seed=seed, threads=threads),
        calibration=calibration,
        cross_fitted_loss=finite_mean(kind.losses(known[label], kind.calibrate(calibration, scores), outcomes)),
        baseline=baseline,
        linear=fit_linear(known, kind=kind, label=label, outcomes=outcomes, features=features, categories=categories, seed=seed),
    )


def _start(kind: FittedKind, baseline: Baseline, rows: pl.DataFrame) -> np.ndarray | float:
    """What the trees' scores are added to: what the rule says where it carries a value on, else nothing."""
    return baseline.predict(rows) if kind.rule_carries else 0.0


def _folds(rows: pl.DataFrame) -> np.ndarray:
    """Fold of each row: whole weeks in turn, since rows of one day know too much about each other to judge each other.

    A history of few weeks is cut finer, so that every fold has rows.
    """
    elapsed = (rows[PREDICTED_AT] - rows[PREDICTED_AT].min()).dt.total_microseconds().to_numpy()
    return elapsed // min(_WEEK, elapsed.max() / (2 * FOLDS)) % FOLDS


def _write_model(folder: Path, model: _Model) -> None:
    (folder / MODEL).write_text(model.trees, encoding="utf-8")
    write_json(folder / BASELINE, model.baseline.as_json())
    write_json(folder / LINEAR, model.linear.as_json())


def _describe(model: _Model, splits: Splits, *, case: UseCase, as_of: datetime, seed: int, provenance: Mapping[str, Any]) -> Candidate:
    return Candidate(
        use_case=case.name,
        kind=case.kind,
        label=case.label.name,
        outcomes=model.outcomes,
        features_version=case.features.version,
        features=case.features.names,
        categories={name: tuple(values) for name, values in model.categories.items()},
        learns_change=model.kind.rule_carries,
        calibration=model.calibration,
        as_of=as_of,
        train_start=splits.train_start,
        train_end=splits.train_end,
        validation_start=splits.validation_start,
        validation_end=splits.validation_end,
        holdout_start=splits.holdout_start,
        holdout_end=splits.holdout_end,
        params=dict(model.params),
        best_round=model.rounds,
        seed=seed,
        provenance=dict(provenance),
    )


def _measure(model: _Model, holdout: pl.DataFrame, predictions: np.ndarray, *, label: str) -> dict[str, float | None]:
    """Figures of the model and of both baselines on the holdout."""
    kind, labels, outcomes = model.kind, holdout[label], model.outcomes
    said = {"": predictions, "baseline_": model.baseline.predict(holdout), "linear_": model.linear.predict(holdout)}
    metrics: dict[str, float | None] = {
        f"holdout/{whose}{metric}": figure for whose, predicted in said.items() for metric, figure in kind.score(labels, predicted, outcomes).items()
    }
    described = {f"holdout/{name}": figure for name, figure in kind.describe(labels, predictions, outcomes).items()}
    return metrics | described | {"holdout/row_count": float(holdout.height), f"cross_fitted/{kind.metrics[0]}": model.cross_fitted_loss}


def _sample_reference(known: pl.DataFrame, *, features: tuple[str, ...], limit: int, seed: int) -> pl.DataFrame:
    """The rows that drift is measured against, in time order."""
    return known.sample(min(limit, known.height), seed=seed).sort(PREDICTED_AT, *features).select(PREDICTED_AT, *features)
