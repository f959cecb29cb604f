"""How a candidate of either family is built; apart from `candidates`, because a server that loads one needs nothing that fits one."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from headrace.models.kinds import load_kind
from headrace.models.training import CandidateReport, build_candidate
from headrace.settings import Settings
from headrace.use_case import UseCase


def build(settings: Settings, case: UseCase, rows: pl.DataFrame, *, as_of: datetime, folder: Path, made_of: Mapping[str, Any]) -> CandidateReport:
    """Build a candidate from labelled rows and write its folder.

    Args:
        settings: The environment.
        case: The use case.
        rows: Feature rows whose label is known, as of `scoring.read_labelled_rows`.
        as_of: Instant (UTC) whose knowledge counts.
        folder: An existing, empty folder.
        made_of: What else made the candidate; kept in it.
    """
    if load_kind(case.kind).is_fitted:
        return build_candidate(rows, case=case, as_of=as_of, seed=settings.seed, threads=settings.threads, folder=folder, provenance=made_of)
    from headrace.llm.chain_training import build_chain

    return build_chain(settings, case, rows, as_of=as_of, folder=folder, provenance=made_of)
