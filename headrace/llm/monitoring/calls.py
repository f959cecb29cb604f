"""What answers in a model's words took: tokens, cost, seconds; and whether an answer takes more tokens than it used to.

Medians, because one answer that runs on to its limit is no change. Answers of each prompt are compared with what came before by
themselves: a window in which a longer prompt took over at noon holds as many short answers as long ones.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from headrace.monitoring.figures import Figure, measure_mean, measure_percentile, measure_share

PROMPT = "prompt"

# What a model is asked for, where that is an answer to a question; a judge answers none.
SERVED = "answer"
ANSWERING = (SERVED, "evaluate")

# Fewer answers of one prompt have no median worth comparing.
MIN_ANSWERS = 5

TOKENS, RISE = "calls/tokens_per_answer", "calls/tokens_per_answer_rise_fraction"

# Says what caused a rise: asked with the answers that took most, and with those before.
Explain = Callable[[pl.DataFrame, pl.DataFrame], str]

# What tells one way of answering from another.
WAYS = ("prompt", "prompt_version", "prompt_hash", "model")


def gather_answers(calls: pl.DataFrame, champions: pl.DataFrame) -> pl.DataFrame:
    """The calls that brought an answer, as one row. An evaluation asks other prompts and models too: only a champion's answers count.

    Args:
        calls: Rows of `metrics.llm_calls` with `at` (UTC): the instant that each stands for.
        champions: `since` (UTC), `champion_prompt_hash` and `champion_model` (null: it pins none). Grain: one reign, oldest first.

    Returns:
        `purpose`, `request_id`, `at`, the columns of `WAYS`, `input_tokens`, `output_tokens`, `tokens`, `cost_usd` (null where one call's is
        unknown), `latency_s`, `time_to_first_token_s` (of the last call). Grain: one answer, oldest first.
    """
    asked = calls.filter(pl.col("purpose").is_in(ANSWERING) & (pl.col("status") == "answered")).sort("at", "called_at")
    asked = asked.join_asof(champions.sort("since", maintain_order=True), left_on="at", right_on="since", strategy="backward")
    is_champions = (pl.col("prompt_hash") == pl.col("champion_prompt_hash")) & (pl.col("model") == pl.col("champion_model"))
    asked = asked.filter((pl.col("purpose") == SERVED) | is_champions)
    whole = {"input_tokens": "input_token_count", "output_tokens": "output_token_count", "cost_usd": "cost_usd", "latency_s": "latency_s"}
    sums = [pl.when(pl.col(column).is_null().any()).then(None).otherwise(pl.col(column).sum()).alias(name) for name, column in whole.items()]
    answers = asked.group_by("purpose", "request_id", "at", *WAYS, maintain_order=True).agg(*sums, pl.col("time_to_first_token_s").last())
    return answers.with_columns((pl.col("input_tokens") + pl.col("output_tokens")).alias("tokens"))


def measure_calls(calls: pl.DataFrame, answers: pl.DataFrame) -> list[Figure]:
    """Tokens, cost and seconds of the answers of a window, and the share of calls that failed.

    Args:
        calls: All calls of the window, those that failed too.
        answers: Its rows of `gather_answers`.
    """
    of_prompts = [
        measure_percentile(TOKENS, part["tokens"], 50, slice_column=PROMPT, slice_value=name_prompt(part))
        for part in answers.partition_by(*WAYS, maintain_order=True)
    ]
    return [
        measure_percentile(TOKENS, answers["tokens"], 50),
        *of_prompts,
        measure_percentile("calls/prompt_tokens_per_answer", answers["input_tokens"], 50),
        measure_percentile("calls/answer_tokens_per_answer", answers["output_tokens"], 50),
        measure_mean("calls/cost_per_answer_usd", answers["cost_usd"]),
        measure_percentile("calls/latency_p95_s", answers["latency_s"], 95),
        measure_percentile("calls/time_to_first_token_p95_s", answers["time_to_first_token_s"], 95),
        measure_share("calls/failed_fraction", int((calls["status"] == "failed").sum()), calls.height),
    ]


def find_risen(answers: pl.DataFrame) -> pl.DataFrame:
    """The answers of the window that took most: of the prompt and model with the highest median, of those with enough answers."""
    parts = [part for part in answers.partition_by(*WAYS, maintain_order=True) if part.height >= MIN_ANSWERS]
    return max(parts, key=_median, default=answers.clear())


def measure_rise(answers: pl.DataFrame, earlier: pl.DataFrame, *, explain: Explain) -> Figure:
    """How many more tokens an answer takes than before: the median now over the median before, less 1.

    Args:
        answers: Answers of the window.
        earlier: Those of the windows before it.
        explain: Says what caused it, of the answers that took most and of those before; asked only where they took more.
    """
    if unknown := answers["tokens"].null_count():
        return Figure(name=RISE, value=None, count=answers.height, reason=f"the tokens of {unknown} of {answers.height} answers are not known")
    known, risen = earlier.drop_nulls("tokens"), find_risen(answers)
    if known.height < MIN_ANSWERS or risen.is_empty():
        return Figure(name=RISE, value=None, count=0, reason=f"{risen.height} answers, {known.height} before: {MIN_ANSWERS} of each are compared")
    now, before = _median(risen), _median(known)
    if before == 0:
        return Figure(name=RISE, value=None, count=answers.height, reason="the answers before took no tokens")
    rise = now / before - 1
    said = f"an answer took {now:.0f} tokens, {before:.0f} before (medians of {risen.height} and {known.height})"
    return Figure(name=RISE, value=rise, count=answers.height, reason=f"{said}; {explain(risen, known)}" if rise > 0 else said)


def name_prompt(answers: pl.DataFrame) -> str:
    """Prompt and model of answers that share them, in a word: `dev.docs_assistant.answer v2, smollm2-135m-instruct`."""
    prompt, version, _, model = answers.select(WAYS).row(0)
    return f"{prompt} v{version}, {model}" if prompt else f"no prompt, {model}"


def _median(answers: pl.DataFrame) -> float:
    return float(np.median(answers["tokens"].to_numpy()))
