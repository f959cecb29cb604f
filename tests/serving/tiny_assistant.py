"""An assistant over three sections and one that holds markup, served with real logs and a real lake."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace.features.online import publish
from headrace.features.views import FeatureSet, Inputs
from headrace.llm.chain import Chain
from headrace.llm.chain_spec import ChainSpec
from headrace.models.candidate import write_candidate
from headrace.settings import Settings
from headrace.use_case import UseCase
from tests.llm.tiny_chain import CHAIN, METADATA, TinyRetriever, TinySection
from tests.serving.tiny import NOON, TINY, FileRegistry, tiny_settings

# What a document must not be able to do: the page shows it as it stands there.
MARKUP = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"> & <b>bold</b>"

ASKED = "how do i sort a list in place?"


def build_spine(inputs: Inputs) -> pl.DataFrame:
    return inputs["questions"].with_columns(pl.col("asked_at").alias("prediction_at"))


def count_words(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("question").str.split(" ").list.len().cast(pl.Float64).alias("word_count"))


ASSISTANT: UseCase = replace(
    TINY,
    # Its tables keep the contracts of the assistant that comes with the repository.
    name="docs_assistant",
    title="Questions about Python",
    kind="assistant",
    training=ChainSpec(
        holdout_fraction=0.5, validation_fraction=0.25, chunks="chunks", quoted=2, min_answered_fraction=0.9,
        prompt="answer", model=None, guardrails={}, worded_at_once=0,
    ),
    features=FeatureSet(
        version=1, key=("question_id",), refresh=timedelta(hours=1), spine_inputs=("questions",), build_spine=build_spine, carried=("question",),
        request_columns={"question_id": pl.String(), "question": pl.String()},
        on_demand=count_words, on_demand_features=("word_count",), categorical=(), views=(), forbidden=(),
    ),
)  # fmt: skip


class HostileRetriever(TinyRetriever):
    """The three sections, and one that is found by its word `script` and holds markup."""

    def rank(self, question: str, *, k: int, embedding: np.ndarray | None = None) -> Sequence[TinySection]:
        if "script" in question.lower():
            return [TinySection(section_id="evil#1", title=MARKUP, heading_path=f"Evil > {MARKUP}", text=MARKUP, score=1.0)]
        return super().rank(question, k=k)


PINS = {"index": "12", "prompt": "3"}


def load_chain(folder: Path) -> Chain:
    """The tiny chain, whatever the folder holds."""
    return replace(CHAIN, retriever=HostileRetriever(), pins=PINS)


class World:
    """An environment with a promoted chain."""

    def __init__(self, home: Path) -> None:
        self.home, self.settings, self.registry = home, tiny_settings(home), FileRegistry(home / "champion.json")
        folder = home / "chain-1"
        folder.mkdir(parents=True)
        write_candidate(folder, METADATA)
        self.registry.promote(1, folder)
        publish_nothing(self.settings)


def publish_nothing(settings: Settings) -> None:
    """Fill the online store as of noon: an assistant's has no views."""
    publish(settings.online_root / ASSISTANT.name, ASSISTANT.features, {}, NOON)


def say(question: str = ASKED, **more: Any) -> dict[str, Any]:
    """A request to `/chat`."""
    return {"url": "/chat", "json": {"question": question, **more}}
