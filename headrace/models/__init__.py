"""Build, evaluate and score candidates: splits, LightGBM, baselines, calibration, metrics, explanation, card.

Only `scorer` and what it imports is needed to predict; everything else is for training.
"""
