"""How MLflow loads a version: this module is named in the model, so the code comes from the repository, not from the artifact.

`mlflow.pyfunc.load_model("models:/dev.flight_delay@champion")` ends here.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from headrace.registry.candidates import LoadedCandidate, load_outside

if TYPE_CHECKING:
    import pandas as pd


class CandidateModel:
    """A candidate behind MLflow's `predict`."""

    def __init__(self, scorer: LoadedCandidate) -> None:
        self.scorer = scorer

    def predict(self, rows: "pd.DataFrame", params: dict[str, Any] | None = None) -> np.ndarray:
        """Predictions as the model's kind makes them, one per row; rows carry the features by name, as pandas from MLflow."""
        return self.scorer.predict(pl.from_pandas(rows))


def _load_pyfunc(path: str) -> CandidateModel:
    """MLflow's entry point: `path` is the candidate's folder."""
    return CandidateModel(load_outside(Path(path)))
