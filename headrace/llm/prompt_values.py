"""The typed variables of a prompt: what each may hold, and the check before it is put into text for a model."""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headrace.errors import PromptError

# Marks by which chat templates tell who speaks. A server reads them in a question as it does between messages, so that a text
# which holds one could end its own message and begin another. Forms: ChatML and Llama 3, Llama 2, Gemma.
_CONTROL_MARK = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>")

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Strict(BaseModel):
    """Frozen, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Variable(Strict):
    """What a variable may hold. Limits that its type needs must be given."""

    type: Literal["text", "integer", "number", "boolean", "list"] = Field(description="A list holds items, each with the same fields.")
    description: str = Field(min_length=1, description="What it is, in a sentence.")
    max_characters: int | None = Field(default=None, ge=1, description="Longest text; must be given for a text.")
    is_empty_allowed: bool = Field(default=False, description="Whether a text may be empty.")
    allowed: tuple[str, ...] | None = Field(default=None, min_length=1, strict=False, description="Closed list of texts.")
    least: float | None = Field(default=None, strict=False, description="Least number.")
    greatest: float | None = Field(default=None, strict=False, description="Greatest number.")
    fields: Mapping[str, "Variable"] | None = Field(default=None, min_length=1, description="Fields of each item of a list; must be given for one.")
    min_items: int = Field(default=0, ge=0, description="Fewest items of a list.")
    max_items: int | None = Field(default=None, ge=1, description="Most items of a list; must be given for one.")

    @model_validator(mode="after")
    def _has_the_limits_of_its_type(self) -> "Variable":
        needed = {"text": ("max_characters",), "list": ("fields", "max_items")}.get(self.type, ())
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"is a {self.type} and lacks {', '.join(missing)}")
        of_type = {"text": {"max_characters", "is_empty_allowed", "allowed"}, "list": {"fields", "min_items", "max_items"}}
        numbers = {"least", "greatest"} if self.type in ("integer", "number") else set()
        if foreign := self.model_fields_set - {"type", "description"} - of_type.get(self.type, numbers):
            raise ValueError(f"is {self.type} and says {', '.join(sorted(foreign))}, which others have")
        if self.fields and (wrong := [name for name, field in self.fields.items() if field.type == "list" or not _is_field(name)]):
            raise ValueError(f"has fields that are lists, or whose names no template could use: {', '.join(wrong)}")
        return self


def build_sample(variables: Mapping[str, Variable]) -> dict[str, Any]:
    """Values that are allowed, by which a template can be tried."""
    return {name: _build_value(variable) for name, variable in variables.items()}


def find_control_mark(text: str) -> str | None:
    """The first mark in a text by which a chat template tells who speaks; None where there is none."""
    found = _CONTROL_MARK.search(text)
    return found[0] if found else None


def check_values(variables: Mapping[str, Variable], values: Mapping[str, Any], *, prompt: str) -> None:
    """Refuse values that are not exactly those that are declared.

    Args:
        variables: Name -> what it may hold.
        values: Name -> what it holds.
        prompt: For the message.

    Raises:
        PromptError: A value is missing, unknown, of another type, out of its limits, or holds a control mark. No value is quoted.
    """
    findings = _list_findings(variables, values, at="")
    if findings:
        raise PromptError(f"prompt {prompt} cannot be filled in: {'; '.join(findings[:5])}. It takes: {', '.join(variables) or 'nothing'}")


def _is_field(name: str) -> bool:
    # A template would find the method of a dictionary in place of a field of its name.
    return NAME.fullmatch(name) is not None and not hasattr(dict, name)


def _build_value(variable: Variable) -> Any:
    match variable.type:
        case "text":
            return variable.allowed[0] if variable.allowed else "x"
        case "boolean":
            return True
        case "list":
            return [build_sample(variable.fields or {})] * max(1, variable.min_items)
    number = next((bound for bound in (variable.least, variable.greatest) if bound is not None), 0)
    return int(number) if variable.type == "integer" else number


def _list_findings(variables: Mapping[str, Variable], values: Mapping[str, Any], *, at: str) -> list[str]:
    findings = [f"{at}{name} is missing" for name in variables if name not in values]
    findings += [f"{at}{name} is not declared" for name in values if name not in variables]
    for name in variables.keys() & values.keys():
        findings += _judge(variables[name], values[name], at=f"{at}{name}")
    return sorted(findings)


def _judge(variable: Variable, value: Any, *, at: str) -> list[str]:
    match variable.type:
        case "text":
            return _judge_text(variable, value, at=at)
        case "list":
            return _judge_list(variable, value, at=at)
        case "boolean":
            return [] if isinstance(value, bool) else [f"{at} should be a boolean, got {type(value).__name__}"]
    kinds = int if variable.type == "integer" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        return [f"{at} should be a finite {variable.type}, got {type(value).__name__}"]
    is_low = variable.least is not None and value < variable.least
    is_high = variable.greatest is not None and value > variable.greatest
    return [f"{at} should lie between {variable.least} and {variable.greatest}"] if is_low or is_high else []


def _judge_text(variable: Variable, value: Any, *, at: str) -> list[str]:
    if not isinstance(value, str):
        return [f"{at} should be a text, got {type(value).__name__}"]
    findings = []
    if not value.strip() and not variable.is_empty_allowed:
        findings.append(f"{at} is empty")
    if variable.max_characters is not None and len(value) > variable.max_characters:
        findings.append(f"{at} has {len(value)} characters, at most {variable.max_characters} are taken")
    if variable.allowed is not None and value not in variable.allowed:
        findings.append(f"{at} should be one of {', '.join(variable.allowed)}")
    if mark := find_control_mark(value):
        findings.append(f"{at} holds {mark}, by which a model is told who speaks")
    return findings


def _judge_list(variable: Variable, value: Any, *, at: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        return [f"{at} should be a list of items with the fields {', '.join(variable.fields or {})}"]
    if not variable.min_items <= len(value) <= (variable.max_items or 0):
        return [f"{at} has {len(value)} items, {variable.min_items} to {variable.max_items} are taken"]
    return [finding for index, item in enumerate(value) for finding in _list_findings(variable.fields or {}, item, at=f"{at}[{index}].")]
