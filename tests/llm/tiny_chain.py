"""A chain over three sections whose retrieval counts shared words: small enough to check by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from headrace.llm.chain import Chain
from headrace.llm.confidence import Confidence
from headrace.llm.guardrails.loading import load_guardrails
from headrace.models.candidate import Candidate

START = datetime(2023, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class TinySection:
    """See `headrace.llm.chain.Section`."""

    section_id: str
    title: str
    heading_path: str
    text: str
    score: float = 0.0


SECTIONS = (
    TinySection(
        section_id="lists#sort", title="Sorting", heading_path="Lists > Sorting", text="Lists have a sort method. It sorts the list in place."
    ),
    TinySection(section_id="dicts#keys", title="Keys", heading_path="Dicts > Keys", text="Every key of a dict is hashable."),
    TinySection(section_id="files#open", title="Opening", heading_path="Files > Opening", text="open() gives a file object.\n\nClose it."),
)


class TinyRetriever:
    """Ranks sections by the share of the question's words that they hold."""

    def embed(self, question: str) -> np.ndarray:
        """One embedding for all questions."""
        return np.full(384, 384**-0.5, dtype=np.float32)

    def read(self, ranked: Sequence[TinySection]) -> Sequence[TinySection]:
        """The sections themselves."""
        return ranked

    def rank(self, question: str, *, k: int, embedding: np.ndarray | None = None) -> Sequence[TinySection]:
        """At most `k` sections, best first; those that share no word are left out."""
        words = set(question.lower().strip("?").split())
        shares = [(len(words & set(section.text.lower().replace(".", "").split())) / max(1, len(words)), section) for section in SECTIONS]
        found = sorted(((share, section) for share, section in shares if share), key=lambda pair: (-pair[0], pair[1].section_id))
        return [TinySection(**section.__dict__ | {"score": share}) for share, section in found[:k]]


METADATA = Candidate(
    use_case="tiny_assistant",
    kind="assistant",
    label="answer_section",
    outcomes=(),
    features_version=1,
    features=("question",),
    categories={},
    learns_change=False,
    calibration={},
    as_of=START,
    train_start=START,
    train_end=START,
    validation_start=START,
    validation_end=START,
    holdout_start=START,
    holdout_end=START,
    params={},
    best_round=0,
    seed=1,
    provenance={},
)

GUARDRAILS = {
    "question": {"prompt_injection": {"place": "question", "max_score": None, "weights_sha256": None, "max_characters": 500}},
    "passages": {"prompt_injection": {"place": "document", "max_score": None, "weights_sha256": None, "max_characters": 5_000}},
    "answer": {"grounding": {"min_supported_fraction": 0.5, "max_characters": 5_000}},
}

CHAIN = Chain(
    metadata=METADATA,
    retriever=TinyRetriever(),
    confidence=Confidence(slope=4.0, intercept=-2.0, decline_below=0.2),
    guardrails=load_guardrails(GUARDRAILS),
    quoted=2,
)
