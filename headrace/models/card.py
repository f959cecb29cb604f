"""The model card (Mitchell 2019): what the model is for, how good it is and for whom, and where it ends. Markdown, for people."""

import json
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from headrace.decisions import Decision
from headrace.models.candidate import Candidate
from headrace.models.kinds import load_fitted_kind
from headrace.models.kinds.kind import OBJECTIVE, FittedKind
from headrace.models.slices import ALL
from headrace.use_case import UseCase
from headrace.words import format_count

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
        slices: Figures by slice, as of `slices.score_slices`.
        explanation: Mean |SHAP| of each feature, strongest first.
    """
    kind = load_fitted_kind(candidate.kind)
    sections = {
        f"# Model card: {case.name}": [case.title],
        "## Purpose": _purpose(candidate, case, kind),
        "## Data": _data(candidate, split),
        "## How good": _figures(metrics, kind),
        "## For whom": _slices(slices, kind),
        "## What moves it": _features(explanation, kind),
        "## Limits": _limits(candidate, case),
        "## Provenance": _provenance(candidate),
    }
    return "\n".join(f"{title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections.items())


def _purpose(candidate: Candidate, case: UseCase, kind: FittedKind) -> list[str]:
    return [
        f"{kind.words.purpose.format(label=candidate.label)} {case.label.description}",
        "",
        f"LightGBM, {format_count(candidate.best_round, 'round')}, {format_count(len(candidate.features), 'feature')} "
        f"(features version {candidate.features_version}), "
        f"{kind.words.calibration}{_scale(candidate)}. Owner: {case.owner}.",
    ]


def _scale(candidate: Candidate) -> str:
    """What the trees add up, where it is not the value itself; SHAP is on the same scale."""
    if candidate.learns_change:
        return "; its trees say the change from the business rule"
    objective = candidate.params.get(OBJECTIVE)
    return f"; its trees add logs ({objective} objective)" if objective in load_fitted_kind(candidate.kind).objectives else ""


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


def _figures(metrics: Mapping[str, float | None], kind: FittedKind) -> list[str]:
    rows = [(metric, *(_figure(metrics.get(f"holdout/{whose}{metric}")) for whose in ("", "linear_", "baseline_"))) for metric in kind.metrics]
    described = ", ".join(f"{name} {_figure(metrics.get(f'holdout/{name}'))}" for name in kind.described)
    return [
        *_table(("holdout", "this model", "linear", "business rule"), rows),
        "",
        f"{kind.words.note} On the holdout: {described}.",
    ]


def _slices(slices: pl.DataFrame, kind: FittedKind) -> list[str]:
    wide = slices.filter(pl.col("slice_column") != ALL).pivot(
        on="metric",
        on_columns=list(kind.card_metrics),
        index=["slice_column", "slice_value", "row_count"],
        values="value",
        maintain_order=True,
    )
    rows = [(f"{column} {value}", f"{count:,}", *map(_figure, figures)) for column, value, count, *figures in wide.rows()]
    return _table(("slice", "rows", *kind.card_metrics), rows)


def _features(explanation: Mapping[str, float], kind: FittedKind) -> list[str]:
    rows = [(name, f"{strength:.4f}") for name, strength in list(explanation.items())[:_TOP_FEATURES]]
    return _table(("feature", f"mean \\|SHAP\\| ({kind.words.score_unit})"), rows)


def _limits(candidate: Candidate, case: UseCase) -> list[str]:
    return [
        f"- Trained on predictions made from {candidate.train_start:%Y-%m-%d} to {candidate.validation_end:%Y-%m-%d}; "
        "it has not seen what happens at other times.",
        *([f"- {case.about_days}"] if case.about_days else []),
        f"- It is to be replaced or confirmed after {format_count(case.policy.max_age.days, 'day')}.",
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
