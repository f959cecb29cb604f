"""What moved the predictions: mean |SHAP| of each feature, from LightGBM's own exact tree SHAP (Lundberg 2018)."""

import lightgbm
import numpy as np


def explain(booster: lightgbm.Booster, matrix: np.ndarray, *, threads: int) -> dict[str, float]:
    """Mean absolute SHAP value of each feature (nats of log-odds, or the label's unit; before calibration), strongest first.

    Of several classes, the values of each row are added up.

    Args:
        booster: The trees.
        matrix: Encoded rows to explain; a few hundred, since SHAP is some 400 times dearer than prediction.
        threads: Threads of the computation.
    """
    names = booster.feature_name()
    # Of each class, the last column is the expected value, no feature's.
    contributions = np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=threads)).reshape(matrix.shape[0], -1, len(names) + 1)
    strength = np.abs(contributions[:, :, :-1]).sum(axis=1).mean(axis=0)
    order = np.argsort(-strength, kind="stable")
    return {names[place]: float(strength[place]) for place in order}
