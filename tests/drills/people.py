"""Flows for drills that are about people: one waits for them, one is blocked, one fails. Deployed from a copy of this file."""

from typing import Any

from prefect import State, flow
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.states import Failed


class Answer(RunInput):
    """What a person says."""

    by: str


@flow(persist_result=True, result_serializer="json")
def waits() -> str:
    """Suspend until somebody answers."""
    return suspend_flow_run(wait_for_input=Answer, key="answer", timeout=3600).by


@flow
def blocks() -> State[Any]:
    """End as a gate ends a flow."""
    return Failed(name="Blocked", message="the gate says no")


@flow
def fails() -> None:
    """Fail with a value in the text, as libraries do."""
    raise ValueError("row 17 holds secret-value")
