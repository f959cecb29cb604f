"""How good retrieval and prompts were, as Markdown: the newest evaluation with intervals and what each figure is made of."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from headrace.console.pages import name_place
from headrace.console.prompts_table import render_prompts
from headrace.inventory.markdown import render_table, replace_between
from headrace.lake import tables
from headrace.llm.evaluation_sets import EVALUATIONS, NOT_MEASURED
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_interval

BEGIN, END = "<!-- written by make evaluation -->", "<!-- end of evaluation -->"

_LEGS = {"dense": "dense", "bm25": "BM25", "rank_fusion": "fusion by ranks", "score_fusion": "fusion by tuned scores"}
_FIGURES = {
    "recall_at_1_fraction": "recall@1",
    "recall_at_10_fraction": "recall@10",
    "recall_at_50_fraction": "recall@50",
    "reciprocal_rank": "MRR",
    "ndcg_at_10": "nDCG@10",
}
_PRECISION = "abstention_precision_fraction"
_SILENCE = {
    _PRECISION: "precision",
    "abstention_recall_fraction": "recall",
    "abstention_false_alarm_fraction": "turned away wrongly",
}


def render_evaluation(settings: Settings, case: UseCase) -> str:
    """The newest evaluation of a use case: held-out half first, then gains, silence and the half that weights were found on."""
    rows = tables.read(settings, EVALUATIONS).filter(pl.col("use_case") == case.name).collect()
    if rows.is_empty():
        missing = NOT_MEASURED
        command = f"make evaluate {name_place(settings, case)}"
        return f"No evaluation of {case.name} in `{settings.seen}` yet: run `{command}`. Without questions: {missing}.\n"
    newest = rows.filter(pl.col("as_of") == pl.col("as_of").max())
    parts = [
        "### Retrieval",
        _introduce(settings, case, newest),
        _tabulate(newest, "holdout", _FIGURES, with_time=True),
        _tell_gains(newest),
        _tell_silence(newest),
        "On the half that the weights were found on (it has seen the answers):",
        _tabulate(newest, "tune", _FIGURES, with_time=False),
        "### Prompts",
        render_prompts(settings, case),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_evaluation(settings: Settings, case: UseCase, path: Path) -> Path:
    """Put the evaluation between its marks in a document; a document without them, or none, gets them at its end."""
    text = path.read_text(encoding="utf-8") if path.exists() else f"# {case.title}\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n## Evaluation\n\n{BEGIN}\n{END}\n"
    content = render_evaluation(settings, case).rstrip("\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(replace_between(text, begin=BEGIN, end=END, content=content, document=path.name), encoding="utf-8")
    return path


def _introduce(settings: Settings, case: UseCase, rows: pl.DataFrame) -> str:
    first = rows.row(0, named=True)
    counts = {split: _read(rows, "dense", split, "ndcg_at_10") for split in ("holdout", "tune")}
    tuned = rows.filter(pl.col("leg") == "score_fusion")["config"].head(1).to_list()
    weights = " A fusion by scores gained nothing on questions that were left out of its tuning, so chains use the better leg alone."
    if tuned:
        config = json.loads(tuned[0])
        weights = f" Tuned: BM25 counts {config['text_weight']:.0%}, half of its scale is at {config['text_saturation']:g}."
    return (
        f"Figures of a run in `{settings.seen}`, written by `make evaluation {name_place(settings, case)}` after `make evaluate`. "
        f"Questions: `{first['evaluation_set']}` at version {first['evaluation_set_version']}, known by {first['as_of']:%Y-%m-%d %H:%M}Z; "
        f"index {first['index_version']}. Weights were found on {_count(counts['tune'])} questions; the {_count(counts['holdout'])} others, "
        f"which nothing was chosen on, are shown first. In parentheses: 95 % intervals over questions. Milliseconds are wall time of one "
        f"search (median, 95th percentile), the embedding of the question included.{weights}"
    )


def _tabulate(rows: pl.DataFrame, split: str, figures: dict[str, str], *, with_time: bool) -> str:
    header = ["", *figures.values(), *(["ms"] if with_time else [])]
    lines = []
    for leg, name in _LEGS.items():
        found = [_read(rows, leg, split, metric) for metric in figures]
        if any(found):
            lines.append((name, *map(_format, found), *([_format_time(found)] if with_time else [])))
    return render_table(header, lines)


def _tell_gains(rows: pl.DataFrame) -> str:
    gains = {name: _read(rows, "score_fusion", "holdout", f"ndcg_at_10_gain_over_{leg}") for leg, name in (("dense", "dense"), ("bm25", "BM25"))}
    told = [f"over {name} {_format(gain, is_gain=True)}" for name, gain in gains.items() if gain]
    return f"Gain of the tuned fusion in nDCG@10, question by question on the held-out half: {', '.join(told)}." if told else ""


def _tell_silence(rows: pl.DataFrame) -> str:
    if not any(_read(rows, leg, "holdout", metric) for leg in _LEGS for metric in _SILENCE):
        return "Whether it knows what it does not know is not measured: no question is known to have no answer."
    intro = "Saying that it does not know, by a bar on the best score that was set on the other half (held-out half; in brackets: questions):"
    counts = {metric: _count(_read(rows, "dense", "holdout", metric)) for metric in _SILENCE}
    # Of how many a precision is depends on how often each leg was silent.
    header = {metric: name if metric == _PRECISION else f"{name} [{counts[metric]}]" for metric, name in _SILENCE.items()}
    few = "Where all questions agree the interval is a point; of n of them, up to 3 / n may then still be otherwise (95 %)."
    return f"{intro}\n\n{_tabulate(rows, 'holdout', header, with_time=False)}\n\n{few}"


def _read(rows: pl.DataFrame, leg: str, split: str, metric: str) -> dict | None:
    found = rows.filter((pl.col("leg") == leg) & (pl.col("metric") == f"{split}/{metric}"))
    return found.row(0, named=True) if found.height else None


def _count(row: dict | None) -> int:
    return row["question_count"] if row else 0


def _format(row: dict | None, *, is_gain: bool = False) -> str:
    return "-" if row is None else format_interval(row["value"], row["lower"], row["upper"], is_gain=is_gain)


def _format_time(found: Sequence[dict | None]) -> str:
    times = [row for row in found if row and row["query_p50_ms"] is not None]
    return f"{times[0]['query_p50_ms']:.0f}, {times[0]['query_p95_ms']:.0f}" if times else "-"
