"""Whose answers a model words when chains are evaluated: the champion's, and those of whatever would put another prompt or model in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from headrace.llm.chain_candidate import CHAIN, Pins, read_pins
from headrace.llm.gateway import read_identity
from headrace.llm.prompts import PromptVersion, load_prompt, register_prompt
from headrace.llm.wording import read_wording_prompt
from headrace.models.candidate import read_candidate
from headrace.registry import history, versions
from headrace.registry.versions import Version
from headrace.settings import Settings
from headrace.use_case import UseCase


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A chain with what words its answers.

    Attributes:
        version: Number of the chain in the registry.
        model_id: Hash of what the chain was built from.
        folder: Its folder.
        holdout_start: Instant (UTC) from which on no question was tuned on.
        prompt: Name, version and hash of the prompt, as a chain pins it.
        model: Alias and identity of the model, as a chain pins it.
        quoted: Number of sections that the model is shown.
    """

    version: int
    model_id: str
    folder: Path
    holdout_start: datetime
    prompt: Mapping[str, Any]
    model: Mapping[str, Any]
    quoted: int


def list_contestants(settings: Settings, case: UseCase, *, as_of: datetime, prompt: str | None = None) -> list[Contestant]:
    """The champion of an instant, and the challenger where it words answers in another way; none where the champion words nothing or there is none.

    Args:
        settings: The environment.
        case: The use case.
        as_of: Instant (UTC) whose champion answers.
        prompt: A prompt of the use case's folder to be tried with the champion's chain, whether or not a chain pins it; None: no other.
    """
    reign = history.read_reign(settings, case, as_of=as_of)
    if reign is None:
        return []
    champion = find_contestant(settings, versions.read(settings, case, number=reign.version))
    waiting = versions.read_alias(settings, case, alias=versions.CHALLENGER)
    challenger = find_contestant(settings, waiting) if waiting is not None else None
    found = [champion] if champion else []
    if challenger is not None and read_candidate(challenger.folder).as_of <= as_of and (champion is None or describe_change(champion, challenger)):
        found.append(challenger)
    if champion is not None and prompt is not None:
        tried = register_prompt(settings, case.name, read_wording_prompt(case.name, prompt, quoted=champion.quoted))
        found.append(replace(champion, prompt={"name": tried.template.name, "version": tried.version, "hash": tried.hash}))
    # Two that would say the same are asked once.
    return list({(contestant.model_id, contestant.prompt["hash"]): contestant for contestant in found}.values())


def find_contestant(settings: Settings, version: Version) -> Contestant | None:
    """A registered chain with what words its answers; None where it quotes and words nothing."""
    folder = versions.candidate_folder(settings, version)
    pins: Pins = read_pins(folder / CHAIN)
    if pins.model is None or pins.prompt is None:
        return None
    return Contestant(
        version=version.number,
        model_id=version.model_id,
        folder=folder,
        holdout_start=read_candidate(folder).holdout_start,
        prompt=pins.prompt,
        model=pins.model,
        quoted=pins.quoted,
    )


def describe_change(champion: Contestant, challenger: Contestant) -> str:
    """In what two chains differ that a model's words depend on, for a person; empty where in nothing."""
    found = []
    if champion.prompt["hash"] != challenger.prompt["hash"]:
        found.append(f"prompt {_name(champion.prompt)} -> {_name(challenger.prompt)}")
    if _identify(champion.model) != _identify(challenger.model):
        found.append(f"model {champion.model['model']} -> {challenger.model['model']}")
    if champion.quoted != challenger.quoted:
        found.append(f"{champion.quoted} -> {challenger.quoted} sections shown")
    return ", ".join(found)


def load_pinned_prompt(settings: Settings, case: UseCase, *, prompt: Mapping[str, Any], model: Mapping[str, Any]) -> PromptVersion | None:
    """The prompt as it was pinned; None where prompt or model are not what was pinned any more, so that nobody else's words are taken for its own.

    Args:
        settings: The environment.
        case: The use case.
        prompt: Name, version and hash of the prompt, as a chain pins it.
        model: Alias and identity of the model, as a chain pins it.
    """
    found = load_prompt(settings, case.name, prompt["name"], version=prompt["version"])
    now = asdict(read_identity(settings, model["alias"]))
    return found if found.hash == prompt["hash"] and now == _identify(model) else None


def find_holdout_start(contestants: Sequence[Contestant]) -> datetime:
    """Instant (UTC) from which on no contestant was tuned on a question."""
    return max(contestant.holdout_start for contestant in contestants)


def _name(prompt: Mapping[str, Any]) -> str:
    return f"{prompt['name']} v{prompt['version']}"


def _identify(model: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name != "alias"}
