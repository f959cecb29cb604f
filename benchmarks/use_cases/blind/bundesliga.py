"""Predicts home wins of German football matches years ahead with LightGBM on frozen team strengths."""

import lightgbm as lgb
import numpy as np
import polars as pl

_HALF_LIVES = (2.0, 10.0)
_SHRINKAGE = 10.0
_BASE_MATCHES = 1200
_FIRST_CUT = 1500
_STEP = 306
_ROUNDS = 120
_SEEDS = (1, 2, 3, 4, 5)
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.02,
    "num_leaves": 6,
    "min_data_in_leaf": 1000,
    **{"feature_fraction": 0.6, "bagging_fraction": 0.5, "bagging_freq": 1},
    "lambda_l2": 50.0,
    **{"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1},
}


def _strengths(known: pl.DataFrame) -> pl.DataFrame:
    """Rate every team by its results in `known`, relative to its season's share of home wins, newer matches counting more."""
    years_old = (known["date"].max() - known["date"]).dt.total_days() / 365.25
    surplus = known.with_columns(years_old.alias("age"), surplus=pl.col("home_wins") - pl.col("home_wins").mean().over("year"))
    hosts = surplus.select("age", team="home_team", won="surplus", at_home=pl.lit(1.0))
    guests = surplus.select("age", team="away_team", won=-pl.col("surplus"), at_home=pl.lit(-1.0))
    sides = pl.concat([hosts, guests])
    rates = {"absent": pl.col("age").min()}
    for index, half_life in enumerate(_HALF_LIVES):
        weight = 0.5 ** (pl.col("age") / half_life)
        rates[f"strength_{index}"] = (weight * pl.col("won")).sum() / (weight.sum() + _SHRINKAGE)
        rates[f"weight_{index}"] = weight.sum()
    rates["home_edge"] = (weight * pl.col("won") * pl.col("at_home")).sum() / (weight.sum() + 2 * _SHRINKAGE)
    return sides.group_by("team", maintain_order=True).agg(**rates)


def _features(known: pl.DataFrame, matches: pl.DataFrame) -> tuple[pl.DataFrame, float]:
    """Describe `matches` as seen from the end of `known`, with the log odds of a home win lately."""
    teams = _strengths(known)
    joined = matches
    for side in ("home", "away"):
        joined = joined.join(teams.rename(lambda name, side=side: f"{side}_{name}"), on=f"{side}_team", how="left", maintain_order="left")
    filled = joined.with_columns(pl.col("^(home|away)_(strength|weight|home_edge).*$").fill_null(0.0))
    table = filled.select(
        pl.col("^(home|away)_(strength|weight|home_edge|absent).*$"),
        *((pl.col(f"home_strength_{index}") - pl.col(f"away_strength_{index}")).alias(f"difference_{index}") for index in range(len(_HALF_LIVES))),
        horizon=(pl.col("date") - known["date"].max()).dt.total_days() / 365.25,
    )
    share = known["home_wins"].tail(_BASE_MATCHES).mean()
    return table, float(np.log(share / (1 - share)))


def _direction(name: str) -> int:
    """Tell how a feature may act: a stronger home team never lowers the odds, a stronger guest never raises them."""
    return 1 if name.startswith(("home_strength", "difference")) else -1 if name.startswith("away_strength") else 0


def fit_predict(learned: pl.DataFrame, judged: pl.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Predict the chance of a home win from strengths frozen at the end of the learned matches.

    The judged matches lie up to a decade after the last known result. So the training rows are made alike: for many past
    moments, the matches after each are described by what was known then, and the horizon tells how stale that is. The share of
    home wins drifts over the decades, hence trees start from its recent log odds.
    """
    ordered = learned.sort("date", maintain_order=True)
    tables, labels, starts = [], [], []
    for position in range(_FIRST_CUT, ordered.height, _STEP):
        cut = ordered["date"][position]
        future = ordered.filter(pl.col("date") >= cut).head(judged.height)
        table, start = _features(ordered.filter(pl.col("date") < cut), future)
        tables.append(table)
        labels.append(future["home_wins"].to_numpy())
        starts.append(np.full(future.height, start))
    training = pl.concat(tables)
    asked, start = _features(ordered, judged)
    data = {"label": np.concatenate(labels), "init_score": np.concatenate(starts), "feature_name": training.columns}
    parameters = _PARAMETERS | {"monotone_constraints": [_direction(name) for name in training.columns]}
    raw = np.zeros(judged.height)
    for seed in _SEEDS:
        model = lgb.train({**parameters, "seed": seed}, lgb.Dataset(training.to_numpy(), **data), num_boost_round=_ROUNDS)
        raw += model.predict(asked.to_numpy(), raw_score=True)
    return 1 / (1 + np.exp(-(start + raw / len(_SEEDS)))), ()
