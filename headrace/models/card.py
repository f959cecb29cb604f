"""The model card (Mitchell 2019): what the model is for, how good it is and for whom, and where it ends. Markdown, for people."""

import json
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from headrace.decisions import Decision
from headrace.models import evaluation
from headrace.models.candidate import Candidate
from headrace.use_case import UseCase

# A card that lists every feature is read by nobody.
_TOP_FEATURES = 12


def build_card(
    candidate: Candidate,
    *,
    case: UseCase,
    split: Decision,
    metrics: Mapping[str, float | None],
    slices: pl.DataFrame,
    explanation: Mapping[str, float],
) -> str:
    """The card as Markdown.

    Args:
        candidate: Its metadata.
        case: The use case.
        split: Verdict on the split; its evidence counts the rows.
        metrics: Figures on the holdout.
        slices: Figures by slice, as of `evaluation.score_slices`.
        explanation: Mean |SHAP| of each feature (nats), strongest first.
    """
    sections = {
        f"# Model card: {case.name}": [case.title],
        "## Purpose": _purpose(candidate, case),
        "## Data": _data(candidate, split),
        "## How good": _figures(metrics),
        "## For whom": _slices(slices),
        "## What moves it": _features(explanation),
        "## Limits": _limits(candidate, case),
        "## Provenance": _provenance(candidate),
    }
    return "\n".join(f"{title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections.items())


def _purpose(candidate: Candidate, case: UseCase) -> list[str]:
    return [
        f"Probability that `{candidate.label}` is 1. {case.label.description}",
        "",
        f"LightGBM, {candidate.best_round} rounds, {len(candidate.features)} features (features version {candidate.features_version}), Platt-scaled. "
        f"Owner: {case.owner}.",
    ]


def _data(candidate: Candidate, split: Decision) -> list[str]:
    windows = {
        "train": (candidate.train_start, candidate.train_end, "searching parameters, then the trees"),
        "validation": (candidate.validation_start, candidate.validation_end, "judging the search, then the trees"),
        "holdout": (candidate.holdout_start, candidate.holdout_end, "the figures below, and nothing else"),
    }
    rows = [
        (part, f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", f"{split.evidence[f'{part}_rows']:,.0f}", use)
        for part, (start, end, use) in windows.items()
    ]
    gap_days = (candidate.holdout_start - candidate.validation_end).total_seconds() / 86_400
    return [
        *_table(("part", "from (UTC)", "until (UTC)", "rows", "used for"), rows),
        "",
        f"As of {candidate.as_of:%Y-%m-%d %H:%M} UTC. Gaps of {gap_days:.1f} days between the parts, so that every label was known before the next "
        f"part began. {split.evidence['unlabelled_rows']:,.0f} rows have no label and are left out.",
    ]


def _figures(metrics: Mapping[str, float | None]) -> list[str]:
    rows = [(metric, *(_figure(metrics.get(f"holdout/{whose}{metric}")) for whose in ("", "linear_", "baseline_"))) for metric in evaluation.METRICS]
    rate, mean = _figure(metrics.get("holdout/label_rate_fraction")), _figure(metrics.get("holdout/prediction_mean_fraction"))
    return [
        *_table(("holdout", "this model", "linear", "business rule"), rows),
        "",
        f"Log loss in nats; less is better, as for Brier score and calibration error. Normalized: 1 is a constant that knows the rate. "
        f"The label's rate on the holdout is {rate}, the mean prediction {mean}.",
    ]


def _slices(slices: pl.DataFrame) -> list[str]:
    wide = slices.filter(pl.col("slice_column") != evaluation.ALL).pivot(
        on="metric",
        on_columns=["log_loss", "roc_auc", "calibration_error"],
        index=["slice_column", "slice_value", "row_count"],
        values="value",
        maintain_order=True,
    )
    rows = [(f"{column} {value}", f"{count:,}", *map(_figure, figures)) for column, value, count, *figures in wide.rows()]
    return _table(("slice", "rows", "log loss", "ROC AUC", "calibration error"), rows)


def _features(explanation: Mapping[str, float]) -> list[str]:
    rows = [(name, f"{strength:.4f}") for name, strength in list(explanation.items())[:_TOP_FEATURES]]
    return _table(("feature", "mean \\|SHAP\\| (nats)"), rows)


def _limits(candidate: Candidate, case: UseCase) -> list[str]:
    return [
        f"- Trained on predictions made from {candidate.train_start:%Y-%m-%d} to {candidate.validation_end:%Y-%m-%d}; "
        "it has not seen what happens at other times.",
        f"- It is to be replaced or confirmed after {case.policy.max_age.days} days.",
        "- SHAP says what moved the predictions, not what causes the outcome.",
        f"- Slices with fewer than {case.policy.min_slice_rows:,} rows are reported, not guarded.",
    ]


def _provenance(candidate: Candidate) -> list[str]:
    facts = {"seed": candidate.seed, "parameters": dict(candidate.params), **candidate.provenance}
    return [f"- {name}: `{fact if isinstance(fact, str) else json.dumps(fact, sort_keys=True, default=str)}`" for name, fact in facts.items()]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(header), _line(["---"] * len(header)), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None) -> str:
    return "not computable" if value is None else f"{value:.4f}"
