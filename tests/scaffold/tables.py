"""A made-up table with one of everything that a person's export has: what predicts, what tells the answer, what is personal, what is nothing."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 2_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def customers(rows: int = ROWS) -> pl.DataFrame:
    """One row per customer, one every four hours; `churned` follows plan and visits, `left_on` is filled in when somebody has left."""
    generator = np.random.default_rng(7)
    visits, plans = generator.poisson(5, rows), generator.choice(["basic", "plus", "family"], rows)
    logits = 0.8 - 0.35 * visits + 0.9 * (plans == "basic")
    churned = generator.random(rows) < 1 / (1 + np.exp(-logits))
    signed_up_at = [START + timedelta(hours=4 * number) for number in range(rows)]
    return pl.DataFrame(
        {
            "Customer ID": [f"c{number:05}" for number in range(rows)],
            "signed_up_at": signed_up_at,
            "plan": plans,
            "visits": visits,
            "price_eur": np.round(generator.normal(20, 4, rows), 2),
            "is_member": generator.random(rows) < 0.5,
            "born_on": [date(1960, 1, 1) + timedelta(days=int(days)) for days in generator.integers(0, 15_000, rows)],
            "email": [f"c{number}@mail.example" for number in range(rows)],
            "comment": [f"text number {number}" for number in range(rows)],
            "country": ["DE"] * rows,
            "left_on": [at.date() + timedelta(days=30) if gone else None for at, gone in zip(signed_up_at, churned, strict=True)],
            "exit_survey": np.where(churned, "answered", "none"),
            "class": generator.choice(["a", "b"], rows),
            "churned": np.where(churned, "yes", "no"),
        }
    )


def write_csv(folder: Path, rows: pl.DataFrame | None = None) -> Path:
    """The table as an export."""
    path = folder / "customers.csv"
    (customers() if rows is None else rows).write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return path
