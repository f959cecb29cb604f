"""What was not known cannot matter, and neither can the ticks: on real flights, through the lake, up to the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.decisions import passed
from headrace.features import refresh
from headrace.lake import ingestion, refinement, tables
from headrace.registry import challengers, history, scoring
from headrace.settings import Settings, load_settings
from headrace.source import Delivery, Source
from headrace.use_case import UseCase
from tests.small_flights import small_flights

FIRST, MIDDLE, LAST = (datetime(2013, month, day, tzinfo=UTC) for month, day in ((2, 15), (3, 1), (3, 15)))
GOLD, PREDICTIONS = "gold.flight_delay_features", "inference.flight_delay_predictions"


@dataclass(frozen=True, kw_only=True)
class Scrambled:
    """A source whose outcomes and weather that become known after an instant hold other rows' values."""

    source: Source
    after: datetime

    def deliveries(self, feed: str, *, after: datetime | None, until: datetime) -> Sequence[Delivery]:
        found = self.source.deliveries(feed, after=after, until=until)
        if feed not in ("flight_outcomes", "weather"):
            return found
        return [replace(delivery, read=lambda delivery=delivery: self.scramble(delivery.read())) for delivery in found]

    def scramble(self, rows: pl.DataFrame) -> pl.DataFrame:
        values = [name for name in ("dep_delay", "arr_delay", "air_time", "temp", "wind_speed", "precip", "pressure") if name in rows.columns]
        is_unknown = pl.col("known_at") > self.after
        return rows.with_columns(pl.when(is_unknown).then(pl.col(name).shuffle(seed=1)).otherwise(pl.col(name)).alias(name) for name in values)


def refresh_lake(settings: Settings, case: UseCase, ticks: Sequence[datetime]) -> None:
    for tick in ticks:
        for feed in case.feeds:
            assert ingestion.append_feed(settings, case, feed, as_of=tick).decision.passed
            assert refinement.refine_feed(settings, case, feed, as_of=tick).decision.passed
        assert refresh.append_features(settings, case, as_of=tick).decision.passed


def read(settings: Settings, table: str, *, until: datetime = LAST) -> pl.DataFrame:
    rows = tables.read(settings, table).filter(pl.col("prediction_at") <= until).collect()
    return rows.drop("_as_of").sort("prediction_at", "flight_id")


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Settings]:
    """Four lakes: the year in one tick or in three, and one whose future is scrambled; one model scores them all."""
    case = small_flights()
    homes: dict[str, tuple[UseCase, Sequence[datetime]]] = {
        "one tick": (case, [LAST]),
        "three ticks": (case, [FIRST, MIDDLE, LAST]),
        "scrambled": (replace(case, source=Scrambled(source=case.source, after=MIDDLE)), [LAST]),
    }
    lakes = {}
    for name, (variant, ticks) in homes.items():
        settings = load_settings("dev", home=tmp_path_factory.mktemp(name.replace(" ", "_")), variables={"HEADRACE_THREADS": "1"})
        refresh_lake(settings, variant, ticks)
        lakes[name] = settings
    folder = train(lakes["one tick"], case)
    for name, settings in lakes.items():
        reign(settings, case, folder)
        for tick in homes[name][1]:
            scoring.append_predictions(settings, case, as_of=tick)
    return lakes


def train(settings: Settings, case: UseCase) -> Path:
    identity = challengers.identify(settings, case, as_of=FIRST)
    decision = challengers.build(settings, case, identity)
    assert decision.passed, decision.reason
    return challengers.candidate_working_folder(settings, identity)


def reign(settings: Settings, case: UseCase, folder: Path) -> None:
    """Make the trained candidate champion from the first tick on."""
    version = challengers.register_folder(settings, case, folder, model_id="a", tags={"as_of": "2013-02-15"}, tables={})
    history.record_verdict(settings, case, version, passed("promotion", "for the test"), as_of=FIRST, approver="automatic")


def test_another_division_into_ticks_gives_the_same_features(lakes):
    assert_frame_equal(read(lakes["one tick"], GOLD), read(lakes["three ticks"], GOLD))


def test_another_division_into_ticks_gives_the_same_predictions(lakes):
    one = read(lakes["one tick"], PREDICTIONS)
    assert one.height > 1_000
    assert_frame_equal(one, read(lakes["three ticks"], PREDICTIONS))


def test_scrambling_what_is_not_known_changes_no_feature_and_no_prediction(lakes):
    for table in (GOLD, PREDICTIONS):
        assert_frame_equal(read(lakes["one tick"], table, until=MIDDLE), read(lakes["scrambled"], table, until=MIDDLE))


def test_scrambling_does_change_what_becomes_known_later(lakes):
    honest, scrambled = (read(lakes[name], PREDICTIONS)["feature_hash"] for name in ("one tick", "scrambled"))
    assert (honest != scrambled).any()
