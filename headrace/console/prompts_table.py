"""How good answers in a model's words were, as Markdown: a line per chain and prompt, on the same questions, with intervals."""

import polars as pl

from headrace.console.pages import name_place
from headrace.console.rubrics_table import render_rubrics
from headrace.inventory.markdown import render_table
from headrace.lake import tables
from headrace.llm.intervals import Interval
from headrace.llm.wording_figures import QUALITIES, compare_words, measure_words
from headrace.settings import Settings
from headrace.use_case import UseCase

_NAMES = {
    "worded_fraction": "in its words",
    "grounded_fraction": "grounded",
    "citation_precision_fraction": "citations right",
    "exact_match_fraction": "exact match",
    "rouge_l_fraction": "ROUGE-L",
    "token_count": "tokens",
    "latency_s": "s",
}
_LEGEND = (
    "Counted are those that a chain answers at all. *In its words*: the model's text stands, because the sections that it cites hold it; all others "
    "are answered by quotation. *Grounded*: share of what the model said that its sections hold. *Citations right*: share of the sections cited to "
    "the reader that are known to answer. *Exact match*, *ROUGE-L*: with the text of the true section. Tokens of prompt and answer, and seconds on "
    "one thread beside other work, of one answer. In parentheses: 95 % intervals over questions."
)
_LINE = ("model_version", "model_id", "prompt", "prompt_version", "prompt_hash", "model")


def render_prompts(settings: Settings, case: UseCase) -> str:
    """The newest chain that worded answers and whatever else was asked the same questions, or what to do where nobody was."""
    table, command = case.table("inference", "worded_answers"), f"`make evaluate {name_place(settings, case)}`"
    if table not in tables.list_tables(settings):
        return f"No answer in a model's words was judged yet: {command} makes them."
    rows = tables.read(settings, table).collect()
    lines = _list_lines(rows)
    asked = sorted(set.intersection(*(set(line["question_id"]) for line in lines)))
    lines = [line.filter(pl.col("question_id").is_in(asked)).sort("question_id") for line in lines]
    made = f"Answers in a model's words, made by {command} (`PROMPT=` tries another prompt), to {len(asked)} questions on which no chain was tuned."
    intro = f"{made} {_LEGEND}"
    header = ("chain", "prompt", "model", "answered", *_NAMES.values())
    gains = [_tell_gain(lines[0], line, seed=settings.seed) for line in lines[1:]]
    return "\n\n".join(
        [intro, render_table(header, [_render(line, seed=settings.seed) for line in lines]), *gains, render_rubrics(settings, case, lines)]
    )


def _list_lines(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Rows by chain and prompt, of chains that share a question with the newest one; what was asked first, or more, leads."""
    newest = rows.filter(pl.col("model_version") == pl.col("model_version").max())["question_id"].to_list()
    parts = [part for part in rows.partition_by(_LINE) if set(part["question_id"]) & set(newest)]
    return sorted(parts, key=lambda part: (part["model_version"][0], part["worded_at"].min(), -part.height))


def _render(line: pl.DataFrame, *, seed: int) -> tuple[str, ...]:
    first, figures = line.row(0, named=True), measure_words(line, seed=seed)
    cells = [_format(figures[metric], digits=3 if metric in QUALITIES else 0) for metric in _NAMES]
    return (
        str(first["model_version"]),
        f"{first['prompt']} v{first['prompt_version']}",
        first["model"],
        f"{line['is_answered'].sum()} of {line.height}",
        *cells,
    )


def _tell_gain(first: pl.DataFrame, other: pl.DataFrame, *, seed: int) -> str:
    """What a prompt changes against the first one, question by question."""
    figures = compare_words(other, first, seed=seed)
    told = [f"{_NAMES[metric]} {_spread(figures, f'{metric}_gain', sign='+')}" for metric in ("worded_fraction", "citation_precision_fraction")]
    told.append(f"tokens times {_spread(figures, 'token_count_ratio', sign='')}")
    names = [f"{line['prompt'][0]} v{line['prompt_version'][0]} (chain {line['model_version'][0]})" for line in (other, first)]
    return f"{names[0]} against {names[1]}, on the {figures['question_count']:.0f} questions that both answered: {', '.join(told)}."


def _spread(figures: dict[str, float | None], name: str, *, sign: str) -> str:
    value, lower, upper = (figures[f"{name}{end}"] for end in ("", "_lower_bound", "_upper_bound"))
    return "unknown" if value is None else f"{value:{sign}.3f} ({lower:{sign}.3f} to {upper:{sign}.3f})"


def _format(interval: Interval, *, digits: int) -> str:
    if interval.value is None:
        return "-"
    return f"{interval.value:.{digits}f} ({interval.lower:.{digits}f} to {interval.upper:.{digits}f})"
