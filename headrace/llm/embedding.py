"""Embeddings: a text as 384 numbers, of length one, so that a product of two tells how alike their meanings are."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from headrace.llm import hub, minilm
from headrace.llm.hub_entries import load_entry
from headrace.llm.tokenizing import FILE, Tokenizer, load_tokenizer
from headrace.settings import Settings

MODEL = "all-minilm-l6-v2"
WEIGHTS = "model.safetensors"
DIMENSION = minilm.DIMENSION

# More tokens, or 8 bits, were not worth their price: see `chunking` and `minilm`.
LIMIT = 128


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """Turns texts into embeddings; safe to use from several threads.

    Attributes:
        version: `model@first 12 digits of the hash of its files/limit`: embeddings of two versions cannot be compared.
        limit: Tokens of a text that count; what lies behind them is not in its embedding.
        threads: Texts that are computed at once.
    """

    version: str
    limit: int
    threads: int
    tokenizer: Tokenizer
    _run: Callable[[list[int]], np.ndarray]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings of texts, in their order.

        Each is computed by itself, so it is the same whatever the others are and however many threads there are.

        Returns:
            float32 of shape (texts, 384), each row of length 1.
        """
        if not texts:
            return np.zeros((0, DIMENSION), np.float32)
        ids = self.tokenizer.encode(texts, limit=self.limit)
        if len(ids) == 1:
            return self._run(ids[0])[np.newaxis]
        with ThreadPoolExecutor(self.threads) as pool:
            return np.stack(list(pool.map(self._run, ids)))


def load_embedder(settings: Settings, *, limit: int = LIMIT) -> Embedder:
    """The embedder of this environment, its model fetched where it is not here yet.

    Args:
        settings: Says where models lie and how many threads there are.
        limit: Tokens of a text that count, at most 512.

    Raises:
        ModelError: The model cannot be had or read.
    """
    folder = hub.fetch(settings, MODEL)
    session = minilm.load_session(folder / WEIGHTS)

    return Embedder(
        version=build_version(limit),
        limit=limit,
        threads=settings.threads,
        tokenizer=load_tokenizer(folder / FILE, name=MODEL),
        _run=partial(minilm.run, session),
    )


def build_version(limit: int = LIMIT) -> str:
    """The version that `load_embedder` would give, without loading anything."""
    weights = next(part for part in load_entry(MODEL).files if part.name == WEIGHTS)
    return f"{MODEL}@{weights.sha256[:12]}/{limit}"
