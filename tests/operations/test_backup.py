"""A restored environment is the environment that was backed up: every version of every table, the registry, the logs, the secrets."""

import json
import shutil
import stat

import lmdb
import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from headrace.errors import BackupError
from headrace.lake import runs, tables
from headrace.registry import versions
from headrace.registry.client import open_client
from headrace.settings import load_settings
from operations import archive, credentials
from operations.backup import make_backup
from operations.restore import restore_backup
from tests.operations.kept import CASE, CLOCK, TICKS, check_equal, fill, list_versions, register


@pytest.fixture
def backed_up(settings, tmp_path_factory):
    fill(settings)
    backup = tmp_path_factory.mktemp("backups") / "dev"
    make_backup(settings, backup)
    return settings, backup


def destroy(settings):
    shutil.rmtree(settings.environment_home)
    open_client.cache_clear()


def test_a_restored_environment_is_equal_version_by_version(settings, tmp_path_factory):
    fill(settings)
    register(settings)
    backup = tmp_path_factory.mktemp("backups") / "dev"
    make_backup(settings, backup)
    before = list_versions(settings)
    assert max(version for _, version in before) >= len(TICKS) + 1
    history = tables.read_history(settings, CLOCK)
    destroy(settings)
    manifest = restore_backup(settings, backup)

    check_equal(before, list_versions(settings))
    assert_frame_equal(tables.read_history(settings, CLOCK), history)
    assert manifest.tables == {CLOCK: max(version for _, version in before)}
    champion = versions.read_alias(settings, CASE, alias=versions.CHAMPION)
    assert champion is not None
    assert (champion.number, champion.model_id) == (1, "1234")
    assert (settings.serving_root / CASE.name / "segment-1.jsonl").read_text() == "[[]]\n"
    with lmdb.open(str(settings.online_root)) as store, store.begin() as reading:
        assert reading.get(b"state") == b"full"
    assert credentials.read(settings, "prefect_login") == "admin:not-shown"
    assert json.loads((settings.environment_home / "run" / "release.json").read_text()) == {"commit": "0" * 40}
    assert not (settings.environment_home / "log").exists()
    assert [path.name for path in settings.home.iterdir() if path.name.startswith(".restore")] == []

    # Exactly-once holds across the restore: a batch that was in is still known.
    runs.record_tick(settings, CASE.name, TICKS[1])
    check_equal(before, list_versions(settings))


def test_what_a_writer_adds_during_the_copy_is_not_in_it(settings, tmp_path):
    fill(settings)
    source, target = settings.lake_root / "metrics" / "clock", tmp_path / "copy"
    before = archive.list_tables(settings.lake_root)[CLOCK]
    runs.record_tick(settings, CASE.name, CASE.replay.ticks[4])
    archive.copy_table(source, target, version=before)
    assert DeltaTable(str(target)).version() == before
    assert_frame_equal(pl.read_delta(str(target)), pl.read_delta(str(source), version=before), check_row_order=False)


def test_a_table_with_a_checkpoint_is_copied_with_its_history(settings, tmp_path):
    fill(settings)
    source, target = settings.lake_root / "metrics" / "clock", tmp_path / "copy"
    DeltaTable(str(source)).create_checkpoint()
    version = archive.list_tables(settings.lake_root)[CLOCK]
    runs.record_tick(settings, CASE.name, CASE.replay.ticks[4])
    DeltaTable(str(source)).create_checkpoint()
    archive.copy_table(source, target, version=version)
    for number in range(1, version + 1):
        expected = pl.read_delta(str(source), version=number)
        assert_frame_equal(pl.read_delta(str(target), version=number), expected, check_row_order=False)


def test_a_backup_is_closed_to_others_and_its_secrets_to_all_but_their_owner(backed_up):
    _, backup = backed_up
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert stat.S_IMODE((backup / "home" / "secrets" / "prefect_login").stat().st_mode) == 0o600
    assert "not-shown" not in (backup / "manifest.json").read_text()
    assert [path for path in backup.parent.iterdir() if path != backup] == []


@pytest.mark.parametrize("spoil", ["changed", "missing", "added", "manifest", "none"])
def test_a_backup_that_is_not_as_it_was_made_restores_nothing(backed_up, spoil):
    settings, backup = backed_up
    victim = next(path for path in sorted(backup.rglob("*.parquet")))
    if spoil == "changed":
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif spoil == "missing":
        victim.unlink()
    elif spoil == "added":
        (backup / "home" / "extra").write_text("?")
    elif spoil == "manifest":
        (backup / "manifest.json").write_text("{}")
    else:
        (backup / "manifest.json").unlink()
    destroy(settings)
    said = {"changed": "was changed", "missing": "is missing", "added": "was added", "manifest": "cannot be read", "none": "is no backup"}[spoil]
    with pytest.raises(BackupError, match=said):
        restore_backup(settings, backup)
    assert not settings.environment_home.exists()


def test_a_backup_is_never_written_over(backed_up):
    settings, backup = backed_up
    with pytest.raises(BackupError, match="is not empty; name a new folder"):
        make_backup(settings, backup)


def test_an_environment_that_is_not_empty_is_left_as_it_is(backed_up):
    settings, backup = backed_up
    before = list_versions(settings)
    with pytest.raises(BackupError, match="dev is not empty"):
        restore_backup(settings, backup)
    check_equal(before, list_versions(settings))


def test_the_settings_of_this_machine_outlive_a_restore(backed_up):
    settings, backup = backed_up
    destroy(settings)
    settings.environment_home.mkdir()
    (settings.environment_home / "local.yaml").write_text("serving_port: 20599\n")
    (settings.environment_home / "log").mkdir()
    (settings.environment_home / "log" / "restore.log").write_text("this verb's own\n")
    restore_backup(settings, backup)
    assert (settings.environment_home / "local.yaml").read_text() == "serving_port: 20599\n"
    assert list_versions(settings)


def test_another_environments_or_another_homes_backup_is_refused(backed_up, tmp_path):
    settings, backup = backed_up
    with pytest.raises(BackupError, match="a backup of dev, not of staging"):
        restore_backup(load_settings("staging", home=settings.home, variables={}), backup)
    with pytest.raises(BackupError, match="made with HEADRACE_HOME="):
        restore_backup(load_settings("dev", home=tmp_path / "elsewhere", variables={}), backup)


def test_what_cannot_be_backed_up_says_why(settings, tmp_path):
    with pytest.raises(BackupError, match="dev has no state in"):
        make_backup(settings, tmp_path / "backups" / "dev")
    fill(settings)
    with pytest.raises(BackupError, match="which this machine does not keep"):
        make_backup(settings.model_copy(update={"lake_uri": "s3://bucket/lake"}), tmp_path / "backups" / "dev")
    with pytest.raises(BackupError, match="lies in the environment that is backed up"):
        make_backup(settings, settings.environment_home / "backups")
    for path in settings.lake_root.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(BackupError, match="is part of version"):
        make_backup(settings, tmp_path / "backups" / "dev")
    assert list((tmp_path / "backups").iterdir()) == [], "a backup that failed leaves none"
