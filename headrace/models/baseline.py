"""The business rule that a model must beat: the label's historical rate per combination of a few columns.

For flights: how often was this carrier late at this hour of the day. It stands in for the champion where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace.errors import CandidateError
from headrace.models.candidate import BASELINE, read_json

# A combination seen in few rows is drawn to the overall rate as if 50 more rows had been seen at it: the standard error of a
# rate of one quarter over 50 rows is 6 percentage points, about the spread between carriers.
PRIOR_ROWS = 50

_RATE = "_rate"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A table of rates.

    Attributes:
        columns: Columns it looks at; a number with the width of its groups, a category with None.
        rates: Those columns (numbers as the lower edge of their group) and the smoothed rate. Grain: one row per combination seen.
        overall: Rate of all rows, for combinations never seen and for nulls.
    """

    columns: Mapping[str, float | None]
    rates: pl.DataFrame
    overall: float

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """The historical rate (0 to 1) of each row's combination, in the rows' order.

        Raises:
            CandidateError: The rows lack a column of the rule.
        """
        missing = [name for name in self.columns if name not in rows.columns]
        if missing:
            raise CandidateError(f"the rows lack {', '.join(missing)}, which the business rule looks at")
        groups = rows.select(_groups(self.columns))
        found = groups.join(self.rates.cast(dict(groups.schema)), on=list(self.columns), how="left", maintain_order="left")
        return found[_RATE].fill_null(self.overall).to_numpy()

    def as_json(self) -> dict[str, Any]:
        """Content of `baseline.json`."""
        return {"columns": dict(self.columns), "overall": self.overall, "rates": [list(row) for row in self.rates.rows()]}


def fit_baseline(rows: pl.DataFrame, *, label: str, columns: Mapping[str, float | None]) -> Baseline:
    """Fit the rule on labelled rows (label 1.0 or 0.0)."""
    overall = float(rows.select(pl.col(label).mean()).item())
    rate = (pl.col(label).sum() + PRIOR_ROWS * overall) / (pl.len() + PRIOR_ROWS)
    rates = rows.select(*_groups(columns), label).group_by(list(columns)).agg(rate.alias(_RATE)).drop_nulls().sort(list(columns))
    return Baseline(columns=columns, rates=rates, overall=overall)


def load_baseline(folder: Path) -> Baseline:
    """Load the rule from a candidate's folder.

    Raises:
        CandidateError: The file is missing or broken.
    """
    return parse_baseline(read_json(folder / BASELINE))


def parse_baseline(content: Mapping[str, Any]) -> Baseline:
    """The rule that JSON holds."""
    rates = pl.DataFrame(content["rates"], schema=[*content["columns"], _RATE], orient="row", infer_schema_length=None)
    return Baseline(columns=content["columns"], rates=rates, overall=content["overall"])


def _groups(columns: Mapping[str, float | None]) -> list[pl.Expr]:
    return [pl.col(name) if width is None else (pl.col(name) / width).floor() * width for name, width in columns.items()]
