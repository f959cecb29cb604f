"""Quarantine: rows that broke their contract, kept beside the table with the names of what they broke."""

import polars as pl

from headrace.errors import LakeError
from headrace.lake.contracts import BROKEN_COLUMN
from headrace.lake.quality import QualityReport


def split(frame: pl.DataFrame, report: QualityReport) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divide a batch into the rows that are accepted and those that are rejected.

    Args:
        frame: The batch, as it was judged: the same rows in the same order.
        report: Its verdict.

    Returns:
        Accepted rows as they came, and rejected rows with `_expectation`, the names of all they broke. Every row is in
        exactly one of the two, in the order of the batch.

    Raises:
        LakeError: The report is about another number of rows, so that a row would be lost or counted twice.
    """
    if report.broken.len() != frame.height:
        judged = report.broken.len()
        raise LakeError(f"{report.table}: the quality report is about {judged} rows, the batch has {frame.height}; split the frame that was judged")
    accepted = frame.filter(report.broken.is_null())
    rejected = frame.with_columns(report.broken.alias(BROKEN_COLUMN)).filter(report.broken.is_not_null())
    if accepted.height + rejected.height != frame.height:
        raise LakeError(f"{report.table}: {accepted.height} accepted and {rejected.height} rejected rows are not the {frame.height} that were read")
    return accepted, rejected
