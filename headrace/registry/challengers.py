"""Challengers: named by what makes them, built from what is known, registered once."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from headrace import provenance
from headrace.decisions import Decision, passed
from headrace.lake import tables
from headrace.lake.batches import format_instant
from headrace.models.candidate import METRICS, read_candidate, read_json
from headrace.models.kinds import load_kind
from headrace.registry import candidate_building, candidates, scoring, version_rows, versions
from headrace.settings import Settings
from headrace.use_case import UseCase

if TYPE_CHECKING:
    from mlflow.models import ModelSignature


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything that makes a candidate what it is.

    Attributes:
        model_id: Hash of the rest; two candidates with one id are the same candidate.
        as_of: Instant (UTC) whose knowledge it is built from.
        tables: Table -> Delta version it is built from.
        commit: Commit of the clone.
        code_hash: Hash of code and contracts as they lie on disk.
        seed: Seed of sampling, search and fit.
    """

    model_id: str
    as_of: datetime
    tables: Mapping[str, int]
    commit: str
    code_hash: str
    seed: int


def identify(settings: Settings, case: UseCase, *, as_of: datetime) -> Identity:
    """Name the candidate that would be built now, from what was known at `as_of` (UTC)."""
    versions_read = {name: tables.read_version(settings, name) for name in candidates.list_inputs(case)}
    found = {name: version for name, version in versions_read.items() if version is not None}
    commit, code_hash = provenance.read_commit(), provenance.read_code_hash()
    parts = {"as_of": as_of, "tables": found, "commit": commit, "code_hash": code_hash, "seed": settings.seed}
    text = json.dumps({"use_case": case.name, "training": asdict(case.training), **parts}, sort_keys=True, default=str)
    model_id = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Identity(model_id=model_id, as_of=as_of, tables=found, commit=commit, code_hash=code_hash, seed=settings.seed)


def candidate_working_folder(settings: Settings, identity: Identity) -> Path:
    """Where a candidate lies between its building and its registration."""
    return settings.find_folder("run", identity.model_id, versions.CANDIDATE_FOLDER)


def build(settings: Settings, case: UseCase, identity: Identity) -> Decision:
    """Build the candidate's folder, unless the data do not allow an honest fit; a registered candidate is not built again."""
    if versions.find(settings, case, model_id=identity.model_id) is not None:
        return passed("train", "built and registered before")
    rows = scoring.read_labelled_rows(settings, case, as_of=identity.as_of)
    folder = _empty_folder(settings, identity)
    report = candidate_building.build(settings, case, rows, as_of=identity.as_of, folder=folder, made_of=_provenance(case, identity))
    if not report.decision.passed:
        return report.decision
    watched = [f"holdout/{metric}" for metric in load_kind(case.kind).watched]
    figures = ", ".join(f"{name} {report.metrics[name]:.3f}" for name in watched if report.metrics.get(name) is not None)
    return passed("train", figures)


def register(settings: Settings, case: UseCase, identity: Identity) -> versions.Version:
    """Register the built candidate as a version, once, write its row and make it the challenger. Its working folder is removed."""
    folder = candidate_working_folder(settings, identity)
    version = versions.find(settings, case, model_id=identity.model_id)
    if version is None:
        tags = {"as_of": format_instant(identity.as_of), "commit": identity.commit, "code_hash": identity.code_hash, "stage": "staging"}
        version = register_folder(settings, case, folder, model_id=identity.model_id, tags=tags, tables=identity.tables)
    if not version_rows.is_recorded(settings, case, model_id=identity.model_id):
        files = folder if folder.is_dir() else versions.candidate_folder(settings, version)
        version_rows.record_version(
            settings, case, files, number=version.number, model_id=version.model_id, commit=identity.commit, read_from=identity.tables
        )
    versions.set_alias(settings, case, alias=versions.CHALLENGER, number=version.number)
    shutil.rmtree(folder.parent, ignore_errors=True)
    return version


def register_folder(
    settings: Settings, case: UseCase, folder: Path, *, model_id: str, tags: Mapping[str, str], tables: Mapping[str, int]
) -> versions.Version:
    """Register a candidate's folder with everything that MLflow shows about it: parameters, figures, tags, tables."""
    candidate = read_candidate(folder)
    packages = {f"package.{name}": version for name, version in candidates.read_packages(case).items()}
    of_case = {"use_case": case.name, "owner": case.owner, "features_version": str(case.features.version)}
    return versions.register(
        settings,
        case,
        folder,
        model_id=model_id,
        signature=_build_signature(case),
        params={**candidate.params, "best_round": candidate.best_round, "seed": candidate.seed, **packages},
        metrics={name: value for name, value in read_json(folder / METRICS).items() if isinstance(value, float)},
        tags={**of_case, **tags, "tables": json.dumps(dict(tables), sort_keys=True)},
        tables=tables,
        requirements=candidates.list_requirements(case),
    )


def _build_signature(case: UseCase) -> "ModelSignature":
    """Inputs by name and type, so that a model that is called with other columns refuses; null is allowed, as in the table."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    read = case.features.names if load_kind(case.kind).is_fitted else case.features.carried
    numbers = set(case.features.names) - set(case.features.categorical)
    inputs = [ColSpec("double" if name in numbers else "string", name, required=False) for name in read]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec("double" if column.type == "float64" else "string", name) for name, column in load_kind(case.kind).columns.items()
    ]
    return ModelSignature(inputs=Schema([ColSpec("long", "features_version"), *inputs]), outputs=Schema(outputs))


def _provenance(case: UseCase, identity: Identity) -> dict[str, object]:
    made_of = {"tables": dict(identity.tables), "commit": identity.commit, "code_hash": identity.code_hash}
    return made_of | {"packages": candidates.read_packages(case)}


def _empty_folder(settings: Settings, identity: Identity) -> Path:
    """A fresh folder: what a killed run left in it must not be mistaken for this run's work."""
    folder = candidate_working_folder(settings, identity)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def holdout_rows(settings: Settings, case: UseCase, folder: Path) -> pl.DataFrame:
    """The rows that judge a candidate: its own holdout window, as known at its own `as_of`, with labels."""
    candidate = read_candidate(folder)
    rows = scoring.read_labelled_rows(settings, case, as_of=candidate.as_of)
    in_holdout = pl.col("prediction_at").is_between(candidate.holdout_start, candidate.holdout_end, closed="left")
    return rows.filter(in_holdout & pl.col(case.label.name).is_not_null())
