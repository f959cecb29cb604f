"""Let a language model word an answer from the sections that a chain found, and show it only where they hold what it says.

What the model says is guarded and graded against the sections that it cites, all those it was shown where it cites none. Where it does not
stand, the quotations stand in for it: retrieval must be useful where wording is not.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from headrace.decisions import Decision, blocked, passed
from headrace.errors import PromptError
from headrace.llm.chain import Chain, Section
from headrace.llm.chat_wire import Message
from headrace.llm.gateway import Completion, Gateway
from headrace.llm.model_calls import CallOrigin, ModelCall
from headrace.llm.prompt_templates import PromptTemplate, read_prompt, render_prompt
from headrace.llm.prompts import PromptVersion
from headrace.llm.text_metrics import list_words, measure_groundedness, split_sentences
from headrace.models.kinds.assistant import DOES_NOT_KNOW, Reply

# `[2]`, as prompts ask for citations, and `[1, 3]`, as models write them.
_CITATION = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")

# Characters of a section that a prompt holds: three of them are about 400 tokens, five seconds of a core for the small model.
SHOWN_CHARACTERS = 500

GATE, GROUNDED = "wording", "grounded_fraction"

# A sentence that says something has at least so many words that tell it from others.
FEWEST_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a model made of a question, and what became of it.

    Attributes:
        reply: What is shown: the model's words where they stand, else quotations.
        verdict: Whether the model's words stand, and why.
        calls: All calls that it took.
        worded_at: Clock reading (UTC) at the end.
        messages: What the model was told; empty where it was not asked.
        said: What it said, whether it stands or not.
    """

    reply: Reply
    verdict: Decision
    calls: tuple[ModelCall, ...]
    worded_at: datetime
    messages: tuple[Message, ...] = ()
    said: str = ""


def word_answer(chain: Chain, question: str, *, prompt: PromptVersion, gateway: Gateway, alias: str, origin: CallOrigin) -> Wording:
    """Answer a question in a model's words, where the chain answers it at all.

    Args:
        chain: The chain.
        question: What is asked.
        prompt: The prompt that the chain pins; it takes `question` and `passages` (`title`, `text`).
        gateway: The door to models.
        alias: The model that the chain pins.
        origin: What the calls are made for.

    Raises:
        GatewayError: No model answered: that is no answer of the chain, and may be tried again.
    """
    found = chain.find(question)
    quoted = chain.answer(question, found)
    sections = found.usable[: chain.quoted] if quoted.is_answered else ()
    if not sections:
        return _end(quoted, blocked(GATE, "the chain declined, so no model was asked"), ())
    try:
        passages = [{"title": section.heading_path[-300:], "text": section.text[:SHOWN_CHARACTERS]} for section in sections]
        rendered = render_prompt(prompt.template, {"question": question, "passages": passages})
    except PromptError as error:
        return _end(quoted, blocked(GATE, str(error)), ())
    completion = gateway.complete(
        alias,
        rendered.messages,
        origin=origin,
        max_tokens=rendered.max_tokens,
        stop=rendered.stop,
        output_schema=rendered.output_schema,
    )
    if obstacle := _find_obstacle(completion, alias):
        reply, verdict = quoted, blocked(GATE, obstacle)
    else:
        system = "\n".join(message["content"] for message in rendered.messages if message["role"] == "system")
        reply, verdict = judge_wording(chain, quoted, sections, completion.text.strip(), system_prompt=system)
    return replace(_end(reply, verdict, completion.calls), messages=tuple(rendered.messages), said=completion.text)


def _find_obstacle(completion: Completion, alias: str) -> str:
    """Why an answer is none of the model that the chain pins; empty where it is one."""
    call = completion.call
    if call.alias != alias:
        return f"alias {call.alias!r} answered in the place of {alias!r}, which the chain pins"
    return "" if call.finish_reason == "stop" else f"the answer was cut off ({call.finish_reason})"


def read_wording_prompt(use_case: str, name: str, *, quoted: int) -> PromptTemplate:
    """A prompt as its file has it, refused unless it takes what a chain has to give: a question, and so many passages.

    Raises:
        PromptError: There is no such file, it is wrong, or it takes something else.
    """
    template = read_prompt(use_case, name)
    try:
        render_prompt(template, {"question": "?", "passages": [{"title": "?", "text": "?"}] * quoted})
    except PromptError as error:
        given = f"what words answers is given question and up to {quoted} passages (title, text)"
        raise PromptError(f"{error}; {given}. Change its variables, or name another prompt") from error
    return template


def judge_wording(chain: Chain, quoted: Reply, sections: tuple[Section, ...], text: str, *, system_prompt: str) -> tuple[Reply, Decision]:
    """The reply that may be shown, and whether that is the model's text.

    Args:
        chain: The chain, whose guardrails judge.
        quoted: The reply by quotation, which stands in.
        sections: What the model was shown, in its order.
        text: What it said.
        system_prompt: What it was told before.
    """
    if says_that_it_does_not_know(text):
        return quoted, blocked(GATE, "it says that it does not know")
    numbers = [int(number) for mark in _CITATION.findall(text) for number in re.findall(r"\d+", mark)]
    if wrong := sorted({number for number in numbers if not 1 <= number <= len(sections)}):
        return quoted, blocked(GATE, f"it cites passage {wrong[0]} of {len(sections)}")
    words = remove_citations(text)
    if not words:
        return quoted, blocked(GATE, "it said nothing")
    if not says_something(words):
        return quoted, blocked(GATE, "it names things, and says nothing of them")
    cited = [sections[number - 1] for number in dict.fromkeys(numbers)] or list(sections)
    passages = [section.text for section in cited]
    grounded = measure_groundedness(words, passages).supported_fraction
    evidence = {} if grounded is None else {GROUNDED: grounded}
    checked = chain.guardrails.decide_answer(words, passages=passages, system_prompt=system_prompt)
    if not checked.decision.passed:
        return quoted, blocked(GATE, checked.decision.reason, evidence)
    # The guardrail lets a half pass; what a model made up beside a sentence that stands is told with that one's authority.
    if grounded is not None and grounded < 1:
        return quoted, blocked(GATE, f"{grounded:.0%} of its sentences are in the cited passages, all of them needed", evidence)
    ids = tuple(section.section_id for section in cited)
    return replace(quoted, answer=text, cited=ids), passed(GATE, "the cited passages hold what it says", evidence)


def says_that_it_does_not_know(text: str) -> bool:
    """Whether a model declined in the words that prompts ask for."""
    return remove_citations(text).lower().startswith(DOES_NOT_KNOW.partition(":")[0].lower())


def says_something(text: str) -> bool:
    """Whether a sentence of it is more than a name, a heading or a number, which stand in any passage that is about them."""
    told = ({word for word in list_words(sentence) if not word.isdigit()} for sentence in split_sentences(text))
    return any(len(words) >= FEWEST_WORDS for words in told)


def remove_citations(text: str) -> str:
    """What was said, without the marks that cite."""
    return _CITATION.sub("", text).strip()


def _end(reply: Reply, verdict: Decision, calls: tuple[ModelCall, ...]) -> Wording:
    return Wording(reply=reply, verdict=verdict, calls=calls, worded_at=datetime.now(UTC))
