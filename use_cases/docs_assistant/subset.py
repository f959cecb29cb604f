"""The slice of the assistant that staging runs on: the questions and answers of the documentation's own FAQ, a few hundred sections.

Its bars ask whether the rails work, not whether the answers are good.
"""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from headrace.use_case import Replay, Subset
from use_cases.docs_assistant.chain import CHAIN
from use_cases.docs_assistant.policy import POLICY

_OF_THE_FAQ = pl.col("document_id").str.starts_with("faq/")

SUBSET = Subset(
    rows={"documents": _OF_THE_FAQ, "document_versions": _OF_THE_FAQ},
    training=CHAIN,
    policy=replace(POLICY, min_gain=-1.0, max_slice_loss=1.0, floors={}),
    replay=Replay(ticks=(datetime(2023, 3, 8, 6, tzinfo=UTC), datetime(2023, 3, 9, 8, tzinfo=UTC))),
)
