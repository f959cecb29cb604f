"""`prefect.yaml`, filled in: nothing of it is left open, and an environment's schedules are those of its settings."""

import re
from pathlib import Path

import pytest
import yaml

from headrace.errors import DeployError
from headrace.settings import ROOT, load_settings
from operations.forms import INSTANT, build_form
from operations.manifest import FILE, find_flow, read_manifest, render_manifest
from operations.releases import Release

FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("[a-z]*.py"))
RELEASE = Release(commit="c0ffee", folder=ROOT, python=Path("venv/bin/python"))


def render(tmp_path, environment="staging", folder=ROOT, use_case="flight_delay", **changes):
    settings = load_settings(environment, home=tmp_path, variables={}).model_copy(update=changes)
    release = Release(commit=RELEASE.commit, folder=folder, python=RELEASE.python)
    return {find_flow(entry): entry for entry in render_manifest(settings, release, use_case)}


def test_every_flow_is_deployed_once():
    assert sorted(find_flow(entry) for entry in read_manifest(ROOT)["deployments"]) == FLOWS


def test_stages_that_a_use_case_does_not_run_are_not_deployed(tmp_path):
    assert set(FLOWS) - set(render(tmp_path)) == {"llm_index", "llm_evaluate"}
    assert set(render(tmp_path, use_case="docs_assistant")) == set(FLOWS)


def test_nothing_is_left_open(tmp_path):
    entries = render(tmp_path)
    text = yaml.safe_dump(entries)
    assert "$" not in text
    assert "noop" not in text
    assert {entry["name"] for entry in entries.values()} == {"flight_delay"}
    assert {entry["work_pool"]["name"] for entry in entries.values()} == {"staging-pool"}
    assert entries["train"]["pull"] == [{"prefect.deployments.steps.git_clone": {"repository": f"file://{ROOT}", "commit_sha": "c0ffee"}}]


def test_a_release_has_no_landing_folder_so_its_runs_are_told_where_it_is(tmp_path):
    for landing, changes in ((ROOT / "landing", {}), (Path("/data/landing"), {"landing_root": Path("/data/landing")})):
        entries = render(tmp_path, **changes)
        assert {entry["work_pool"]["job_variables"]["env"]["HEADRACE_LANDING_ROOT"] for entry in entries.values()} == {str(landing)}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_schedules_are_those_of_the_environment(tmp_path, environment):
    settings = load_settings(environment, home=tmp_path, variables={})
    found = {flow: entry["schedules"][0]["cron"] for flow, entry in render(tmp_path, environment).items() if entry["schedules"]}
    assert found == {flow: cron for flow, cron in settings.schedules.items() if cron and flow in FLOWS}


def test_a_schedule_of_no_flow_is_refused(tmp_path):
    with pytest.raises(DeployError, match="schedules names trian, and prefect.yaml has no such flow"):
        render(tmp_path, schedules={"trian": "5 * * * *"})


def test_a_variable_that_nobody_sets_is_refused(tmp_path):
    raw = read_manifest(ROOT)
    raw["deployments"][0] = {**raw["deployments"][0], "description": "of {{ $NOBODY }}"}
    (tmp_path / FILE).write_text(yaml.safe_dump(raw))
    with pytest.raises(DeployError, match="uses the variable NOBODY at lifecycle.description, and it has no value"):
        render(tmp_path, folder=tmp_path)


@pytest.mark.parametrize("text", ["- a", "deployments: []", "{", "pull: 1\ndeployments: []"])
def test_a_file_that_is_none_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DeployError, match="is not YAML|must hold the lists"):
        read_manifest(tmp_path)
    with pytest.raises(DeployError, match="does not exist"):
        read_manifest(tmp_path / "nowhere")


def test_events_start_what_they_should_of_their_own_use_case_only(tmp_path):
    triggers = {(event, flow) for flow, entry in render(tmp_path).items() for one in entry.get("triggers", []) for event in one["expect"]}
    assert triggers == {
        ("headrace.model.registered", "promote"),
        ("headrace.drift.detected", "retrain"),
        ("headrace.performance.dropped", "retrain"),
        ("headrace.data.landed", "ingest"),
    }
    for entry in render(tmp_path).values():
        for one in entry.get("triggers", []):
            assert one["match"] == {"prefect.resource.id": "headrace.staging.flight_delay"}
            assert (one["threshold"], one["for_each"]) == (1, ["prefect.resource.id"])
            assert one["within"] > 0


@pytest.mark.parametrize("flow", FLOWS)
def test_a_form_explains_its_fields_and_takes_no_other(flow):
    form = build_form(flow, "flight_delay")
    assert form["additionalProperties"] is False
    assert form["properties"]["use_case"]["enum"] == ["flight_delay"]
    assert [name for name, field in form["properties"].items() if not field.get("description")] == []


@pytest.mark.parametrize("text", ["2013-07-01", "2013-07-01T06:00", "2013-07-01T06:00:00Z", "2013-07-01 06:00:00.123456+02:00"])
def test_an_instant_is_taken(text):
    assert re_match(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2013-02-30", "2013-13-01", "2013-04-31", "2013-07-01T25:00", "2013-07-01Z", "1.7.2013"])
def test_what_is_no_instant_is_refused(text):
    assert not re_match(text)


def re_match(text):
    return re.search(INSTANT, text) is not None
