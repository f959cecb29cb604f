"""A chain: guard, retrieve, see how sure that is, quote, guard. The same steps answer batches, the gate's questions and the server's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import polars as pl

from headrace.errors import CandidateError
from headrace.llm.chunking import build_searched_text
from headrace.llm.confidence import Confidence
from headrace.llm.guardrails.guardrail import Checked
from headrace.llm.guardrails.loading import ANSWER, PASSAGES, Guardrails
from headrace.llm.guardrails.loading import QUESTION as QUESTION_STAGE
from headrace.llm.quotation import choose_quotation
from headrace.models.candidate import Candidate
from headrace.models.kinds import load_kind
from headrace.models.kinds.assistant import DEEP, DOES_NOT_KNOW, Quoted, Reply, format_replies
from headrace.models.kinds.kind import Kind, Outcomes

QUESTION = "question"

# Sections beyond those quoted that guardrails look at, to stand in for what they block.
SPARE = 3


class Ranked(Protocol):
    """A section that retrieval found: what it is called, and how well it fits."""

    @property
    def section_id(self) -> str:
        """Its id."""
        ...

    @property
    def score(self) -> float:
        """How well it fits; more is better."""
        ...


class Section(Ranked, Protocol):
    """A section that was read: where it stands, and what it says."""

    @property
    def heading_path(self) -> str:
        """Titles from the document's down."""
        ...

    @property
    def text(self) -> str:
        """What it says."""
        ...


class Retrieves(Protocol):
    """Retrieval over one version of an index."""

    def embed(self, question: str) -> np.ndarray:
        """The embedding of a question: guardrails look at it, too."""
        ...

    def rank(self, question: str, *, k: int, embedding: np.ndarray | None = None) -> Sequence[Any]:
        """At most `k` sections, best first, each once; their text is not read yet."""
        ...

    def read(self, ranked: Sequence[Any]) -> Sequence[Section]:
        """What ranked sections say, in the same order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Quotation:
    """A part of a section, word for word.

    Attributes:
        section: The section it is taken from.
        text: The words.
    """

    section: Section
    text: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What retrieval found for a question.

    Attributes:
        ranked: All sections, best first.
        usable: Those of the first that no guardrail blocks.
        refusal: What a person is told where the question, or everything found, is blocked; else empty.
        hits: Guardrails that blocked the question or a passage, as `stage/guardrail`.
    """

    ranked: tuple[Ranked, ...]
    usable: tuple[Section, ...]
    refusal: str
    hits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A loaded chain.

    Attributes:
        metadata: Its `candidate.json`.
        retriever: Retrieval over the index that it pins.
        confidence: How sure it may be of what it found, and where it declines.
        guardrails: What looks at questions, passages and answers; what blocks is not answered.
        quoted: Number of sections that an answer quotes.
        pins: What it pins (`index`, `prompt`, `model`) -> the version; each reply says them.
    """

    metadata: Candidate
    retriever: Retrieves
    confidence: Confidence
    guardrails: Guardrails
    quoted: int
    pins: Mapping[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """What it reads of a row: the question."""
        return self.metadata.features

    @property
    def kind(self) -> Kind:
        """Its kind of task."""
        return load_kind(self.metadata.kind)

    @property
    def outcomes(self) -> Outcomes:
        """None: it tells no classes apart."""
        return ()

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """A reply to each row's question, by quotation alone, in the rows' order.

        Args:
            rows: With `question`, among any other columns.

        Raises:
            CandidateError: The rows carry no question.
        """
        if QUESTION not in rows.columns:
            raise CandidateError(f"a chain reads the column {QUESTION}, the rows have {', '.join(rows.columns)}")
        return format_replies([self.reply(question) for question in rows[QUESTION].to_list()])

    def reply(self, question: str) -> Reply:
        """What it makes of a question without a language model."""
        return self.answer(question, self.find(question))

    def answer(self, question: str, found: Found) -> Reply:
        """The quotations that answer a question, or that it does not know, or why it may not say."""
        # Of the first that may be shown: what a guardrail left out makes nobody sure of what is left.
        confidence = self.confidence.estimate(found.usable[0].score) if found.usable else 0.0
        nothing = Reply(
            answer=DOES_NOT_KNOW,
            cited=(),
            ranked=tuple(section.section_id for section in found.ranked),
            confidence=confidence,
            pins=self.pins,
            score=found.ranked[0].score if found.ranked else None,
            hits=found.hits,
        )
        if found.refusal or confidence < self.confidence.decline_below:
            return replace(nothing, answer=found.refusal or DOES_NOT_KNOW)
        quotations = self.quote(question, found.usable)
        if not quotations:
            return nothing
        # An empty line between them: code ends without a stop, and two quotations that run together stand in no section.
        said, passages = "\n\n".join(quotation.text for quotation in quotations), [quotation.section.text for quotation in quotations]
        checked = self.guardrails.decide_answer(said, passages=passages, system_prompt="")
        if not checked.decision.passed:
            return replace(nothing, answer=checked.sentence, hits=(*found.hits, *_name_hits(ANSWER, checked)))
        cited = tuple(quotation.section.section_id for quotation in quotations)
        kept = tuple(Quoted(section_id=part.section.section_id, heading_path=part.section.heading_path, text=part.text) for part in quotations)
        return replace(nothing, answer=format_quotations(quotations), cited=cited, quotations=kept)

    def find(self, question: str) -> Found:
        """The sections for a question, and which of the first may be shown; none where a guardrail blocks the question."""
        embedding = self.retriever.embed(question)
        asked = self.guardrails.decide_question(question, embedding=embedding)
        if not asked.decision.passed:
            return Found(ranked=(), usable=(), refusal=asked.sentence, hits=_name_hits(QUESTION_STAGE, asked))
        ranked = tuple(self.retriever.rank(question, k=DEEP, embedding=embedding))
        # Only what may be shown is read.
        first = self.retriever.read(ranked[: self.quoted + SPARE])
        shown = [build_searched_text(section.heading_path, section.text) for section in first]
        passages = self.guardrails.decide_passages(question, shown, best_score=first[0].score if first else None)
        refusal = passages.sentence if first and not passages.decision.passed else ""
        usable = tuple(first[place] for place in passages.kept)
        return Found(ranked=ranked, usable=usable, refusal=refusal, hits=_name_hits(PASSAGES, passages) if first else ())

    def quote(self, question: str, sections: Sequence[Section]) -> list[Quotation]:
        """What the best sections say to a question; sections of which nothing can be quoted are left out."""
        quotations = [Quotation(section=section, text=choose_quotation(question, section.text)) for section in sections[: self.quoted]]
        return [quotation for quotation in quotations if quotation.text]


def _name_hits(stage: str, checked: Checked) -> tuple[str, ...]:
    """Guardrails of a stage that blocked, each once, as `stage/guardrail`."""
    return tuple(dict.fromkeys(f"{stage}/{verdict.gate}" for verdict in checked.verdicts if not verdict.passed))


def format_quotations(quotations: Sequence[Quotation]) -> str:
    """Quotations as an answer, each with where it stands."""
    return "\n\n".join(f"{quotation.text}\n[{place}] {quotation.section.heading_path}" for place, quotation in enumerate(quotations, start=1))
