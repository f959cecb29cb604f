"""A prompt as a file: `use_cases/<use case>/prompts/<prompt>.yaml`, with typed variables, examples and the shape of the answer.

Values are put in as text and nothing else: a question that looks like a template stays a question. What comes back is read by
the schema that the prompt declares.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError as JsonSchemaError
from pydantic import Field, ValidationError, model_validator

from headrace.errors import PromptError
from headrace.llm.prompt_values import NAME, Strict, Variable, build_sample, check_values
from headrace.settings import ROOT
from headrace.strict_yaml import format_findings, read_strictly

USE_CASES = ROOT / "use_cases"

# Text for a model is no page: nothing in it is to be escaped, and a missing value is an error instead of nothing.
_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


class Example(Strict):
    """A question and its answer that the model is shown before the real one."""

    variables: Mapping[str, Any] = Field(description="Values for the user's template.")
    answer: str = Field(min_length=1, description="What a good answer to it is.")


class PromptTemplate(Strict):
    """One prompt: what is said to the model, what has to be filled in, and what comes back."""

    name: str = Field(description="The file's name.")
    description: str = Field(min_length=1, description="What it is for, in a sentence or two.")
    variables: Mapping[str, Variable] = Field(description="What has to be filled in.")
    system: str = Field(description="What the model is told first, a template; empty: nothing.")
    user: str = Field(min_length=1, description="What the user says, a template.")
    examples: tuple[Example, ...] = Field(default=(), strict=False, description="Shown before the real question, in this order.")
    output_schema: Mapping[str, Any] | None = Field(description="JSON schema of the answer; null: free text.")
    stop: tuple[str, ...] = Field(default=(), strict=False, description="Texts at which the answer ends.")
    max_tokens: int = Field(ge=1, description="Most tokens of the answer.")

    @model_validator(mode="after")
    def _can_be_rendered(self) -> "PromptTemplate":
        if wrong := [name for name in (self.name, *self.variables) if not NAME.fullmatch(name)]:
            raise ValueError(f"{', '.join(wrong)}: write small letters, digits and underscores")
        _check_templates(self)
        if self.output_schema is not None:
            _check_schema(self.output_schema)
        # What a rendering would refuse is found when the file is read.
        try:
            for example in self.examples:
                check_values(self.variables, example.variables, prompt=self.name)
            render_prompt(self, build_sample(self.variables))
        except PromptError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def hash(self) -> str:
        """SHA-256 over all of it, whatever the layout of its file."""
        return hashlib.sha256(self.definition.encode()).hexdigest()

    @property
    def definition(self) -> str:
        """All of it as canonical JSON, without what is left to its default: a key that comes later changes no hash."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class RenderedPrompt:
    """A prompt that is filled in, as the gateway takes it.

    Attributes:
        messages: `role` and `content` of each, oldest first.
        max_tokens: Most tokens of the answer.
        stop: Texts at which the answer ends.
        output_schema: JSON schema of the answer; None: free text.
    """

    messages: tuple[Mapping[str, str], ...]
    max_tokens: int
    stop: tuple[str, ...]
    output_schema: Mapping[str, Any] | None


def list_prompts(use_case: str, *, folder: Path = USE_CASES) -> list[str]:
    """Names of the prompts of a use case, sorted."""
    return sorted(path.stem for path in (folder / use_case / "prompts").glob("*.yaml"))


def read_prompt(use_case: str, name: str, *, folder: Path = USE_CASES) -> PromptTemplate:
    """A prompt as its file has it.

    Args:
        use_case: Name of the use case.
        name: Name of the prompt.
        folder: Of the use cases.

    Raises:
        PromptError: There is no such file, or it is not YAML, incomplete or wrong.
    """
    path = folder / use_case / "prompts" / f"{name}.yaml"
    known = list_prompts(use_case, folder=folder)
    if name not in known:
        raise PromptError(f"use case {use_case} has no prompt {name!r}; known: {', '.join(known) or 'none'}. Write use_cases/{use_case}/prompts/")
    try:
        values = read_strictly(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PromptError(f"{use_case}/prompts/{name}.yaml is not YAML: {error}") from error
    found = build_prompt(values, where=f"{use_case}/prompts/{name}.yaml")
    if found.name != name:
        raise PromptError(f"{use_case}/prompts/{name}.yaml calls itself {found.name!r}; file and name must be the same")
    return found


def build_prompt(values: Any, *, where: str) -> PromptTemplate:
    """A prompt from what its file or the registry holds.

    Raises:
        PromptError: A key is missing, unknown or wrong, or a template, example or schema is broken.
    """
    try:
        return PromptTemplate.model_validate(values)
    except ValidationError as error:
        raise PromptError(f"{where} is incomplete or wrong: {format_findings(error)}") from error


def render_prompt(template: PromptTemplate, values: Mapping[str, Any]) -> RenderedPrompt:
    """Fill a prompt in.

    Args:
        template: The prompt.
        values: Name of each variable -> its value.

    Raises:
        PromptError: A value is missing, unknown, of another type, out of its limits, or holds a control mark.
    """
    check_values(template.variables, values, prompt=template.name)
    messages: list[Mapping[str, str]] = []
    if system := _fill(template.system, values, prompt=template.name):
        messages.append({"role": "system", "content": system})
    for example in template.examples:
        messages.append({"role": "user", "content": _fill(template.user, example.variables, prompt=template.name)})
        messages.append({"role": "assistant", "content": example.answer})
    messages.append({"role": "user", "content": _fill(template.user, values, prompt=template.name)})
    return RenderedPrompt(messages=tuple(messages), max_tokens=template.max_tokens, stop=template.stop, output_schema=template.output_schema)


def parse_answer(template: PromptTemplate, text: str) -> Any:
    """What a model answered, by the prompt's schema: stripped text where it has none, else the JSON value.

    Raises:
        PromptError: The text is no JSON, or not what the schema says. It quotes no answer.
    """
    if template.output_schema is None:
        return text.strip()
    fenced = _FENCE.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise PromptError(
            f"the answer to prompt {template.name} should be JSON and is none ({len(text)} characters); raise its max_tokens "
            f"({template.max_tokens}) if it was cut, or hand its output_schema to the model"
        ) from None
    errors = Draft202012Validator(template.output_schema).iter_errors(value)
    findings = sorted(f"{error.json_path} breaks {error.validator}: {_shorten(error.validator_value)}" for error in errors)
    if findings:
        raise PromptError(f"the answer to prompt {template.name} is not what its output_schema says: {'; '.join(findings[:5])}")
    return value


def _check_templates(template: PromptTemplate) -> None:
    named: set[str] = set()
    for part in (template.system, template.user):
        try:
            named |= meta.find_undeclared_variables(_JINJA.parse(part))
        except TemplateSyntaxError as error:
            raise ValueError(f"a template is broken: {error.message}, line {error.lineno}") from None
    if unknown := sorted(named - template.variables.keys()):
        raise ValueError(f"its templates use {', '.join(unknown)}, which variables do not declare")
    if unused := sorted(template.variables.keys() - named):
        raise ValueError(f"its variables declare {', '.join(unused)}, which no template uses")


def _check_schema(schema: Mapping[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except JsonSchemaError as error:
        raise ValueError(f"output_schema is no JSON schema: {error.message}") from None
    # A reference elsewhere would be fetched from there.
    if re.search(r'"\$(?:dynamicRef|ref)": "(?!#)', json.dumps(schema)):
        raise ValueError("output_schema refers to another document; write it here")


@lru_cache(maxsize=256)
def _compile(text: str) -> Any:
    return _JINJA.from_string(text)


def _fill(text: str, values: Mapping[str, Any], *, prompt: str) -> str:
    try:
        return _compile(text).render(values).strip()
    except (UndefinedError, TemplateError) as error:
        raise PromptError(f"prompt {prompt} cannot be filled in: {error}; correct its template") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _shorten(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
