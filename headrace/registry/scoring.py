"""Scores of registered versions: predictions of the champion in force, and losses of two versions on the same rows."""

from datetime import datetime

import polars as pl

from headrace.decisions import blocked, passed
from headrace.errors import CandidateError
from headrace.features.materialize import feature_hashes
from headrace.lake import tables
from headrace.lake.batches import build_batch_id, format_instant
from headrace.lake.runs import Step, read_watermark
from headrace.models.kinds import load_kind
from headrace.registry import candidates, history, versions
from headrace.registry.candidates import LoadedCandidate
from headrace.settings import Settings
from headrace.use_case import UseCase
from headrace.words import format_count

UTC_MICROSECONDS = pl.Datetime("us", "UTC")


def append_predictions(settings: Settings, case: UseCase, *, as_of: datetime, revision: int = 1) -> Step:
    """Append the predictions of rows with `prediction_at` after the last slice and until `as_of` (UTC) to `inference.<use_case>_predictions`.

    Each row is scored by the champion in force at its own prediction time; rows before the first champion have none.
    """
    table = case.table("inference", "predictions")
    after = read_watermark(settings, table, column="_as_of", below=as_of)
    due = tables.read(settings, case.table("gold", "features")).filter(pl.col("prediction_at") <= as_of)
    due = due.filter(pl.col("prediction_at") > after) if after is not None else due
    rows = due.collect()
    reigned = history.join_reigns(rows, history.read_reigns(settings, case)).filter(pl.col("model_version").is_not_null())
    try:
        scored = score(settings, case, reigned)
    except CandidateError as error:
        return Step(decision=blocked("score", str(error)), rows_read=rows.height, rows_written=0)
    predictions = scored.with_columns(pl.lit(as_of).cast(UTC_MICROSECONDS).alias("_as_of"))
    # A higher revision takes the place of the slice's rows; the first one finds none.
    batch_id = build_batch_id("score", case.name, format_instant(as_of), revision)
    written = tables.replace(settings, table, predictions, where={"_as_of": as_of}, batch_id=batch_id)
    reason = (
        f"{written.rows} of {format_count(rows.height, 'row')} scored; the others were due before the first champion"
        if written.rows < rows.height
        else f"{format_count(written.rows, 'row')} scored"
    )
    return Step(decision=passed("score", reason), rows_read=rows.height, rows_written=written.rows)


def score(settings: Settings, case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Predictions of feature rows that say which `model_version` and `model_id` scores them. Grain: one row per row."""
    kind = load_kind(case.kind)
    columns = [*case.features.key, "prediction_at", "features_version", "model_version", "model_id", "feature_hash", *kind.columns]
    parts = []
    for (number,), part in rows.partition_by("model_version", as_dict=True, maintain_order=True).items():
        scorer = load_version(settings, case, number=int(str(number)))
        predicted = kind.to_columns(scorer.predict(part), scorer.outcomes)
        parts.append(part.with_columns(*predicted, feature_hashes(part, case.features.names).alias("feature_hash")))
    if not parts:
        schema = dict(rows.schema) | {"feature_hash": pl.String()} | {name: column.dtype for name, column in kind.columns.items()}
        return pl.DataFrame(schema=schema).select(columns)
    return pl.concat(parts).select(columns)


def load_version(settings: Settings, case: UseCase, *, number: int) -> LoadedCandidate:
    """The candidate of a registered version."""
    return candidates.load_candidate(settings, case, versions.candidate_folder(settings, versions.read(settings, case, number=number)))


def build_labels(settings: Settings, case: UseCase, *, known_by: datetime) -> pl.DataFrame:
    """Labels known at an instant (UTC): `key`, the label (null where there will be none), `label_known_at`."""
    inputs = {noun: tables.read(settings, case.table("silver", noun)).filter(pl.col("known_at") <= known_by).collect() for noun in case.label.inputs}
    return case.label.build(inputs).filter(pl.col("known_at") <= known_by).rename({"known_at": "label_known_at"})


def read_labelled_rows(settings: Settings, case: UseCase, *, as_of: datetime) -> pl.DataFrame:
    """Feature rows whose label is known at `as_of` (UTC), with the label and `label_known_at`; rows that will never have a label keep null."""
    features = tables.read(settings, case.table("gold", "features")).filter(pl.col("prediction_at") <= as_of).collect()
    return features.join(build_labels(settings, case, known_by=as_of), on=list(case.features.key), how="inner", maintain_order="left")
