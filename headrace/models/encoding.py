"""Feature rows as the matrix that models see: columns in the stored order, categories as stored codes.

LightGBM checks neither: it scores permuted columns without complaint and aborts the process on a column of strings.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from headrace.errors import CandidateError

Categories = Mapping[str, Sequence[str]]

_CATEGORY_TYPES = (pl.String, pl.Categorical, pl.Enum, pl.Null)


def fit_categories(rows: pl.DataFrame, categorical: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values of each categorical feature, sorted: a value's code is its place, whatever order the rows came in."""
    return {name: tuple(rows[name].drop_nulls().unique().sort().to_list()) for name in categorical}


def encode(rows: pl.DataFrame, *, features: Sequence[str], categories: Categories) -> np.ndarray:
    """Rows as float64, one column per feature in the given order; null and unknown categories are NaN.

    Raises:
        CandidateError: A feature is missing, or has a type the model cannot read.
    """
    missing = [name for name in features if name not in rows.columns]
    if missing:
        raise CandidateError(f"the rows lack {', '.join(missing)}; the model needs {len(features)} features. Featurize with its features version.")
    wrong = [f"{name} is {rows.schema[name]}" for name in features if not _is_readable(rows.schema[name], is_category=name in categories)]
    if wrong:
        raise CandidateError(f"{'; '.join(wrong)}; categories ({', '.join(categories) or 'none'}) must be strings, all other features numbers")
    matrix = rows.select(_codes(name, categories[name]) if name in categories else pl.col(name).cast(pl.Float64) for name in features)
    return matrix.to_numpy().astype(np.float64, copy=False)


def _is_readable(kind: pl.DataType, *, is_category: bool) -> bool:
    return isinstance(kind, _CATEGORY_TYPES) if is_category else kind.is_numeric() or kind in (pl.Boolean, pl.Null)


def _codes(name: str, values: Sequence[str]) -> pl.Expr:
    codes = {value: float(code) for code, value in enumerate(values)}
    if not codes:
        return pl.lit(None, dtype=pl.Float64).alias(name)
    return pl.col(name).cast(pl.String).replace_strict(codes, default=None, return_dtype=pl.Float64)
