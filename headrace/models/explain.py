"""What moved the predictions: mean |SHAP| of each feature, from LightGBM's own exact tree SHAP (Lundberg 2018)."""

import lightgbm
import numpy as np


def explain(booster: lightgbm.Booster, matrix: np.ndarray, *, threads: int) -> dict[str, float]:
    """Mean absolute SHAP value of each feature (nats of log-odds, before calibration), strongest first.

    Args:
        booster: The trees.
        matrix: Encoded rows to explain; a few hundred, since SHAP is some 400 times dearer than prediction.
        threads: Threads of the computation.
    """
    # The last column is the expected value, no feature's.
    contributions = np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=threads))[:, :-1]
    strength = np.abs(contributions).mean(axis=0)
    order = np.argsort(-strength, kind="stable")
    names = booster.feature_name()
    return {names[place]: float(strength[place]) for place in order}
