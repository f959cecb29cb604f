"""Rubrics: what answers of a use case are graded on, one YAML each under `use_cases/<use case>/rubrics/`.

A rubric is graded by a rule where words can tell, else by a judge: a language model, asked through the gateway. A judge's grades count only
where its agreement with labels was measured and reaches the bar that the rubric declares (`headrace.llm.agreement`).
"""

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from headrace.errors import PromptError
from headrace.llm.prompt_values import Strict
from headrace.settings import ROOT
from headrace.strict_yaml import format_findings, read_strictly

USE_CASES = ROOT / "use_cases"


class Judge(Strict):
    """A language model that grades, and what must be known of it before its grades count."""

    alias: str = Field(min_length=1, description="Alias of the model in `language_models`.")
    prompt: str = Field(min_length=1, description="Prompt of the use case that asks it: takes `question` and `answer`, answers yes or no.")
    labels: str = Field(min_length=1, description="What it is held against: `true_answers`, or labels of the model hub by name.")
    least_labels: int = Field(ge=10, description="Labels below which its agreement is not known.")
    min_kappa: float = Field(gt=0, le=1, description="Cohen's kappa that the lower end of its 95 % interval must reach.")


class Rubric(Strict):
    """One question that is asked of every answer."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$", description="The file's name; figures are named after it.")
    question: str = Field(min_length=1, description="What is asked, for people.")
    applies_to: Literal["answered", "all"] = Field(description="Answers only, or also where it said that it does not know.")
    rule: Literal["grounded", "silent_where_it_should"] | None = Field(default=None, description="The rule that grades.")
    judge: Judge | None = Field(default=None, description="The judge that grades where no rule can.")

    @model_validator(mode="after")
    def _has_one_grader(self) -> "Rubric":
        if (self.rule is None) == (self.judge is None):
            raise ValueError("is graded by a rule or by a judge: say one of them")
        return self

    @property
    def version(self) -> str:
        """Hash of all of it: another bar, prompt or question is another version."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def read_rubrics(use_case: str, *, folder: Path = USE_CASES) -> list[Rubric]:
    """The rubrics of a use case, by name; none where it has no folder for them.

    Raises:
        PromptError: A file is not YAML, incomplete, wrong, or named otherwise than its rubric.
    """
    return [_read(path) for path in sorted((folder / use_case / "rubrics").glob("*.yaml"))]


def _read(path: Path) -> Rubric:
    where = f"{path.parent.parent.name}/rubrics/{path.name}"
    try:
        found = Rubric.model_validate(read_strictly(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise PromptError(f"{where} is not YAML: {error}") from error
    except ValidationError as error:
        raise PromptError(f"{where} is incomplete or wrong: {format_findings(error)}") from error
    if found.name != path.stem:
        raise PromptError(f"{where} calls itself {found.name!r}; file and name must be the same")
    return found
