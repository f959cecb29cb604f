"""Backup and restore of an environment on PostgreSQL, with a real cluster: dumped while it runs, restored into a new one."""

import shutil

import psycopg
import pytest

from headrace.registry import versions
from headrace.registry.client import open_client
from operations import dumps, postgres
from operations.backup import make_backup
from operations.restore import restore_backup
from tests.operations.environment import configure, new_home
from tests.operations.kept import CASE, check_equal, fill, list_versions, register

pytestmark = pytest.mark.long


def reach_registry(settings):
    """The settings of somebody who asks the registry's database itself: no MLflow server is needed to compare."""
    return settings.model_copy(update={"tracking_uri": postgres.database_uri(settings, postgres.MLFLOW, scheme="postgresql+psycopg")})


def execute(settings, purpose, statement):
    with psycopg.connect(postgres.database_uri(settings, purpose)) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_restored_cluster_has_the_rows_owners_and_passwords_of_the_old_one():
    with new_home() as home:
        settings = configure(home, "staging")
        with dumps.running_cluster(settings):
            postgres.ensure_databases(settings)
            fill(settings)
            register(reach_registry(settings))
            execute(settings, postgres.PREFECT, "CREATE TABLE flow_run AS SELECT generate_series(1, 1000) AS id, 'Completed' AS state")
            execute(settings, postgres.MLFLOW_AUTH, "CREATE TABLE users AS SELECT 'headrace' AS username")
            backup = home / "backup"
            make_backup(settings, backup)
            before = list_versions(settings)
            # What comes after the backup is not in it.
            execute(settings, postgres.PREFECT, "DELETE FROM flow_run")
        assert sorted(path.name for path in (backup / "databases").iterdir()) == [
            "staging_mlflow.dump",
            "staging_mlflow_auth.dump",
            "staging_prefect.dump",
        ]
        assert not (backup / "home" / "postgres").exists()

        local = (settings.environment_home / "local.yaml").read_text()
        shutil.rmtree(settings.environment_home)
        open_client.cache_clear()
        restore_backup(settings, backup)

        assert (settings.environment_home / "local.yaml").read_text() == local
        assert sorted(path.name for path in home.iterdir()) == ["backup", "staging"], "what was put together beside it is gone"
        check_equal(before, list_versions(settings))
        with dumps.running_cluster(settings):
            # The generated passwords are those of the backup, and the tables belong to the roles that use them.
            assert execute(settings, postgres.PREFECT, "SELECT count(*), max(id) FROM flow_run") == [(1000, 1000)]
            assert execute(settings, postgres.PREFECT, "SELECT tableowner FROM pg_tables WHERE tablename = 'flow_run'") == [("staging_prefect",)]
            assert execute(settings, postgres.MLFLOW_AUTH, "SELECT username FROM users") == [("headrace",)]
            champion = versions.read_alias(reach_registry(settings), CASE, alias=versions.CHAMPION)
            assert champion is not None
            assert (champion.number, champion.model_id) == (1, "1234")
