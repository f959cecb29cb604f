"""A schedule is missed for a day: the newest of its runs does the work of all."""

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from headrace import use_case as use_cases
from headrace.lake import tables
from headrace.settings import LOCAL_FILE, ROOT, load_settings
from operations import supervisor
from operations.services import release_path
from tests.drills.rig import USE_CASE, wait_until
from tests.operations.environment import prefect_api

MISSED = 24


@pytest.fixture
def wall(rig):
    """The environment on a wall clock, from an empty lake, its deployed release being this clone."""
    local, release = rig.settings.environment_home / LOCAL_FILE, release_path(rig.settings)
    replay = local.read_text()
    local.write_text(yaml.safe_dump(yaml.safe_load(replay) | {"clock": "wall"}))
    rig.clear()
    supervisor.restart(rig.settings, "watcher")
    yield load_settings(rig.settings.environment, home=rig.settings.home, variables={})
    release.unlink(missing_ok=True)
    local.write_text(replay)
    supervisor.restart(rig.settings, "watcher")


def test_after_a_missed_day_one_run_does_the_work_of_all(rig, wall):
    supervisor.stop(rig.settings, "worker")
    deployment, now = rig.deployments["ingest"], datetime.now(UTC)
    day = {"start_time": (now - timedelta(hours=MISSED)).isoformat(), "end_time": now.isoformat(), "min_runs": MISSED, "max_runs": MISSED}
    with prefect_api(rig.settings) as api:
        hourly = [{"schedule": {"cron": "0 * * * *", "timezone": "UTC"}, "active": True}]
        [schedule] = api.post(f"/deployments/{deployment}/schedules", json=hourly).raise_for_status().json()
        api.post(f"/deployments/{deployment}/schedule", json=day).raise_for_status()
        runs = read_due(api, deployment, now)
        assert len(runs) == MISSED
        rig.figures["a day of hourly runs missed, until all but the newest are skipped"] = wait_until(
            lambda: len([run for run in read_due(api, deployment, now) if run["state_name"] == "Skipped"]) == MISSED - 1, "late runs to be skipped"
        )
        supervisor.start(rig.settings, "worker")
        assert rig.wait(runs[-1]["id"]) == "Completed"
        states = [run["state_name"] for run in read_due(api, deployment, now)]
        api.delete(f"/deployments/{deployment}/schedules/{schedule['id']}").raise_for_status()
    assert states == ["Skipped"] * (MISSED - 1) + ["Completed"]
    check_all_is_in(wall)


def test_what_lands_is_told_once_by_ids_alone(rig, wall):
    release_path(wall).write_text(json.dumps({"commit": "0" * 40, "folder": str(ROOT), "python": sys.executable}))
    chosen = {"event": {"name": ["headrace.data.landed"]}}
    with prefect_api(rig.settings) as api:

        def read_told():
            return api.post("/events/filter", json={"filter": chosen, "limit": 50}).raise_for_status().json()["events"]

        feeds = len(use_cases.load_in(wall, USE_CASE).feeds)
        rig.figures["data landed, until the event is there"] = wait_until(lambda: len(read_told()) == feeds, "an event for every feed")
        # A new watcher does not know what the one before it told; the server does.
        supervisor.restart(rig.settings, "watcher")
        asked = datetime.now(UTC)
        wait_until(lambda: datetime.now(UTC) - asked > timedelta(seconds=75), "the new watcher to have looked")
        told = read_told()
    assert len(told) == feeds
    assert {event["resource"]["prefect.resource.id"] for event in told} == {f"headrace.staging.{USE_CASE}"}
    assert all(set(event["payload"]) == {"use_case", "subject"} for event in told)


def read_due(api, deployment, now):
    """Runs of a deployment whose time has come, oldest first."""
    where = {"deployment_id": {"any_": [deployment]}, "expected_start_time": {"before_": now.isoformat()}}
    where["tags"] = {"all_": ["auto-scheduled"]}
    return api.post("/flow_runs/filter", json={"flow_runs": where, "sort": "EXPECTED_START_TIME_ASC"}).raise_for_status().json()


def check_all_is_in(settings):
    """Bronze holds all that the source has, once."""
    case = use_cases.load_in(settings, USE_CASE)
    for feed in case.feeds:
        delivered = sum(delivery.read().height for delivery in case.source.deliveries(feed, after=None, until=datetime.now(UTC)))
        assert tables.read(settings, case.table("bronze", feed)).collect().height == delivered
