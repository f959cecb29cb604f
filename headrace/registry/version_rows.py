"""Registered versions as rows: `metrics.model_versions` tells of a version what its files say, to people who may not ask the registry.

The row follows the registration. A run that died in between finds the version registered and its row missing, and writes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from headrace.errors import CandidateError
from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_row
from headrace.models.baseline import Baseline, parse_baseline
from headrace.models.candidate import BASELINE, CARD, EXPLANATION, METADATA, METRICS, Candidate, parse_candidate, read_candidate, read_json
from headrace.models.kinds import load_kind
from headrace.settings import Settings
from headrace.use_case import UseCase

TABLE = "metrics.model_versions"


@dataclass(frozen=True, kw_only=True)
class Described:
    """A version as its row describes it.

    Attributes:
        number: Its number in the registry.
        candidate: Its metadata.
        metrics: Figures by name (`holdout/log_loss`); None where one cannot be computed.
        explanation: Mean |SHAP| of each feature (nats).
        rule: The business rule that it was compared with; None for a chain, whose plain search asks its index.
        card: Its model card, Markdown.
    """

    number: int
    candidate: Candidate
    metrics: Mapping[str, float | None]
    explanation: Mapping[str, float]
    rule: Baseline | None
    card: str


def is_recorded(settings: Settings, case: UseCase, *, model_id: str) -> bool:
    """Whether a version has its row."""
    return tables.is_written(settings, TABLE, batch_id=_batch_id(case, model_id))


def record_version(settings: Settings, case: UseCase, folder: Path, *, number: int, model_id: str, commit: str, read_from: Mapping[str, int]) -> None:
    """Write the row of a registered version, once.

    Args:
        settings: The environment that registered it.
        case: The use case.
        folder: The version's candidate files.
        number: Its number in the registry.
        model_id: Hash of what made it.
        commit: Commit of the code that built it.
        read_from: Table -> Delta version that it was built from.
    """
    candidate = read_candidate(folder)
    figures = {name: value for name, value in read_json(folder / METRICS).items() if value is None or isinstance(value, int | float)}
    row = {
        "use_case": case.name,
        "as_of": candidate.as_of,
        "model_version": number,
        "model_id": model_id,
        "commit": commit,
        "features_version": candidate.features_version,
        "tables": _text(read_from),
        "parameters": _text(candidate.params),
        "metrics": _text(figures),
        "explanation": json.dumps(read_json(folder / EXPLANATION)),
        "rule": json.dumps(read_json(folder / BASELINE)),
        "candidate": _text(read_json(folder / METADATA)),
        "card": (folder / CARD).read_text(encoding="utf-8"),
        "registered_at": datetime.now(UTC),
    }
    tables.append(settings, TABLE, build_row(TABLE, row), batch_id=_batch_id(case, model_id))


def read_versions(settings: Settings, case: UseCase) -> pl.DataFrame:
    """Rows of all versions of a use case, oldest first."""
    return tables.read(settings, TABLE).filter(pl.col("use_case") == case.name).sort("model_version").collect()


def read_described(settings: Settings, case: UseCase, *, number: int) -> Described:
    """One version as its row describes it.

    Raises:
        CandidateError: It has no row, or one that this code cannot read.
    """
    is_wanted = (pl.col("use_case") == case.name) & (pl.col("model_version") == number)
    found = tables.read(settings, TABLE).filter(is_wanted).collect()
    if found.is_empty():
        raise CandidateError(f"version {number} of {case.name} has no row in {TABLE} of {settings.seen}: it was not registered by training")
    row = found.row(-1, named=True)
    origin = f"the row of version {number} in {TABLE}"
    candidate = parse_candidate(json.loads(row["candidate"]), origin)
    return Described(
        number=number,
        candidate=candidate,
        metrics=json.loads(row["metrics"]),
        explanation=json.loads(row["explanation"]),
        rule=parse_baseline(json.loads(row["rule"])) if load_kind(candidate.kind).is_fitted else None,
        card=row["card"],
    )


def _batch_id(case: UseCase, model_id: str) -> str:
    return build_batch_id("train", case.name, model_id)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), sort_keys=True, default=str)
