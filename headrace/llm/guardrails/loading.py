"""The guardrails of a chain, from the JSON that it pins: what stands in it is loaded, and what cannot be loaded blocks.

    {"question": {"personal_data": {...}, "prompt_injection": {...}},
     "passages": {"prompt_injection": {...}, "off_topic": {...}},
     "answer":   {"grounding": {...}, "leak": {...}}}

Each stage needs at least one guardrail; a stage without one did not run, and blocks.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from headrace.decisions import decide_all
from headrace.llm.guardrails.grounding import Grounding
from headrace.llm.guardrails.guardrail import NOTHING, BrokenGuardrail, Checked, Context, Guardrail, decide_with
from headrace.llm.guardrails.leak import Leak
from headrace.llm.guardrails.off_topic import OffTopic
from headrace.llm.guardrails.personal_data import PersonalData
from headrace.llm.guardrails.prompt_injection import PromptInjection, read_weights

QUESTION, PASSAGES, ANSWER = "question", "passages", "answer"
STAGES = (QUESTION, PASSAGES, ANSWER)

_KNOWN: dict[str, type[BaseModel]] = {known.name: known for known in (Grounding, Leak, OffTopic, PersonalData, PromptInjection)}


@dataclass(frozen=True, kw_only=True)
class Guardrails:
    """The guardrails of a chain, stage by stage.

    Attributes:
        stages: Those of each stage, in the order of the configuration.
        version: First 12 digits of the hash of the configuration, thresholds and hashes of weights included.
    """

    stages: Mapping[str, Sequence[Guardrail | BrokenGuardrail]]
    version: str

    @property
    def faults(self) -> tuple[str, ...]:
        """Why guardrails could not be loaded; a chain should not be built with any."""
        return tuple(f"{guardrail.name}: {guardrail.fault}" for guardrail in self._list() if isinstance(guardrail, BrokenGuardrail))

    def decide_question(self, question: str, *, embedding: np.ndarray | None = None) -> Checked:
        """Whether a question may be searched for.

        Args:
            question: As it was asked.
            embedding: Of it, unit length; needed where the classifier of prompt injection is in the configuration.
        """
        return self._decide(QUESTION, question, Context(embedding=embedding))

    def decide_passages(self, question: str, passages: Sequence[str], *, best_score: float | None) -> Checked:
        """Whether what was found may go into a prompt, and which of it.

        A passage that a guardrail blocks is left out, and the others go on; where none is left, the answer is blocked.

        Args:
            question: As it was asked.
            passages: Texts of the sections or chunks found, best first.
            best_score: What retrieval gives the first; None: nothing was found.
        """
        whole, single = [], []
        for guardrail in self.stages.get(PASSAGES, ()):
            (whole if isinstance(guardrail, OffTopic | BrokenGuardrail) else single).append(guardrail)
        verdicts = [decide_with(guardrail, question, Context(best_score=best_score)) for guardrail in whole]
        by_passage = [[decide_with(guardrail, passage, NOTHING) for guardrail in single] for passage in passages]
        kept = tuple(place for place, found in enumerate(by_passage) if all(verdict.passed for verdict in found))
        judged = [decide_all("passage", found or verdicts) for found in by_passage]
        # One usable passage is enough; without any, the reasons of all are the reason.
        usable = [verdict for verdict in judged if verdict.passed][:1] or judged
        decision = decide_all(f"guardrails_{PASSAGES}", [*verdicts, *usable] if usable else [])
        sentence = "" if decision.passed else _find_sentence([*whole, *single], verdicts, by_passage)
        verdicts += [verdict for found in by_passage for verdict in found]
        return Checked(decision=decision, verdicts=tuple(verdicts), sentence=sentence, kept=kept if decision.passed else ())

    def decide_answer(self, answer: str, *, passages: Sequence[str], system_prompt: str) -> Checked:
        """Whether an answer may be shown.

        Args:
            answer: Without its citation marks.
            passages: Texts that it cites.
            system_prompt: What the model was told before the question; empty: nothing.
        """
        return self._decide(ANSWER, answer, Context(passages=tuple(passages), system_prompt=system_prompt))

    def _decide(self, stage: str, text: str, context: Context) -> Checked:
        guardrails = self.stages.get(stage, ())
        verdicts = [decide_with(guardrail, text, context) for guardrail in guardrails]
        decision = decide_all(f"guardrails_{stage}", verdicts)
        return Checked(decision=decision, verdicts=tuple(verdicts), sentence="" if decision.passed else _find_sentence(guardrails, verdicts, []))

    def _list(self) -> list[Guardrail | BrokenGuardrail]:
        return [guardrail for stage in STAGES for guardrail in self.stages.get(stage, ())]


def load_guardrails(config: Mapping[str, Any], *, embedder: str | None = None) -> Guardrails:
    """The guardrails that a configuration names; one that cannot be loaded is there as one that blocks, and `faults` says why.

    Args:
        config: As in the docstring of this module; a chain pins it.
        embedder: Version of the embedder whose embeddings `decide_question` will be given (`model@hash/limit`); None: there will be none.
            A classifier that was fitted on another model blocks.
    """
    stages = {stage: [_fit(guardrail, embedder) for guardrail in _load_stage(config.get(stage))] for stage in STAGES}
    if unknown := sorted(set(config) - set(STAGES)):
        # A stage that is misspelt would be one that never runs.
        broken = BrokenGuardrail("configuration", f"unknown stages {', '.join(map(str, unknown))}; known: {', '.join(STAGES)}")
        stages = {stage: [*guardrails, broken] for stage, guardrails in stages.items()}
    return Guardrails(stages=stages, version=find_version(config))


def find_version(config: Mapping[str, Any]) -> str:
    """First 12 digits of the hash of a configuration: the same content gives the same version, whatever its order."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _load_stage(parts: object) -> list[Guardrail | BrokenGuardrail]:
    if not isinstance(parts, Mapping):
        return []
    return [_load(str(name), part) for name, part in parts.items()]


def _load(name: str, part: object) -> Guardrail | BrokenGuardrail:
    if name not in _KNOWN:
        return BrokenGuardrail(name, f"unknown; known: {', '.join(sorted(_KNOWN))}")
    try:
        return _KNOWN[name].model_validate(part)  # ty: ignore[invalid-explicit-return] - each of them has what the protocol asks for
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, found['loc'])) or 'configuration'}: {found['msg']}" for found in error.errors())
        return BrokenGuardrail(name, faults)


def _fit(guardrail: Guardrail | BrokenGuardrail, embedder: str | None) -> Guardrail | BrokenGuardrail:
    """Put one that blocks in the place of a classifier that does not know the embeddings it will be given."""
    if not isinstance(guardrail, PromptInjection) or guardrail.weights_sha256 is None:
        return guardrail
    fitted, given = read_weights().embedder, embedder or "none"
    if fitted.partition("/")[0] == given.partition("/")[0]:
        return guardrail
    return BrokenGuardrail(guardrail.name, f"its classifier was fitted on embeddings of {fitted}, and is to be given {given}")


def _find_sentence(guardrails: Sequence[Guardrail | BrokenGuardrail], verdicts: Sequence[Any], by_passage: Sequence[Sequence[Any]]) -> str:
    """What the first guardrail that blocked tells a person."""
    blocking = {verdict.gate for verdict in [*verdicts, *(verdict for found in by_passage for verdict in found)] if not verdict.passed}
    sentences = [guardrail.sentence for guardrail in guardrails if guardrail.name in blocking]
    return sentences[0] if sentences else BrokenGuardrail.sentence
