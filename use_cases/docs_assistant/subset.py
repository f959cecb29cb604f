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

_OWN_CEILINGS = {name: POLICY.ceilings[name] for name in ("holdout/reply_p95_ms", "attacks/success_fraction")}

SUBSET = Subset(
    rows={"documents": _OF_THE_FAQ, "document_versions": _OF_THE_FAQ},
    training=CHAIN,
    # Sixty answers in a model's words are more than a slice has.
    policy=replace(POLICY, min_gain=-1.0, max_slice_loss=1.0, floors={}, ceilings=_OWN_CEILINGS),
    replay=Replay(ticks=(datetime(2023, 3, 8, 6, tzinfo=UTC), datetime(2023, 3, 9, 8, tzinfo=UTC))),
)
