"""The card of a chain (after Mitchell 2019): what it is for, how good it is and for which questions, and where it ends. Markdown, for people."""

import json
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from headrace.decisions import Decision
from headrace.llm.chain_candidate import Pins, describe_words
from headrace.models.candidate import Candidate
from headrace.models.kinds import load_kind
from headrace.models.slices import ALL
from headrace.use_case import UseCase


def build_chain_card(
    candidate: Candidate, *, case: UseCase, split: Decision, metrics: Mapping[str, float | None], slices: pl.DataFrame, pins: Pins
) -> str:
    """The card as Markdown.

    Args:
        candidate: Its metadata.
        case: The use case.
        split: Verdict on the split; its evidence counts the questions.
        metrics: Figures on the holdout.
        slices: Figures by slice, as of `slices.score_slices`.
        pins: What it answers with.
    """
    kind = load_kind(candidate.kind)
    sections = {
        f"# Chain card: {case.name}": [case.title],
        "## Purpose": [
            kind.words.purpose.format(label=candidate.label),
            "",
            f"It quotes at most {case.chain_spec.quoted} sections. Owner: {case.owner}.",
        ],
        "## Documents": [f"- {name}: `{value}`" for name, value in pins.index.items()],
        "## Words": _words(pins),
        "## Questions": _questions(candidate, split),
        "## How good": _figures(metrics, kind.metrics, kind.words.note),
        "## For which questions": _slices(slices, kind.card_metrics),
        "## Limits": _limits(case),
        "## Provenance": [f"- {name}: `{json.dumps(fact, sort_keys=True, default=str)}`" for name, fact in candidate.provenance.items()],
    }
    return "\n".join(f"{title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections.items())


def _words(pins: Pins) -> list[str]:
    """Prompt and model by which it words answers, where somebody asks for words."""
    return [f"- {name}: `{value}`" for name, value in describe_words(pins).items()] or ["It quotes, and words nothing."]


def _questions(candidate: Candidate, split: Decision) -> list[str]:
    count = {name: float(split.evidence[f"{name}_rows"]) for name in ("train", "validation", "holdout", "unlabelled")}
    return [
        f"Tuned on {count['train'] + count['validation']:,.0f} questions asked until {candidate.validation_end:%Y-%m-%d %H:%M} UTC, "
        f"judged on {count['holdout']:,.0f} asked until {candidate.holdout_end:%Y-%m-%d %H:%M} UTC, by the sections that are known to answer them. "
        f"{count['unlabelled']:,.0f} questions have no known answer and are left out."
    ]


def _figures(metrics: Mapping[str, float | None], names: Sequence[str], note: str) -> list[str]:
    rows = []
    for name in names:
        lower, upper = (metrics.get(f"holdout/{name}_{end}_bound") for end in ("lower", "upper"))
        interval = f"{lower:.3f} to {upper:.3f}" if lower is not None and upper is not None else ""
        rows.append((name, _figure(metrics.get(f"holdout/{name}")), interval, _figure(metrics.get(f"holdout/baseline_{name}"))))
    timed = ", ".join(f"p{share} {_figure(metrics.get(f'holdout/reply_p{share}_ms'))} ms" for share in (50, 95))
    return [*_table(("holdout", "this chain", "95 %", "plain search"), rows), "", f"{note} A reply by quotation takes {timed}."]


def _slices(slices: pl.DataFrame, names: Sequence[str]) -> list[str]:
    wide = slices.filter(pl.col("slice_column") != ALL).pivot(
        on="metric", on_columns=list(names), index=["slice_column", "slice_value", "row_count"], values="value", maintain_order=True
    )
    rows = [(f"{column} {value}", f"{count:,}", *map(_figure, figures)) for column, value, count, *figures in wide.rows()]
    return _table(("slice", "questions", *names), rows)


def _limits(case: UseCase) -> list[str]:
    return [
        "- It knows what its documents say, at the version above, and nothing else; what they say may be wrong.",
        "- A quotation is word for word, but may be the wrong part of the right section.",
        f"- It is to be replaced or confirmed after {case.policy.max_age.days} days.",
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(header), _line(["---"] * len(header)), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None) -> str:
    return "not computable" if value is None else f"{value:.4g}"
