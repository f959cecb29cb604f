import threading
import time
from pathlib import Path

import pytest

from headrace.models.scorer import load_scorer
from headrace.serving.model_watcher import ModelWatcher
from tests.serving.tiny import FileRegistry, write_model


@pytest.fixture
def registry(tmp_path: Path) -> FileRegistry:
    return FileRegistry(tmp_path / "champion.json")


def watch(registry: FileRegistry) -> ModelWatcher:
    watcher = ModelWatcher(registry.find_champion, load=load_scorer, features_version=1)
    watcher.look()
    return watcher


def served_version(watcher: ModelWatcher) -> int | None:
    return None if watcher.now.champion is None else watcher.now.champion.ref.version


def test_a_watcher_that_never_looked_has_no_champion_and_says_so(registry: FileRegistry) -> None:
    watcher = ModelWatcher(registry.find_champion, load=load_scorer, features_version=1)
    assert served_version(watcher) is None
    assert watcher.now.problem is not None


def test_the_champion_is_followed(registry: FileRegistry, tmp_path: Path) -> None:
    registry.promote(1, write_model(tmp_path / "one", seed=1))
    watcher = watch(registry)
    assert (served_version(watcher), watcher.now.problem) == (1, None)
    registry.promote(2, write_model(tmp_path / "two", seed=2))
    watcher.look()
    assert (served_version(watcher), watcher.now.problem) == (2, None)


def test_an_unchanged_champion_is_not_loaded_again(registry: FileRegistry, tmp_path: Path) -> None:
    registry.promote(1, write_model(tmp_path / "one", seed=1))
    watcher = watch(registry)
    loaded = watcher.now.champion
    watcher.look()
    assert watcher.now.champion is loaded


def test_an_unreachable_registry_keeps_the_present_model_and_reports_it(registry: FileRegistry, tmp_path: Path) -> None:
    registry.promote(1, write_model(tmp_path / "one", seed=1))
    watcher = watch(registry)
    registry.cut_off()
    watcher.look()
    assert served_version(watcher) == 1
    assert watcher.now.problem == "the registry of dev cannot be reached"


def test_an_unreachable_registry_at_the_start_leaves_no_champion(registry: FileRegistry) -> None:
    registry.cut_off()
    watcher = watch(registry)
    assert served_version(watcher) is None
    assert watcher.now.problem == "the registry of dev cannot be reached"


def test_an_alias_that_was_removed_takes_the_model_out_of_service(registry: FileRegistry, tmp_path: Path) -> None:
    registry.promote(1, write_model(tmp_path / "one", seed=1))
    watcher = watch(registry)
    registry.clear()
    watcher.look()
    assert served_version(watcher) is None
    assert watcher.now.problem == "the registry says that there is no champion; train and promote one"


def test_a_version_that_cannot_be_loaded_never_replaces_one_that_works(registry: FileRegistry, tmp_path: Path) -> None:
    registry.promote(1, write_model(tmp_path / "one", seed=1))
    watcher = watch(registry)
    folder = write_model(tmp_path / "two", seed=2)
    (folder / "model.txt").write_text("no trees", encoding="utf-8")
    registry.promote(2, folder)
    watcher.look()
    assert served_version(watcher) == 1
    assert watcher.now.problem is not None
    assert "cannot be loaded" in watcher.now.problem


def test_a_model_of_another_features_version_is_refused(registry: FileRegistry, tmp_path: Path) -> None:
    registry.promote(1, write_model(tmp_path / "one", seed=1, features_version=2))
    watcher = watch(registry)
    assert served_version(watcher) is None
    assert watcher.now.problem is not None
    assert "features version 2" in watcher.now.problem


def test_a_look_that_hangs_holds_up_neither_start_nor_stop() -> None:
    hanging = threading.Event()

    def hang() -> None:
        hanging.wait(5)

    watcher = ModelWatcher(hang, load=load_scorer, features_version=1, poll_seconds=0.05)
    begun = time.monotonic()
    watcher.start(wait_seconds=0.05)
    watcher.stop()
    assert time.monotonic() - begun < 2
    hanging.set()
