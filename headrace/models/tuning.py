"""A bounded search of LightGBM's parameters (Optuna's TPE), bounded by trials and never by seconds: reruns agree."""

from collections.abc import Mapping
from typing import Any

import lightgbm
import optuna

from headrace.models.kinds.kind import OBJECTIVE
from headrace.models.lightgbm import fit_until
from headrace.use_case import TrainingSpec

optuna.logging.set_verbosity(optuna.logging.WARNING)


def tune(
    train: lightgbm.Dataset, validation: lightgbm.Dataset, *, spec: TrainingSpec, objective: Mapping[str, Any], seed: int, threads: int
) -> dict[str, Any]:
    """Search parameters of less validation loss, starting from those known to be good, which stay unless clearly beaten.

    Args:
        train: Binned sample of the training rows.
        validation: Binned validation rows.
        spec: What is searched, how often, what is fixed, and what counts as clearly.
        objective: LightGBM's objective and metric; the metric compares other objectives too.
        seed: Seed of the search and of every fit.
        threads: Threads of one fit.

    Returns:
        Fixed and found parameters together; with the objective, where others than the kind's own were tried.
    """

    def loss(trial: optuna.Trial) -> float:
        params = {**objective, **spec.fixed, **_suggest(trial, spec.search), **_suggest_objective(trial, names)}
        return fit_until(train, validation, params=params, max_rounds=spec.max_rounds, seed=seed, threads=threads).loss

    names = [objective[OBJECTIVE], *spec.objectives]
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))
    for name in names:
        study.enqueue_trial({**spec.known_good, **({OBJECTIVE: name} if spec.objectives else {})})
    study.optimize(loss, n_trials=spec.trials)
    known_good, best = study.trials[0], study.best_trial
    found = best if float(known_good.value or 0) - float(best.value or 0) >= spec.min_search_gain else known_good
    return {**spec.fixed, **found.params}


def _suggest_objective(trial: optuna.Trial, names: list[str]) -> dict[str, str]:
    """The kind's own objective is no choice where there is no other."""
    return {OBJECTIVE: trial.suggest_categorical(OBJECTIVE, names)} if len(names) > 1 else {}


def _suggest(trial: optuna.Trial, search: Mapping[str, tuple[int, int] | tuple[float, float]]) -> dict[str, int | float]:
    return {name: _suggest_one(trial, name, low, high) for name, (low, high) in search.items()}


def _suggest_one(trial: optuna.Trial, name: str, low: int | float, high: int | float) -> int | float:
    """Integers stay integers; two positive floats are searched on a log scale, where parameters of regularization live."""
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high)
    return trial.suggest_float(name, low, high, log=low > 0)
