"""What is known of a question when it is asked: its text, which retrieval reads, and its shape, whose drift is watched."""

from datetime import timedelta

import polars as pl

from headrace.features.views import FeatureSet, Inputs

# A question begins with what it wants. Anything else is a keyword search, or a statement.
FORMS = ("how", "why", "what", "where", "when", "which", "who", "is", "are", "can", "does", "do", "should")
OTHER = "other"


def build_spine(inputs: Inputs) -> pl.DataFrame:
    """Every question, answered when it is asked. Grain: one row per question_id."""
    return inputs["questions"].select("question_id", "question", pl.col("asked_at").alias("prediction_at"))


def add_shape(rows: pl.DataFrame) -> pl.DataFrame:
    """How the question is put; run for requests too."""
    words = pl.col("question").str.to_lowercase().str.extract_all(r"[\w']+")
    first = words.list.first()
    return rows.with_columns(
        words.list.len().cast(pl.Float64).alias("word_count"),
        pl.col("question").str.count_matches(r"[A-Za-z_]+[._()][A-Za-z_.()]*|__\w+__").cast(pl.Float64).alias("code_word_count"),
        pl.when(first.is_in(FORMS)).then(first).otherwise(pl.lit(OTHER)).alias("form"),
    )


FEATURES = FeatureSet(
    version=1,  # raise it when a feature's meaning changes
    key=("question_id",),
    refresh=timedelta(hours=1),
    spine_inputs=("questions",),
    build_spine=build_spine,
    carried=("question",),
    request_columns={"question_id": pl.String(), "question": pl.String()},
    on_demand=add_shape,
    on_demand_features=("word_count", "code_word_count", "form"),
    categorical=("form",),
    views=(),
    forbidden=("answer_section", "answer_section_id", "answer", "is_answerable"),
)
