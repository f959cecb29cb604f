"""The business rule that a model must beat: the label's historical mean per combination of a few columns, or the value of one.

For flights: how often was this carrier late at this hour of the day. For a forecast: as it was on that weekday a week ago.
It stands in for the champion where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace.errors import CandidateError
from headrace.models.candidate import BASELINE, read_json
from headrace.models.kinds.kind import FittedKind, Outcomes

# A combination seen in few rows is drawn to the overall rate as if 50 more rows had been seen at it: the standard error of a
# rate of one quarter over 50 rows is 6 percentage points, about the spread between carriers.
PRIOR_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A table of means.

    Attributes:
        columns: Columns it looks at; a number with the width of its groups, a category with None.
        rates: Those columns (numbers as the lower edge of their group) and, for each outcome or the one number, the smoothed mean.
            Grain: one row per combination seen. Empty where the rule carries a value on.
        overall: Means of all rows, for combinations never seen and for nulls.
        outcomes: Classes in the order of the means; empty where it predicts one number.
        carries: Whether it says the value of its first column instead.
    """

    columns: Mapping[str, float | None]
    rates: pl.DataFrame
    overall: tuple[float, ...]
    outcomes: Outcomes = ()
    carries: bool = False

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """The historical mean of each row's combination, in the rows' order; for classes one column each.

        Raises:
            CandidateError: The rows lack a column of the rule.
        """
        missing = [name for name in self.columns if name not in rows.columns]
        if missing:
            raise CandidateError(f"the rows lack {', '.join(missing)}, which the business rule looks at")
        if self.carries:
            return rows[next(iter(self.columns))].cast(pl.Float64).fill_null(self.overall[0]).to_numpy()
        groups = rows.select(_groups(self.columns))
        found = groups.join(self.rates.cast(dict(groups.schema)), on=list(self.columns), how="left", maintain_order="left")
        means = [found[name].fill_null(mean).to_numpy() for name, mean in zip(_means(len(self.overall)), self.overall, strict=True)]
        return np.column_stack(means) if self.outcomes else means[0]

    def as_json(self) -> dict[str, Any]:
        """Content of `baseline.json`."""
        return {
            "columns": dict(self.columns),
            "overall": list(self.overall),
            "outcomes": list(self.outcomes),
            "carries": self.carries,
            "rates": [list(row) for row in self.rates.rows()],
        }


def fit_baseline(rows: pl.DataFrame, *, kind: FittedKind, label: str, outcomes: Outcomes, columns: Mapping[str, float | None]) -> Baseline:
    """Fit the rule on labelled rows."""
    targets = kind.targets(label, outcomes)
    names = _means(len(targets))
    labelled = rows.with_columns(target.alias(name) for target, name in zip(targets, names, strict=True))
    overall = {name: float(labelled[name].to_numpy().mean()) for name in names}
    means = [((pl.col(name).sum() + PRIOR_ROWS * mean) / (pl.len() + PRIOR_ROWS)).alias(name) for name, mean in overall.items()]
    rates = labelled.select(*_groups(columns), *names).group_by(list(columns)).agg(means).drop_nulls().sort(list(columns))
    kept = rates.clear() if kind.rule_carries else rates
    return Baseline(columns=columns, rates=kept, overall=tuple(overall.values()), outcomes=outcomes, carries=kind.rule_carries)


def load_baseline(folder: Path) -> Baseline:
    """Load the rule from a candidate's folder.

    Raises:
        CandidateError: The file is missing or broken.
    """
    return parse_baseline(read_json(folder / BASELINE))


def parse_baseline(content: Mapping[str, Any]) -> Baseline:
    """The rule that JSON holds."""
    # Before there were kinds of task, a rule knew one rate.
    overall = tuple(content["overall"]) if isinstance(content["overall"], list) else (content["overall"],)
    outcomes, carries = tuple(content.get("outcomes", ())), content.get("carries", False)
    names = [*content["columns"], *_means(len(overall))]
    rates = pl.DataFrame(content["rates"], schema=names, orient="row", infer_schema_length=None)
    return Baseline(columns=content["columns"], rates=rates, overall=overall, outcomes=outcomes, carries=carries)


def _means(count: int) -> list[str]:
    return [f"_mean_{place}" for place in range(count)]


def _groups(columns: Mapping[str, float | None]) -> list[pl.Expr]:
    return [pl.col(name) if width is None else (pl.col(name) / width).floor() * width for name, width in columns.items()]
