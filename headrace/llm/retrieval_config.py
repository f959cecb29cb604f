"""How a chain looks for sections: a handful of numbers, tuned, stored as JSON in the chain that was judged with them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from headrace.errors import CandidateError
from headrace.llm.fusion import DENSE, TEXT

Method = Literal["dense", "bm25", "rank_fusion", "score_fusion"]
METHODS: tuple[Method, ...] = get_args(Method)

# Chunks that each leg returns: enough for fifty sections of several chunks each.
DEPTH = 200


@dataclass(frozen=True, kw_only=True)
class RetrievalConfig:
    """How sections are looked for and ranked.

    Attributes:
        method: One leg alone, or how both are put together.
        text_weight: Weight of BM25 in a fusion by scores, 0 to 1.
        text_saturation: BM25 score that counts half in it.
        depth: Chunks that each leg returns.
        reranker: Name of the model that orders the best sections anew; None: their order stays.
        rerank_depth: Sections that it is shown.
    """

    method: Method
    text_weight: float = 0.0
    text_saturation: float = 10.0
    depth: int = DEPTH
    reranker: str | None = None
    rerank_depth: int = 50

    @property
    def legs(self) -> tuple[str, ...]:
        """The legs that have to be searched; one whose weight is 0 is not."""
        if self.method in (DENSE, TEXT):
            return (self.method,)
        shares = self.leg_shares()
        return tuple(leg for leg in (DENSE, TEXT) if shares[leg] > 0)

    def leg_shares(self) -> dict[str, float]:
        """Share of each leg in a section's score, 0 to 1."""
        alone = {DENSE: 0.0, TEXT: 1.0, "rank_fusion": 0.5}
        text = {**alone, "score_fusion": self.text_weight}[self.method]
        return {DENSE: 1 - text, TEXT: text}

    def as_json(self) -> dict[str, Any]:
        """What a chain's file holds of it."""
        return asdict(self)


# What every search page does, and what a tuned chain has to beat where there is no champion.
PLAIN_SEARCH = RetrievalConfig(method="bm25")


def parse_retrieval(content: Mapping[str, Any]) -> RetrievalConfig:
    """The configuration that JSON holds.

    Raises:
        CandidateError: A field is missing, unknown or out of its range, or a reranker is named, which this version does not have.
    """
    expected = {field.name for field in fields(RetrievalConfig)}
    if content.keys() != expected:
        raise CandidateError(f"a chain's retrieval needs {', '.join(sorted(expected))}; it differs in {', '.join(sorted(expected ^ content.keys()))}")
    wrong = {
        "method": content["method"] not in METHODS,
        "text_weight": not _is_number(content["text_weight"]) or not 0 <= content["text_weight"] <= 1,
        "text_saturation": not _is_number(content["text_saturation"]) or not content["text_saturation"] > 0,
        "depth": not _is_count(content["depth"]),
        "rerank_depth": not _is_count(content["rerank_depth"]),
        "reranker": content["reranker"] is not None,
    }
    if names := [f"{name}={content[name]!r}" for name, is_wrong in wrong.items() if is_wrong]:
        raise CandidateError(f"a chain's retrieval cannot be {', '.join(names)}; methods are {', '.join(METHODS)}, and there is no reranker yet")
    return RetrievalConfig(**content)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
