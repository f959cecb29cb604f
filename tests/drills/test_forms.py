"""A person decides on a real server: forms that wait through kills, an answer that promotes, an answer that archives."""

from datetime import UTC, datetime

from headrace.lake import tables
from headrace.registry import history, versions
from tests.operations.environment import prefect_api, start_run, wait_for_state
from tests.story.asking import RESTS, answer, deployment, dev, kill, read_run, resume
from tests.story.conftest import trained_home

__all__ = ["deployment", "dev", "trained_home"]


def test_forms_wait_through_kills_and_their_answers_decide(dev, deployment):
    settings, case = dev.settings, dev.case
    first = dev.register("a")
    asked_first = start_run(settings, deployment)
    assert wait_for_state(settings, asked_first, RESTS) == "Suspended", read_run(dev, asked_first)["state"]

    # A newer challenger is asked about by a run of its own, and takes nothing from the first one.
    second = dev.register("b")
    asked_second = start_run(settings, deployment)
    assert wait_for_state(settings, asked_second, RESTS) == "Suspended", read_run(dev, asked_second)["state"]

    kill(dev, "worker", "prefect-server")
    assert read_run(dev, asked_first)["state_name"] == "Suspended"
    assert resume(dev, asked_first, decision="approve", name="ada") == "REJECT"
    assert resume(dev, asked_first, decision="approve", name=" ", reason="better at night") == "REJECT"
    before = datetime.now(UTC)
    assert resume(dev, asked_first, decision="approve", name="ada", reason="better at night") == "ACCEPT"
    assert "goes on with it" in answer(dev, "reject", second, by="bob", reason="no better")

    assert wait_for_state(settings, asked_first, RESTS[1:]) == "Completed", read_run(dev, asked_first)["state"]
    assert wait_for_state(settings, asked_second, RESTS[1:]) == "Blocked", read_run(dev, asked_second)["state"]
    rows = {row["model_version"]: row for row in history.read_promotions(settings, case).iter_rows(named=True)}
    assert {number: row["action"] for number, row in rows.items()} == {1: "promote", 2: "reject"}
    assert {number: (row["approver"], row["approval_reason"]) for number, row in rows.items()} == {
        1: ("ada", "better at night"),
        2: ("bob", "no better"),
    }
    # The reign begins when the person answered, not when the run was due.
    assert rows[1]["as_of"] == rows[1]["approved_at"] > before
    assert tables.read(settings, "metrics.approval_requests").collect().height == 2
    champion = versions.read_alias(settings, case, alias=versions.CHAMPION)
    assert champion is not None
    assert champion.number == first.number
    assert versions.read(settings, case, number=second.number).tags["stage"] == "archived"
    assert versions.read_alias(settings, case, alias=versions.CHALLENGER) is None

    # What people see beside the runs: figures and card, and from what the decision was made.
    with prefect_api(settings) as api:
        keys = {artifact["key"] for artifact in api.post("/artifacts/filter", json={}).raise_for_status().json()}
        wanted = {"filter": {"event": {"name": ["prefect.asset.materialization.succeeded"]}}}
        events = api.post("/events/filter", json=wanted).raise_for_status().json()["events"]
    assert {"promotion-flight-delay", "model-card-flight-delay"} <= keys
    made_from = {event["resource"]["prefect.resource.id"]: {found["prefect.resource.id"] for found in event["related"]} for event in events}
    assert "delta://dev/gold/flight_delay_features" in made_from["delta://dev/metrics/promotions"]
