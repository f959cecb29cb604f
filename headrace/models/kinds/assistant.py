"""Assistant: a question is answered from the sections of a body of documents. Labels are ids of the section that holds the answer.

A prediction is the text of a JSON object: what was said, the sections that were found (best first), those that are cited, and how
likely the first one is the right one. A question whose answer no section holds has the label `NO_SECTION`: there, saying so is right.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from headrace.models.kinds.kind import SERVICE_WATCH, Column, Outcomes, Words

# The label of a question that the documents do not answer.
NO_SECTION = "(none)"

# What is said where the documents do not hold the answer.
DOES_NOT_KNOW = "I do not know: the documents do not say."

Outcome = Literal["answered", "declined", "blocked"]

ANSWER, CITED, RANKED, CONFIDENCE = "answer", "cited_sections", "ranked_sections", "confidence_fraction"
QUOTATIONS, PINS = "quotations", "pinned_versions"
SCORE, HITS, WORDING = "first_score", "guardrail_hits", "wording"

# Depths at which a ranking is judged: what a person reads, and what a reranker would be given.
SHORT, DEEP = 10, 50

WORDS = Words(
    purpose="Answers questions with the sections that hold the answer, or says that it does not know. The truth is `{label}`.",
    calibration="with a calibrated probability that the first section is the right one",
    note=(
        "The loss is 1 less the nDCG at 10 (Jarvelin 2002) of the section that holds the answer, and 1 where nothing was answered; "
        "of a question that no section answers it is 0 where it says so, else 1."
    ),
    loss="answer loss",
    loss_unit="1 - nDCG at 10",
    ranking="nDCG at 10",
    score_unit="share of the fused score",
    described="share of questions without an answer",
    is_share=True,
    rule="plain full-text search",
    reliable="Is it right as often as it is sure?",
    said="probability that the first section is right",
    came="share that was right",
    strength="share of each leg of retrieval in the score of a section",
)


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """A part of a section, word for word, as a reply keeps it: an answer stays readable when the documents have changed.

    Attributes:
        section_id: The section.
        heading_path: Titles from the document's down to the section's.
        text: The words.
    """

    section_id: str
    heading_path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Worded:
    """What became of the wish that a model should word an answer.

    Attributes:
        is_shown: Whether the answer is the model's words; else quotations stand in for them.
        reason: Why.
        messages: What the model was told: `role` and `content` of each; empty where it was not asked.
        said: What it said, shown or not; empty where it said nothing.
        calls: Its calls, as rows of `metrics.llm_calls` with instants as ISO text.
    """

    is_shown: bool
    reason: str
    messages: tuple[Mapping[str, str], ...] = ()
    said: str = ""
    calls: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was made of a question.

    Attributes:
        answer: What was said; `DOES_NOT_KNOW` where the documents do not say.
        cited: Sections that it cites, in the order of citation.
        ranked: Sections that were found, best first.
        confidence: Probability (0 to 1) that the first of them which may be shown holds the answer.
        quotations: What it quotes of the cited sections, in the order of citation.
        pins: What it was made with (`index`, `prompt`, `model`) -> its version.
        score: How well retrieval says that the first of them fits; None where nothing was found.
        hits: Guardrails that blocked the question, a passage or the answer, as `stage/guardrail`; of a passage, the answer may go on.
        worded: What became of the wish for a model's words; None: nobody wished for them.
    """

    answer: str
    cited: tuple[str, ...]
    ranked: tuple[str, ...]
    confidence: float
    quotations: tuple[Quoted, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None
    hits: tuple[str, ...] = ()
    worded: Worded | None = None

    @property
    def is_answered(self) -> bool:
        """Whether it answered: what cites nothing is no answer."""
        return bool(self.cited)

    @property
    def outcome(self) -> Outcome:
        """What became of the question: `blocked` where something else was said than an answer or that it is not known."""
        return "answered" if self.is_answered else "declined" if self.answer == DOES_NOT_KNOW else "blocked"

    def find_place(self, section: str) -> float:
        """Place of a section among those found, from 1; infinite where it was not."""
        return self.ranked.index(section) + 1 if section in self.ranked else math.inf


def format_replies(replies: Sequence[Reply]) -> np.ndarray:
    """Replies as predictions: one text a row."""
    found = np.empty(len(replies), dtype=object)
    found[:] = [json.dumps(asdict(reply), ensure_ascii=False) for reply in replies]
    return found


def parse_reply(text: str) -> Reply:
    """The reply that a prediction holds."""
    content = json.loads(text)
    return Reply(
        answer=content["answer"],
        cited=tuple(content["cited"]),
        ranked=tuple(content["ranked"]),
        confidence=content["confidence"],
        quotations=tuple(Quoted(**quoted) for quoted in content["quotations"]),
        pins=content["pins"],
        score=content["score"],
        hits=tuple(content["hits"]),
        worded=_parse_worded(content["worded"]),
    )


def read_columns(
    answer: str, cited: str, ranked: str, confidence: float, quotations: str, pins: str, score: float | None, hits: str | None, worded: str | None
) -> Reply:
    """The reply that a row's columns hold, in their order; what was not written yet in earlier rows, they do not have."""
    quoted = tuple(Quoted(**content) for content in json.loads(quotations))
    cited_sections, ranked_sections = tuple(json.loads(cited)), tuple(json.loads(ranked))
    return Reply(
        answer=answer,
        cited=cited_sections,
        ranked=ranked_sections,
        confidence=confidence,
        quotations=quoted,
        pins=json.loads(pins),
        score=score,
        hits=tuple(json.loads(hits or "[]")),
        worded=_parse_worded(json.loads(worded)) if worded else None,
    )


def _parse_worded(content: Mapping[str, Any] | None) -> Worded | None:
    if content is None:
        return None
    messages, calls = tuple(content["messages"]), tuple(content["calls"])
    return Worded(is_shown=content["is_shown"], reason=content["reason"], messages=messages, said=content["said"], calls=calls)


class Assistant:
    """See `headrace.models.kinds.kind.Kind`."""

    name = "assistant"
    is_fitted = False
    metrics = (
        "answer_loss",
        "ndcg_at_10",
        "reciprocal_rank",
        "recall_at_10_fraction",
        "recall_at_50_fraction",
        "answered_fraction",
        "declined_fraction",
    )
    higher_is_better = frozenset(metrics) - {"answer_loss"}
    watched = ("answer_loss", "ndcg_at_10")
    described = ("unanswerable_fraction", "silent_fraction")
    card_metrics = ("answer_loss", "ndcg_at_10", "recall_at_10_fraction")
    words = WORDS
    watches: tuple[str, ...] = (SERVICE_WATCH, "headrace.llm.monitoring.answer_watch", "headrace.llm.monitoring.call_watch")
    traces: str | None = "headrace.llm.traces"
    columns: Mapping[str, Column] = {
        ANSWER: Column(type="string", description="What was said; where the documents do not hold the answer, that it is not known."),
        CITED: Column(type="string", description="Ids of the sections that the answer cites, as JSON."),
        RANKED: Column(type="string", description="Ids of the sections that were found, best first, as JSON."),
        CONFIDENCE: Column(type="float64", unit="fraction", range=(0, 1), description="Probability that the first section holds the answer, 0 to 1."),
        QUOTATIONS: Column(type="string", description="What it quotes of the cited sections (section, heading path, words), as JSON."),
        PINS: Column(type="string", description="Versions of index, prompt and model that it was made with, as JSON."),
        SCORE: Column(type="float64", unit="fused score", description="How well retrieval says that the first section fits; null: none was found."),
        HITS: Column(type="string", description="Guardrails that blocked the question, a passage or the answer (stage/guardrail), as JSON."),
        WORDING: Column(
            type="string",
            description="Whether a model worded the answer, and why; what it was told, said and took, as JSON; null: nobody asked for it.",
        ),
    }

    def find_label_fault(self, labels: pl.Series) -> str | None:
        """Labels are strings, and some of them name a section."""
        if labels.dtype != pl.String:
            return f"the label is {labels.dtype}, ids of sections must be strings"
        return None if (labels != NO_SECTION).any() else "no question has a section that answers it"

    def losses(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> np.ndarray:
        """1 less the nDCG at 10 of the one right section, 1 where nothing was said; without a right section 0 for saying so, else 1."""
        return np.array([_find_loss(label, prediction) for label, prediction in zip(labels, predictions, strict=True)], dtype=np.float64)

    def score(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Every metric of `metrics`.

        Ranking is judged on the questions that a section answers, whether or not the assistant dared to answer. `answered_fraction` is
        the share of those that it answered, `declined_fraction` the share of the others that it declined.
        """
        if not len(labels) or labels.null_count() or not self.is_possible(predictions):
            return dict.fromkeys(self.metrics)
        replies = [parse_reply(text) for text in predictions]
        has_answer = (labels != NO_SECTION).to_numpy()
        places = np.array([reply.find_place(label) for label, reply in zip(labels, replies, strict=True)])[has_answer]
        is_answered = np.array([reply.is_answered for reply in replies])
        return {
            "answer_loss": float(self.losses(labels, predictions, outcomes).mean()),
            "ndcg_at_10": _mean(_ndcg(places)),
            "reciprocal_rank": _mean(1 / places),
            "recall_at_10_fraction": _mean(places <= SHORT),
            "recall_at_50_fraction": _mean(places <= DEEP),
            "answered_fraction": _mean(is_answered[has_answer]),
            "declined_fraction": _mean(~is_answered[~has_answer]),
        }

    def describe(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> dict[str, float | None]:
        """Share of questions that no section answers, and of those that were not answered."""
        if not len(labels) or not self.is_possible(predictions):
            return dict.fromkeys(self.described)
        silent = np.array([not parse_reply(text).is_answered for text in predictions])
        return {"unanswerable_fraction": _mean((labels == NO_SECTION).to_numpy()), "silent_fraction": _mean(silent)}

    def is_possible(self, predictions: np.ndarray) -> bool:
        """Each is a reply whose confidence is a probability."""
        return all(_is_reply(text) for text in predictions)

    def to_columns(self, predictions: np.ndarray, outcomes: Outcomes) -> list[pl.Series]:
        """What was said, cited and found, and how sure it was."""
        replies = [parse_reply(text) for text in predictions]
        return [
            pl.Series(ANSWER, [reply.answer for reply in replies], dtype=pl.String),
            pl.Series(CITED, [json.dumps(reply.cited) for reply in replies], dtype=pl.String),
            pl.Series(RANKED, [json.dumps(reply.ranked) for reply in replies], dtype=pl.String),
            pl.Series(CONFIDENCE, [reply.confidence for reply in replies], dtype=pl.Float64),
            pl.Series(QUOTATIONS, [_format_quotations(reply) for reply in replies], dtype=pl.String),
            pl.Series(PINS, [json.dumps(reply.pins, sort_keys=True) for reply in replies], dtype=pl.String),
            pl.Series(SCORE, [reply.score for reply in replies], dtype=pl.Float64),
            pl.Series(HITS, [json.dumps(reply.hits) for reply in replies], dtype=pl.String),
            pl.Series(WORDING, [_format_worded(reply.worded) for reply in replies], dtype=pl.String),
        ]

    def from_columns(self, rows: pl.DataFrame, *, prefix: str = "") -> tuple[np.ndarray, Outcomes]:
        """The replies; None where a row has none."""
        written = rows.select(f"{prefix}{name}" for name in self.columns).rows()
        found = np.empty(len(written), dtype=object)
        for place, (answer, *others) in enumerate(written):
            if answer is not None:
                found[place] = format_replies([read_columns(answer, *others)])[0]
        return found, ()

    def compare(self, labels: pl.Series, predictions: np.ndarray, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """How sure it was of the first section, and whether that was right."""
        replies = [parse_reply(text) for text in predictions]
        is_right = [reply.find_place(label) == 1 for label, reply in zip(labels, replies, strict=True)]
        return np.array([reply.confidence for reply in replies], dtype=np.float64), np.array(is_right, dtype=np.float64)

    def drift_values(self, predictions: np.ndarray, outcomes: Outcomes) -> pl.Series:
        """How sure it was."""
        return pl.Series(CONFIDENCE, [parse_reply(text).confidence for text in predictions], dtype=pl.Float64)


def _format_quotations(reply: Reply) -> str:
    return json.dumps([asdict(quoted) for quoted in reply.quotations], ensure_ascii=False)


def _format_worded(worded: Worded | None) -> str | None:
    return None if worded is None else json.dumps(asdict(worded), ensure_ascii=False)


def _is_reply(text: object) -> bool:
    try:
        return isinstance(text, str) and 0 <= parse_reply(text).confidence <= 1
    except (LookupError, TypeError, ValueError):
        return False


def _find_loss(label: str | None, prediction: str | None) -> float:
    if label is None or prediction is None:
        return math.nan
    reply = parse_reply(prediction)
    if label == NO_SECTION:
        return float(reply.is_answered)
    return 1.0 - float(_ndcg(np.array([reply.find_place(label)]))[0]) if reply.is_answered else 1.0


def _ndcg(places: np.ndarray) -> np.ndarray:
    """NDCG at `SHORT` of one relevant section each: 1 over the logarithm of its place."""
    return np.where(places <= SHORT, 1 / np.log2(places + 1), 0.0)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


KIND = Assistant()
