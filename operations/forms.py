"""The forms of the Run buttons: fields and their explanations from the flow's own signature, and nothing but them accepted.

Prefect creates a run with an unknown parameter name, which then fails minutes later; and it reads `format: date-time` as a hint.
A schema that forbids other names and spells out what an instant looks like is enforced by the server when a run is created.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from prefect.utilities.callables import parameter_schema

# Months have as many days as they have; 2013-07-01, 2013-07-01T06:00:00Z, 2013-07-01T06:00:00.000+02:00.
_DAY = r"\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2\d))"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?"
INSTANT = rf"^{_DAY}(?:[T ]{_TIME})?$"


def build_form(flow: str, use_case: str) -> dict[str, Any]:
    """JSON schema of the parameters of a flow's deployment for one use case."""
    function = getattr(importlib.import_module(f"flows.{flow}"), flow)
    form = parameter_schema(function).model_dump_for_openapi()
    fields: dict[str, Any] = {name: _forbid_no_instants(field) for name, field in form["properties"].items()}
    for name in form.get("required", []):
        # Nobody decides without a name and a reason.
        fields[name] |= {"minLength": 1}
    # Another use case has deployments of its own.
    fields["use_case"] |= {"enum": [use_case], "default": use_case}
    return {**form, "properties": fields, "additionalProperties": False}


def _forbid_no_instants(field: Mapping[str, Any]) -> dict[str, Any]:
    """The field, with its instants spelled out."""
    spelled = dict(field)
    if spelled.get("format") == "date-time":
        spelled["pattern"] = INSTANT
    if "anyOf" in spelled:
        spelled["anyOf"] = [_forbid_no_instants(choice) for choice in spelled["anyOf"]]
    return spelled
