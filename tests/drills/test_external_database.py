"""An environment whose state lies in somebody's PostgreSQL: up, a run, a backup, a loss, a restore, and up again with that run."""

import shutil

import psycopg
from psycopg import sql

from operations import dumps, postgres, processes
from operations.backup import make_backup
from operations.down import stop_environment
from operations.restore import restore_backup
from operations.status import read_rows
from operations.up import start_environment
from tests.operations.environment import configure, deploy_file, new_home, read_state, start_run, wait_for_state

FLOW = """
from prefect import flow


@flow
def work() -> None:
    pass
"""


def test_all_state_goes_to_the_database_that_a_setting_names_and_comes_back_from_a_backup(tmp_path):
    (tmp_path / "flows.py").write_text(FLOW)
    with new_home() as home:
        # Somebody's PostgreSQL: a cluster that no keeper of the environment knows.
        elsewhere = configure(home, "staging")
        with dumps.running_cluster(elsewhere):
            address = home / "address"
            address.touch(mode=0o600)
            address.write_text(postgres.admin_uri(elsewhere))
            prod = configure(home, "prod", database_uri=f"file:{address}", clock="replay", schedules={})
            try:
                assert "postgres" not in start_environment(prod)
                assert {row.service.name: row.health.note for row in read_rows(prod) if not row.health.is_healthy} == {}
                run = start_run(prod, deploy_file(prod, tmp_path / "flows.py", "work"))
                assert wait_for_state(prod, run, ("Completed", "Failed", "Crashed")) == "Completed"
                make_backup(prod, home / "backup")
                stop_environment(prod)
                assert not (prod.environment_home / "postgres").exists()

                local = (prod.environment_home / "local.yaml").read_text()
                shutil.rmtree(prod.environment_home)
                drop_databases(prod)
                restore_backup(prod, home / "backup")
                assert (prod.environment_home / "local.yaml").read_text() == local
                start_environment(prod)
                assert read_state(prod, run) == "Completed"
                stop_environment(prod)
            finally:
                processes.end_processes(processes.find_marked(prod), patience_seconds=5)


def drop_databases(settings):
    with psycopg.connect(postgres.admin_uri(settings), autocommit=True) as connection:
        for purpose in postgres.DATABASES:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(postgres.database_name(settings, purpose))))
