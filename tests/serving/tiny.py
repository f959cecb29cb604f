"""A use case of two features, small enough to read at once: will a purchase be returned?"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from headrace.errors import RegistryError
from headrace.features.online import publish
from headrace.features.views import REFRESHED_AT, FeatureSet, FeatureView, Inputs
from headrace.models.candidate import MODEL, Candidate, write_candidate
from headrace.models.kinds import load_kind
from headrace.serving.model_watcher import ChampionRef, FindChampion
from headrace.serving.request_rows import build_schema
from headrace.settings import Settings, load_settings
from headrace.use_case import Label, Replay, UseCase

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
SHOPS = ("north", "south")

# Of the same use case as one of two classes.
OUTCOMES = ("kept", "returned")
CALIBRATIONS = {"binary": {"method": "platt", "slope": 1.0, "intercept": 0.0}, "multiclass": {"method": "temperature", "temperature": 1.0}}


def tiny_settings(home: Path) -> Settings:
    return load_settings("dev", home=home, variables={})


def add_hour(spine: pl.DataFrame) -> pl.DataFrame:
    return spine.with_columns(pl.col("sold_at").dt.hour().cast(pl.Float64).alias("hour"))


def return_rates(spine: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Share of a shop's purchases known to be returned at `refreshed_at`."""
    known = spine.join(inputs["returns"], on="shop", how="left").filter(pl.col("known_at") <= pl.col(REFRESHED_AT))
    rates = known.group_by("shop", REFRESHED_AT).agg(pl.col("is_returned").mean().alias("shop_return_fraction"))
    return spine.join(rates, on=["shop", REFRESHED_AT], how="left")


def build_spine(inputs: Inputs) -> pl.DataFrame:
    return inputs["purchases"].with_columns(pl.col("sold_at").alias("prediction_at"))


SHOP_RETURNS = FeatureView(
    name="shop_returns",
    entity=("shop",),
    inputs=("returns",),
    lookback=timedelta(days=7),
    features=("shop_return_fraction",),
    compute=return_rates,
)

FEATURES = FeatureSet(
    version=1,
    key=("purchase_id",),
    refresh=timedelta(hours=1),
    spine_inputs=("purchases",),
    build_spine=build_spine,
    carried=(),
    request_columns={"shop": pl.String(), "amount_eur": pl.Float64(), "item_count": pl.Int64(), "sold_at": pl.Datetime("us", "UTC")},
    on_demand=add_hour,
    on_demand_features=("shop", "amount_eur", "hour"),
    categorical=("shop",),
    views=(SHOP_RETURNS,),
    forbidden=("is_returned",),
)

TINY = UseCase(
    name="tiny",
    title="Will a purchase be returned?",
    kind="binary",
    owner="tests",
    source=None,  # type: ignore[arg-type] - serving reads no source
    feeds={},
    features=FEATURES,
    label=Label(
        name="is_returned", description="returned", inputs=("returns",), build=lambda inputs: inputs["returns"], matures_after=timedelta(days=1)
    ),
    training=None,  # type: ignore[arg-type] - serving trains nothing
    policy=None,  # type: ignore[arg-type] - serving judges nothing
    replay=Replay(ticks=(NOON,)),
)


def write_model(folder: Path, *, seed: int, features_version: int = 1, kind: str = "binary") -> Path:
    """A candidate's folder with a real LightGBM model, fitted on random rows; another seed gives another model."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    shops, hours = generator.integers(0, 2, 400), generator.integers(0, 24, 400)
    matrix = np.column_stack([shops, generator.uniform(1, 100, 400), hours, generator.uniform(0, 1, 400)])
    labels = (matrix[:, 1] * matrix[:, 3] + generator.normal(0, 10, 400) > 25).astype(float)
    data = lightgbm.Dataset(matrix, label=labels, feature_name=list(FEATURES.names), categorical_feature=["shop"])
    task = {"objective": "binary"} if kind == "binary" else {"objective": "multiclass", "num_class": len(OUTCOMES)}
    booster = lightgbm.train({**task, "num_threads": 1, "verbosity": -1, "seed": seed}, data, num_boost_round=10)
    (folder / MODEL).write_text(booster.model_to_string(), encoding="utf-8")
    write_candidate(folder, _candidate(seed, features_version, kind))
    return folder


def _candidate(seed: int, features_version: int, kind: str) -> Candidate:
    instants = dict.fromkeys(("as_of", "train_start", "train_end", "validation_start", "validation_end", "holdout_start", "holdout_end"), NOON)
    return Candidate(
        use_case="tiny", kind=kind, outcomes=() if kind == "binary" else OUTCOMES, label="is_returned",
        features_version=features_version, features=FEATURES.names, categories={"shop": SHOPS},
        learns_change=False,
        calibration=CALIBRATIONS[kind], params={}, best_round=10, seed=seed, provenance={}, **instants,
    )  # fmt: skip


class FileRegistry:
    """A registry of one JSON file that a test writes: which version is champion, or that it cannot be reached."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def promote(self, version: int, folder: Path) -> None:
        self._write({"version": version, "model_id": f"model-{version}", "folder": str(folder)})

    def cut_off(self) -> None:
        self._write("unreachable")

    def clear(self) -> None:
        self._write(None)

    def _write(self, content: Any) -> None:
        half = self.path.with_suffix(".new")
        half.write_text(json.dumps(content), encoding="utf-8")
        half.replace(self.path)

    @property
    def find_champion(self) -> FindChampion:
        def find() -> ChampionRef | None:
            content = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else None
            if content == "unreachable":
                raise RegistryError("the registry of dev cannot be reached")
            return None if content is None else ChampionRef(version=content["version"], model_id=content["model_id"], folder=Path(content["folder"]))

        return find


def logged_rows(request_id: str, *, probability: float = 0.5, count: int = 1, instant: datetime = NOON) -> list[dict[str, Any]]:
    """Rows of one request as the server logs them."""
    row = {
        "requested_at": instant.isoformat(), "refreshed_at": NOON.isoformat(), "request": '{"shop":"north"}', "features": '{"hour":12.0}',
        "features_version": 1, "feature_hash": "abc", "model_version": 1, "model_id": "model-1",
        "latency_ms": 5.0, "probability_fraction": probability,
    }  # fmt: skip
    return [{"request_id": f"{request_id}/{ordinal}", **row} for ordinal in range(count)]


def stored_ids(frame: pl.DataFrame) -> Sequence[str]:
    assert frame.schema == build_schema(load_kind("binary"))
    return sorted(frame["request_id"].to_list())


RETURNS = pl.DataFrame(
    {"shop": ["north", "north", "south"], "is_returned": [1.0, 0.0, 1.0], "known_at": [NOON - timedelta(hours=2)] * 3},
    schema_overrides={"known_at": pl.Datetime("us", "UTC")},
)

# One row to ask for.
PURCHASE: dict[str, Any] = {"shop": "north", "amount_eur": 60.0, "item_count": 2, "sold_at": "2013-07-01T12:30:00Z"}


def publish_returns(settings: Settings, *, features: FeatureSet = FEATURES) -> None:
    """Fill the online store as of noon."""
    publish(settings.online_root / TINY.name, features, {"returns": RETURNS}, NOON)
