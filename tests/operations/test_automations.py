"""What a receiver is told: a small JSON object with a reason, and never a value of a row."""

import json
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.server.utilities.user_templates import render_user_template_sync

from operations.automations import TOLD, build_notification, build_payload

RAISED = "Flow run encountered an exception: "


def tell(settings, message):
    """Render the body as the server does."""
    labels = {"prefect.resource.name": 'lifecycle "x"', "prefect.state-name": "Failed", "prefect.state-message": message}
    resource = type("Resource", (dict,), {"id": "prefect.flow-run.0a1b"})(labels)
    context = {"event": SimpleNamespace(resource=resource), "flow": SimpleNamespace(name="lifecycle"), "deployment": SimpleNamespace(name="flights")}
    return json.loads(render_user_template_sync(build_payload(settings), context))


def test_it_names_the_run_and_where_to_look(settings):
    assert tell(settings, "the gate says no") == {
        "environment": "dev",
        "flow": "lifecycle",
        "deployment": "flights",
        "run": 'lifecycle "x"',
        "state": "Failed",
        "message": "the gate says no",
        "page": f"http://127.0.0.1:{settings.prefect_port}/runs/flow-run/0a1b",
    }


@pytest.mark.parametrize(
    "text", ["ValueError: row 17 holds secret-value", "polars.exceptions.ComputeError: secret-value", "KeyError: 'secret-value'"]
)
def test_the_text_of_a_foreign_exception_stays_here(settings, text):
    told = tell(settings, RAISED + text)["message"]
    assert "secret-value" not in told
    assert told == RAISED + text.split(":")[0]


def test_our_own_sentences_are_told_whole(settings):
    assert tell(settings, RAISED + "SourceError: a file is empty: deliver it again")["message"].endswith(
        "SourceError: a file is empty: deliver it again"
    )


def test_a_state_without_a_message_is_told_too(settings):
    assert tell(settings, None)["message"] == ""


def test_a_long_reason_is_cut(settings):
    assert len(tell(settings, "word " * 1000)["message"]) <= 400


def test_it_listens_to_runs_of_deployments_in_the_states_that_matter(settings):
    automation = build_notification(settings, name="notify-dev", block_id=uuid4())
    assert automation.trigger.expect == {f"prefect.flow-run.{state}" for state in TOLD}
    assert "Blocked" in TOLD
    assert automation.trigger.match_related.model_dump() == {"prefect.resource.role": "deployment"}
