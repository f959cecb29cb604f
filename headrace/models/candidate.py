"""A candidate on disk: a folder of data files, and the metadata that says what it is and how it came to be.

    candidate.json           what it is: features in order, categories, calibration, windows, parameters, provenance
    model.txt                the trees, LightGBM's own text
    baseline.json            the business rule, fitted on the same rows
    linear.json              the linear baseline
    metrics.json             figures on the holdout, overall and by slice
    explanation.json         mean |SHAP| of each feature (nats)
    card.md                  the model card
    drift_reference.parquet  a sample of the rows it was trained on

Nothing in the folder can run code when it is read. The same rows and seed write the same bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace.errors import CandidateError

FORMAT = 3

METADATA, MODEL, BASELINE, LINEAR = "candidate.json", "model.txt", "baseline.json", "linear.json"
METRICS, EXPLANATION, CARD, DRIFT_REFERENCE = "metrics.json", "explanation.json", "card.md", "drift_reference.parquet"
FILES = (METADATA, MODEL, BASELINE, LINEAR, METRICS, EXPLANATION, CARD, DRIFT_REFERENCE)

_INSTANTS = ("as_of", "train_start", "train_end", "validation_start", "validation_end", "holdout_start", "holdout_end")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a candidate is, and how it came to be. All instants are UTC and bound `prediction_at`; ends are exclusive.

    Attributes:
        use_case: Name of the use case.
        kind: Name of the kind of task, of `headrace.models.kinds`.
        label: Column it predicts.
        outcomes: Classes it tells apart, in the order of its predictions' columns; empty where it predicts one number.
        features_version: Version of the feature set it was trained on, the only one it serves.
        features: Features in the order of the model's columns.
        categories: Categorical feature -> its values in the order of their codes.
        learns_change: Whether its trees say the change from what the business rule says, not the value.
        calibration: How scores become probabilities; see `headrace.models.calibration`.
        as_of: Instant whose knowledge it was built from.
        train_start: First instant of the rows that parameters were searched on.
        train_end: End of those rows.
        validation_start: First instant of the rows that judged the search. The trees were fitted on both windows.
        validation_end: End of those rows; nothing later touched the model.
        holdout_start: First instant of the rows that judge it.
        holdout_end: End of those rows.
        params: Parameters of LightGBM, found and fixed.
        best_round: Boosting rounds kept.
        seed: Seed of sampling, search and fit.
        provenance: Table versions, commit, packages: whatever it takes to build it again.
        format: Version of this folder's layout.
    """

    use_case: str
    kind: str
    label: str
    outcomes: tuple[str, ...]
    features_version: int
    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    learns_change: bool
    calibration: Mapping[str, Any]
    as_of: datetime
    train_start: datetime
    train_end: datetime
    validation_start: datetime
    validation_end: datetime
    holdout_start: datetime
    holdout_end: datetime
    params: Mapping[str, Any]
    best_round: int
    seed: int
    provenance: Mapping[str, Any]
    format: int = FORMAT


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that is the same bytes for the same content; a number that is not finite is refused."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a candidate.

    Raises:
        CandidateError: The file is missing, or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CandidateError(f"candidate file {path} cannot be read ({error}); the version is incomplete, train it again") from error
    if not isinstance(content, dict):
        raise CandidateError(f"candidate file {path} must hold a JSON object, it holds {type(content).__name__}")
    return content


def write_candidate(folder: Path, candidate: Candidate) -> None:
    """Write `candidate.json`."""
    content = asdict(candidate)
    write_json(folder / METADATA, {"format": content.pop("format")} | content | {name: getattr(candidate, name).isoformat() for name in _INSTANTS})


def read_candidate(folder: Path) -> Candidate:
    """Read `candidate.json`.

    Raises:
        CandidateError: The file is missing, of another format, or not complete.
    """
    return parse_candidate(read_json(folder / METADATA), str(folder / METADATA))


def _as_now(content: dict[str, Any]) -> dict[str, Any]:
    """Metadata of an older format as this one would say it."""
    # Before there were kinds of task, every candidate was a binary classifier.
    since_kinds = content | {"kind": "binary", "outcomes": [], "format": 2} if content.get("format") == 1 else content
    return since_kinds | {"learns_change": False, "format": FORMAT} if since_kinds.get("format") == 2 else since_kinds


def parse_candidate(content: Mapping[str, Any], origin: str) -> Candidate:
    """The metadata that JSON holds.

    Raises:
        CandidateError: It is of another format, or not complete.
    """
    content = _as_now(dict(content))
    if content.get("format") != FORMAT:
        raise CandidateError(f"{origin} has format {content.get('format')!r}, this code reads {FORMAT}; load it with the commit that wrote it")
    expected = {field.name for field in fields(Candidate)}
    if content.keys() != expected:
        raise CandidateError(
            f"{origin} must have exactly {', '.join(sorted(expected))}; it differs in {', '.join(sorted(expected ^ content.keys()))}"
        )
    values: dict[str, Any] = {**content} | {name: datetime.fromisoformat(content[name]).astimezone(UTC) for name in _INSTANTS}
    values["features"], values["outcomes"] = tuple(content["features"]), tuple(content["outcomes"])
    values["categories"] = {name: tuple(categories) for name, categories in content["categories"].items()}
    return Candidate(**values)
