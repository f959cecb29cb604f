"""Losses of two candidates on the same rows, day by day."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from headrace.decisions import Decision
from headrace.registry.comparison import decide_comparison
from headrace.use_case import Policy
from tests.models.purchases import KEY, POLICY

START = datetime(2013, 5, 1, tzinfo=UTC)
DAYS, ROWS_A_DAY = 20, 10
ROWS = DAYS * ROWS_A_DAY


def losses(values: float | list[float] | np.ndarray) -> pl.DataFrame:
    """One row per purchase: ten a day over twenty days, half of them in each shop."""
    return pl.DataFrame(
        {
            KEY[0]: [f"p{number:03}" for number in range(ROWS)],
            "prediction_at": [START + timedelta(days=number // ROWS_A_DAY) for number in range(ROWS)],
            "shop": ["north" if number % 2 else "south" for number in range(ROWS)],
            "loss": np.broadcast_to(np.asarray(values, dtype=float), ROWS),
        },
        schema_overrides={"prediction_at": pl.Datetime("us", "UTC")},
    )


def compare(challenger: pl.DataFrame, opponent: pl.DataFrame, *, policy: Policy = POLICY, seed: int = 0) -> Decision:
    return decide_comparison(challenger=challenger, opponent=opponent, key=KEY, policy=policy, seed=seed)
