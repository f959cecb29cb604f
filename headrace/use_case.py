"""The shape a team fills in to plug its own data into the rails, and the loader that finds it by name.

A use case is a package `use_cases/<name>/` that exposes `USE_CASE`. The library imports none of them: it loads them by
name here, so that nothing in the rails can know about flights.
"""

import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl

from headrace.errors import UseCaseError
from headrace.features.views import FeatureSet
from headrace.lake.filtered import FilteredSource
from headrace.lake.upstream import UpstreamBronze
from headrace.llm.chain_spec import ChainSpec
from headrace.models import kinds
from headrace.settings import ROOT, Settings
from headrace.source import PlacedSource, Source, Wrapper
from headrace.words import MADE_UP_DAYS


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is to be predicted.

    Attributes:
        name: Column of the label: for binary 1.0 or 0.0, for multiclass a string, else a number; null where there is none
            (and never will be).
        description: What it means, and what has none and why.
        inputs: Nouns of the silver tables it is read from.
        build: Silver rows -> `key`, the label, `known_at` (UTC instant the label became known). Grain: one row per key.
        matures_after: Longest time from `prediction_at` until a label is known; windows are judged only after it.
    """

    name: str
    description: str
    inputs: tuple[str, ...]
    build: Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
    matures_after: timedelta


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How candidates of this use case are built.

    Attributes:
        holdout: Length of the newest labelled window, which no candidate is fitted or tuned on.
        validation: Length of the window before it, for tuning, early stopping and calibration.
        history: Longest training history before the validation window; None: all there is.
        trials: Number of Optuna trials (bounded by number, so that runs are reproducible).
        tuning_rows: Rows sampled for each trial.
        search: Parameter -> (low, high) of the search; integers stay integers; log-uniform where both are positive floats.
        known_good: Parameters that the search tries first: what a person found on data before the first holdout.
        min_search_gain: Validation loss (nats, or the label's unit squared) by which other parameters must beat those; less is
            the luck of one window.
        fixed: LightGBM parameters that are not searched.
        max_rounds: Greatest number of boosting rounds; validation stops earlier.
        explained_rows: Rows for which SHAP values are computed.
        objectives: LightGBM objectives that the search may choose in place of the kind's, of its `objectives`: `poisson` and `tweedie` for
            numbers that are never negative and may differ by factors (prices); their trees add logs, and still aim at the mean.
    """

    holdout: timedelta
    validation: timedelta
    history: timedelta | None
    trials: int
    tuning_rows: int
    search: Mapping[str, tuple[int, int] | tuple[float, float]]
    known_good: Mapping[str, int | float]
    min_search_gain: float
    fixed: Mapping[str, Any]
    max_rounds: int
    explained_rows: int
    objectives: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The use case's own bars. Every field is required: a bar that nobody set is no bar.

    Attributes:
        metric: The metric that the suspicion limit judges, for example `holdout/roc_auc`.
        suspicion_limit: A holdout metric better than this is taken for a leak, and blocks.
        max_feature_auc: A single feature whose ROC AUC (of numbers: concordance) alone is above this is taken for a leak, and nothing is trained.
        min_training_rows, min_holdout_rows: Labelled rows below which nothing is trained, and of the holdout, nothing compared.
        min_gain: Mean loss (nats, or the label's unit squared) by which a challenger must beat its opponent, at the lower bound.
        confidence_fraction: One-sided confidence of that bound, 0 to 1.
        resample_by: Span of time whose rows are resampled together, because what they share (a storm) makes them one observation.
        slices: Columns whose values are guarded and reported one by one.
        min_slice_rows: Rows below which a slice is reported but not guarded.
        max_slice_loss: Mean loss by which a challenger may be worse on a guarded slice.
        baseline: Columns of the business rule that stands in where there is no champion: the label's historical mean per
            combination of them; of a forecast, the one column whose value it says. A number comes with the width of its groups
            (60 makes hours of minutes), a category with None.
        required_tags: Tags that a version must carry to be promoted.
        window: Length of a performance window.
        performance_metric: Live metric that retraining watches (higher is worse), for example `live/log_loss`.
        max_performance_drop: Rise of that metric over the champion's own holdout figure that counts as a drop.
        drift_threshold: PSI at or above which a feature has drifted.
        max_drifted_fraction: Share of drifted features at or above which a window counts as drifted.
        drift_view: Reference that a drift decision looks at: `training` or `season`.
        drift_sample_rows: Rows sampled on each side of a drift comparison.
        persistence: Consecutive windows a drop or drift must last.
        max_age: Age of the champion at which retraining is scheduled.
        cool_down: Time after a training in which none is started again.
        min_new_labels: Labels that must have come since the last training.
        budget, budget_window: Number of trainings allowed, and in how long a time.
        floors: Figures of the holdout (`holdout/ndcg_at_10_lower_bound`) -> the least that is promoted. Empty: no such bar. Figures that
            begin with `worded/` are of answers in a model's words (`headrace.llm.wording_figures`), judged where prompt or model are new.
        ceilings: Figures -> the most that is promoted, for costs, latencies and attacks that succeed. Empty: no such bar.
        live_floors, live_ceilings: Figures of what is served (`metrics.live_figures`) -> the least, and the most, of a window; beyond is an alert.
        min_live_rows: Answers of a window below which no such figure is judged.
    """

    metric: str
    suspicion_limit: float
    max_feature_auc: float
    min_training_rows: int
    min_holdout_rows: int
    min_gain: float
    confidence_fraction: float
    resample_by: timedelta
    slices: tuple[str, ...]
    min_slice_rows: int
    max_slice_loss: float
    baseline: Mapping[str, float | None]
    required_tags: tuple[str, ...]
    window: timedelta
    performance_metric: str
    max_performance_drop: float
    drift_threshold: float
    max_drifted_fraction: float
    drift_view: Literal["training", "season"]
    drift_sample_rows: int
    persistence: int
    max_age: timedelta
    cool_down: timedelta
    min_new_labels: int
    budget: int
    budget_window: timedelta
    floors: Mapping[str, float]
    ceilings: Mapping[str, float]
    live_floors: Mapping[str, float]
    live_ceilings: Mapping[str, float]
    min_live_rows: int


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The ticks of reference data of the past, for environments whose clock is `replay`.

    Attributes:
        ticks: Instants (UTC), ascending. The first is the bootstrap: all that arrived until then is one slice. None: nothing is replayed.
    """

    ticks: tuple[datetime, ...]


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The slice of a use case that an environment with `subset: true` runs on, and the bars that fit so few rows.

    Attributes:
        rows: Feed -> which of its bronze rows are kept; a feed that is not named is kept whole.
        training: How candidates are built there.
        policy: The bars there.
        replay: The ticks there, where the clock is `replay`.
    """

    rows: Mapping[str, pl.Expr]
    training: TrainingSpec | ChainSpec
    policy: Policy
    replay: Replay


# A use case's name becomes part of table names, paths and pages.
NAME = re.compile(r"[a-z][a-z0-9_]*")

Refiner = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """Everything the rails need to know about a use case.

    Attributes:
        name: `snake_case`; prefix of its tables and name of its model.
        title: The question, in a person's words.
        kind: What is predicted: `binary`, `multiclass`, `regression`, `forecast` or `assistant`, the modules of `headrace.models.kinds`.
        owner: Who answers for it.
        source: Where its data comes from.
        feeds: Feed -> refiner: bronze rows (system columns included) to rows of the silver contract.
        features: Its features.
        label: Its label.
        training: How its candidates are built: models of rows by a `TrainingSpec`, chains of an assistant by a `ChainSpec`.
        policy: Its bars.
        replay: Its ticks, where an environment replays the past; without ticks it has no past, and its clock is the one on the wall.
        silver: Feed -> noun of its silver table, where refining makes something else of it (documents become sections).
        stages: Flows that one tick of `lifecycle` runs, in order.
        subset: The slice that environments with `subset: true` run on; None: they refuse this use case.
        has_made_up_days: Whether its table has no time, so that its days are made up; pages, notebook and catalog say so.
    """

    name: str
    title: str
    kind: str
    owner: str
    source: Source
    feeds: Mapping[str, Refiner]
    features: FeatureSet
    label: Label
    training: TrainingSpec | ChainSpec
    policy: Policy
    replay: Replay
    silver: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = field(default=("ingest", "refine", "featurize", "score", "monitor", "retrain", "promote"))
    subset: Subset | None = None
    has_made_up_days: bool = False

    @property
    def about_days(self) -> str:
        """What a person must know of its days before any page is read; empty where they are days."""
        return MADE_UP_DAYS if self.has_made_up_days else ""

    def __post_init__(self) -> None:
        """Refuse a name that would lead a table, a folder or a page elsewhere, and a kind that there is not."""
        if not NAME.fullmatch(self.name):
            raise UseCaseError(f"use case name {self.name!r} is not lower case, digits and underscores; its tables and folders are named after it")
        if self.kind not in kinds.names():
            raise UseCaseError(f"use case {self.name} has kind={self.kind!r}, which is no kind of task; known: {', '.join(kinds.names())}")
        if kinds.load_kind(self.kind).is_fitted == isinstance(self.training, ChainSpec):
            wanted = "TrainingSpec" if kinds.load_kind(self.kind).is_fitted else "ChainSpec"
            raise UseCaseError(
                f"use case {self.name} has kind={self.kind!r}, so its training must be a {wanted}, not a {type(self.training).__name__}"
            )

    def table(self, layer: str, noun: str) -> str:
        """Name of one of its tables: `silver`, `weather` -> `silver.<name>_weather`."""
        return f"{layer}.{self.name}_{noun}"

    def silver_table(self, feed: str) -> str:
        """Name of the silver table that a feed is refined to."""
        return self.table("silver", self.silver.get(feed, feed))

    @property
    def model_spec(self) -> TrainingSpec:
        """How its models are fitted.

        Raises:
            UseCaseError: Its candidates are chains.
        """
        if not isinstance(self.training, TrainingSpec):
            raise UseCaseError(f"use case {self.name} declares chains; models are fitted where training=TrainingSpec(...)")
        return self.training

    @property
    def chain_spec(self) -> ChainSpec:
        """How its chains are built.

        Raises:
            UseCaseError: Its candidates are models.
        """
        if not isinstance(self.training, ChainSpec):
            raise UseCaseError(f"{self.name} is no assistant: its training is no ChainSpec. Set USE_CASE to one, for example docs_assistant")
        return self.training

    @property
    def feed_tables(self) -> list[str]:
        """Its bronze tables, then its silver tables, in the order of its feeds."""
        return [*(self.table("bronze", feed) for feed in self.feeds), *map(self.silver_table, self.feeds)]

    @property
    def other_tables(self) -> list[str]:
        """What it fills behind silver, but for `metrics`, which all use cases share."""
        tables = [("gold", "features"), ("inference", "predictions"), ("inference", "requests")]
        if isinstance(self.training, ChainSpec):
            of_gold = [("gold", noun) for noun in (self.training.chunks, "repeats", "examples")]
            tables = [*of_gold, ("inference", "worded_answers"), *tables]
        return [self.table(layer, noun) for layer, noun in tables]


def names(folder: Path = ROOT / "use_cases") -> list[str]:
    """Names of the use cases in the clone, sorted."""
    return sorted(path.parent.name for path in folder.glob("*/__init__.py"))


def load(name: str) -> UseCase:
    """Import `use_cases.<name>` and return its `USE_CASE`.

    Raises:
        UseCaseError: There is none of that name, or it does not expose a `UseCase` under its own name.
    """
    if not NAME.fullmatch(name) or importlib.util.find_spec(f"use_cases.{name}") is None:
        raise UseCaseError(f"use case {name!r} has no folder use_cases/{name}; known: {', '.join(names())}. Set USE_CASE to one of them.")
    case = getattr(importlib.import_module(f"use_cases.{name}"), "USE_CASE", None)
    if not isinstance(case, UseCase) or case.name != name:
        raise UseCaseError(f"use_cases/{name}/__init__.py must define USE_CASE = UseCase(name={name!r}, ...), it has {type(case).__name__}")
    return case


def load_in(settings: Settings, name: str) -> UseCase:
    """A use case as an environment runs it.

    Its landing folder is the environment's; another environment's bronze feeds it where `reads_from` says so, but for what readers
    of this one say; `subset` cuts it down.
    Documents of one's own (`documents_root`) have no past that could be replayed.

    Raises:
        UseCaseError: There is none of that name, or the environment runs subsets and its subset is missing or about other feeds.
    """
    case = load(name)
    rows = _check_subset(settings, case).rows if settings.subset else {}
    if isinstance(case.source, PlacedSource):
        case = replace(case, source=case.source.within(settings))
    if settings.reads_from is not None:
        upstream = UpstreamBronze(settings=settings, environment=settings.reads_from, use_case=name, rows=rows)
        case = replace(case, source=case.source.around(upstream) if isinstance(case.source, Wrapper) else upstream)
    elif rows:
        case = replace(case, source=FilteredSource(source=case.source, rows=rows))
    if settings.subset and case.subset is not None:
        case = replace(case, training=case.subset.training, policy=case.subset.policy, replay=case.subset.replay)
    if settings.documents_root is not None and isinstance(case.training, ChainSpec):
        case = replace(case, replay=Replay(ticks=()))
    return case


def is_replayed(settings: Settings, case: UseCase) -> bool:
    """Whether a use case goes through its past in this environment, tick by tick; if not, its clock is the one on the wall."""
    return settings.clock == "replay" and bool(case.replay.ticks)


def _check_subset(settings: Settings, case: UseCase) -> Subset:
    if case.subset is None:
        raise UseCaseError(
            f"{settings.environment} runs use cases on their subset, and {case.name} declares none; "
            f"give its UseCase a subset=Subset(...), as use_cases/flight_delay/subset.py does, or set subset: false for {settings.environment}"
        )
    if unknown := sorted(set(case.subset.rows) - set(case.feeds)):
        raise UseCaseError(f"the subset of {case.name} keeps rows of {', '.join(unknown)}; its feeds are {', '.join(case.feeds)}")
    return case.subset
