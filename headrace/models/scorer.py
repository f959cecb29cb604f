"""Load a candidate and predict: what batch scoring, comparison and the server share. Imports nothing of training."""

from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from headrace.errors import CandidateError
from headrace.models.baseline import Baseline, load_baseline
from headrace.models.candidate import MODEL, Candidate, read_candidate
from headrace.models.encoding import encode
from headrace.models.kinds import load_fitted_kind
from headrace.models.kinds.kind import FittedKind, Outcomes
from headrace.models.lightgbm import load_booster, predict_scores

# The column that says which feature set rows were built with, where they carry it.
FEATURES_VERSION = "features_version"


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A loaded candidate.

    Attributes:
        metadata: Its `candidate.json`.
        booster: Its trees.
        rule: The business rule, where the trees say the change from what it says.
        threads: Threads of one prediction. One row takes 0.06 ms on one thread and up to 4 ms on several.
    """

    metadata: Candidate
    booster: lightgbm.Booster
    rule: Baseline | None = None
    threads: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        """Features in the order of the model's columns."""
        return self.metadata.features

    @property
    def kind(self) -> FittedKind:
        """Its kind of task."""
        return load_fitted_kind(self.metadata.kind)

    @property
    def outcomes(self) -> Outcomes:
        """Classes in the order of its predictions' columns; empty where it predicts one number."""
        return self.metadata.outcomes

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """Predictions as its kind makes them (calibrated probabilities, numbers with their bounds), in the rows' order.

        Args:
            rows: The features by name, in any order, among any other columns.

        Raises:
            CandidateError: A feature is missing or of another type, or the rows were built by another version of the feature set.
        """
        self._check_version(rows)
        matrix = encode(rows, features=self.features, categories=self.metadata.categories)
        if not rows.height:
            return np.empty((0, len(self.outcomes)) if self.outcomes else 0)
        scores = predict_scores(self.booster, matrix, threads=self.threads)
        return self.kind.calibrate(self.metadata.calibration, scores if self.rule is None else scores + self.rule.predict(rows))

    def _check_version(self, rows: pl.DataFrame) -> None:
        found = rows[FEATURES_VERSION].unique().to_list() if FEATURES_VERSION in rows.columns else []
        if any(version != self.metadata.features_version for version in found):
            expected = self.metadata.features_version
            raise CandidateError(
                f"the model was trained on features version {expected}, the rows have {sorted(map(str, found))}; "
                "featurize again or train on the new version"
            )


def load_scorer(folder: Path, *, threads: int = 1) -> Scorer:
    """Load the candidate in a folder.

    Raises:
        CandidateError: A file is missing or broken, or the trees have other columns than the metadata.
    """
    metadata = read_candidate(folder)
    try:
        booster = load_booster((folder / MODEL).read_text(encoding="utf-8"))
    except (OSError, ValueError, lightgbm.basic.LightGBMError) as error:
        raise CandidateError(f"the trees in {folder / MODEL} cannot be loaded ({error}); the version is incomplete, train it again") from error
    if tuple(booster.feature_name()) != metadata.features:
        raise CandidateError(f"the trees in {folder / MODEL} have other columns than candidate.json; the folder mixes two candidates")
    return Scorer(metadata=metadata, booster=booster, rule=load_baseline(folder) if metadata.learns_change else None, threads=threads)
