"""How good answers in a model's words were, as Markdown: a line per chain and prompt, on the same questions, with intervals."""

import polars as pl

from headrace.console.pages import name_place
from headrace.console.rubrics_table import name_line, render_rubrics
from headrace.inventory.markdown import render_table
from headrace.lake import tables
from headrace.llm.wording_figures import QUALITIES, compare_words, measure_words
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count, format_interval

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
    rows = tables.read(settings, table).collect() if table in tables.list_tables(settings) else pl.DataFrame()
    if rows.is_empty():
        return f"No answer in a model's words was judged yet: {command} makes them."
    lines, left_out = _list_lines(rows)
    count = format_count(lines[0].height, "question")
    made = f"Answers in a model's words, made by {command} (`PROMPT=` tries another prompt), to {count} on which no chain was tuned."
    intro = f"{made} {_LEGEND}"
    header = ("chain", "prompt", "model", "answered", *_NAMES.values())
    gains = [_tell_gain(lines[0], line, seed=settings.seed) for line in (*lines[1:], *left_out)]
    few = [f"{name_line(line)} {line.height} of them" for line in left_out]
    aside = [f"Not in the table, because fewer than half of these questions were put to it: {', '.join(few)}."] if few else []
    table = render_table(header, [_render(line, seed=settings.seed) for line in lines])
    return "\n\n".join([intro, table, *aside, *gains, render_rubrics(settings, case, lines)])


def _list_lines(rows: pl.DataFrame) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """Rows by chain and prompt, on the questions that all of them were asked, and those that were asked too few of them.

    What was asked first, or more, leads. The newest chain is there in any case; of the others those that share half of the questions with it
    and with all that are newer: a prompt that was tried on five questions must not leave five of a hundred.
    """
    asked: set[str] = set()
    lines, left_out = [], []
    for part in sorted(rows.partition_by(_LINE), key=lambda part: (-part["model_version"][0], -part.height)):
        shared = asked & set(part["question_id"]) if lines else set(part["question_id"])
        if 2 * len(shared) >= len(asked):
            asked = shared
            lines.append(part)
        else:
            left_out.append(part)
    lines, left_out = ([part.filter(pl.col("question_id").is_in(asked)).sort("question_id") for part in parts] for parts in (lines, left_out))
    return sorted(lines, key=lambda line: (line["model_version"][0], line["worded_at"].min(), -line.height)), [
        part for part in left_out if part.height
    ]


def _render(line: pl.DataFrame, *, seed: int) -> tuple[str, ...]:
    first, figures = line.row(0, named=True), measure_words(line, seed=seed)
    found = [(figures[metric], 3 if metric in QUALITIES else 0) for metric in _NAMES]
    cells = [format_interval(figure.value, figure.lower, figure.upper, digits=digits) for figure, digits in found]
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
    told = [f"{_NAMES[metric]} {_spread(figures, f'{metric}_gain', is_gain=True)}" for metric in ("worded_fraction", "citation_precision_fraction")]
    told.append(f"tokens times {_spread(figures, 'token_count_ratio', is_gain=False)}")
    return f"{name_line(other)} against {name_line(first)}, on the {figures['question_count']:.0f} questions that both answered: {', '.join(told)}."


def _spread(figures: dict[str, float | None], name: str, *, is_gain: bool) -> str:
    value, lower, upper = (figures[f"{name}{end}"] for end in ("", "_lower_bound", "_upper_bound"))
    return "unknown" if value is None else format_interval(value, lower, upper, is_gain=is_gain)
