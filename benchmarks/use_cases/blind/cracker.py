"""Predicts which cracker brand a household buys with LightGBM and price patterns."""

from itertools import combinations

import lightgbm as lgb
import numpy as np
import polars as pl

_BRANDS = ("kleebler", "nabisco", "private", "sunshine")
_RIVALS = ("kleebler", "nabisco", "sunshine")
_KEYS = (("private",), _RIVALS, *(("private", rival) for rival in _RIVALS), _BRANDS)
_COUNTED = (*_KEYS, *((rival,) for rival in _RIVALS))
_SMOOTHING = 1.0
_PARTS = 10
_ROUNDS = 250
_SEEDS = (1, 2, 3, 4, 5, 6)
_PARAMETERS = {
    **{"objective": "multiclass", "num_class": len(_BRANDS)},
    "learning_rate": 0.03,
    "num_leaves": 6,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.3,
    "lambda_l2": 10.0,
    **{"min_data_per_group": 20, "cat_smooth": 10.0, "max_bin": 511},
    **{"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1},
}


def _levels(rows: pl.DataFrame) -> pl.DataFrame:
    """Take the four prices as whole cents, which undoes the noise of their storage as small floats."""
    return rows.select(pl.col(f"price_{brand}").round(0).cast(pl.Int32).alias(brand) for brand in _BRANDS)


def _offers(rows: pl.DataFrame) -> np.ndarray:
    """Lay out prices as categories, then displays, advertisements, prices and all differences between prices."""
    levels = _levels(rows)
    gaps = levels.select((pl.col(one) - pl.col(other)).alias(f"{one}_{other}") for one, other in combinations(_BRANDS, 2))
    promoted = rows.select(pl.col("^(disp|feat)_.*$"))
    return np.hstack([part.cast(pl.Float64).to_numpy() for part in (levels, promoted, levels.rename(lambda name: f"price_{name}"), gaps)])


def _counts(source: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """Tell how common each price, and each combination of prices, is among the learned purchases."""
    columns = []
    for key in _COUNTED:
        found = asked.select(key).join(source.group_by(key).agg(seen=pl.len()), on=key, how="left", maintain_order="left")
        columns.append(found["seen"].fill_null(0).to_numpy() / source.height)
    return np.column_stack(columns)


def _shares(source: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """Tell what was bought at the same prices in `source`, drawn towards the overall shares where that is rare."""
    blocks = []
    for key in _KEYS:
        bought = source.group_by(key).agg(*(((pl.col("choice") == brand).sum()).alias(f"bought_{brand}") for brand in _BRANDS), seen=pl.len())
        found = asked.select(key).join(bought, on=key, how="left", maintain_order="left").fill_null(0)
        for brand in _BRANDS:
            overall = (source["choice"] == brand).mean()
            blocks.append((found[f"bought_{brand}"].to_numpy() + _SMOOTHING * overall) / (found["seen"].to_numpy() + _SMOOTHING))
    return np.column_stack(blocks)


def _cross_shares(source: pl.DataFrame, households: np.ndarray, seed: int) -> np.ndarray:
    """Compute the shares of each learned row from other households only, as it will be for judged ones."""
    shares = np.zeros((source.height, len(_KEYS) * len(_BRANDS)))
    for part in np.array_split(np.random.default_rng(seed).permutation(np.unique(households)), _PARTS):
        inside = np.isin(households, part)
        shares[inside] = _shares(source.filter(~inside), source.filter(inside))
    return shares


def fit_predict(learned: pl.DataFrame, judged: pl.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Predict the shares of the four brands for unseen households.

    Prices tell more than economics would have it: the recorded price of the private label depends on which of its products was
    bought, so some price levels occur with one choice only. Hence prices also serve as categories, with how often each
    combination occurs and what others bought at it (across households, as trees would else trust a household's own habit).
    """
    source, asked = _levels(learned).with_columns(learned["choice"]), _levels(judged)
    households = learned["id"].to_numpy()
    labels = learned["choice"].replace_strict({brand: index for index, brand in enumerate(_BRANDS)}, return_dtype=pl.Int32).to_numpy()
    asked_matrix = np.hstack([_offers(judged), _counts(source, asked), _shares(source, asked)])
    fixed = np.hstack([_offers(learned), _counts(source, source)])
    total = np.zeros((judged.height, len(_BRANDS)))
    for seed in _SEEDS:
        matrix = np.hstack([fixed, _cross_shares(source, households, seed)])
        data = lgb.Dataset(matrix, labels, categorical_feature=list(range(len(_BRANDS))))
        total += lgb.train({**_PARAMETERS, "seed": seed}, data, num_boost_round=_ROUNDS).predict(asked_matrix)
    return total / total.sum(axis=1, keepdims=True), _BRANDS
