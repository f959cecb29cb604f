import numpy as np

from headrace.models.candidate import FILES
from headrace.models.kinds import load_kind
from headrace.registry.compliance import VersionFacts, decide_compliance
from tests.models.purchases import POLICY

COMPLIANT = VersionFacts(
    features=("shop", "hour"),
    signature=("hour", "shop"),
    card="# Model card",
    tags={"commit": "abc", "stage": "staging"},
    table_versions={"gold.tiny_features": 0},
    metrics={"holdout/roc_auc": 0.75},
    files=FILES,
    first_scores=np.array([0.1, 0.9]),
    repeated_scores=np.array([0.1, 0.9]),
)


def test_a_version_that_carries_everything_passes_every_check():
    decisions = decide_compliance(COMPLIANT, kind=load_kind("binary"), policy=POLICY, forbidden=("returned_at",), needed=FILES)
    assert all(decision.passed for decision in decisions), [decision.reason for decision in decisions]


def test_every_check_has_a_name_of_its_own():
    names = [decision.gate for decision in decide_compliance(COMPLIANT, kind=load_kind("binary"), policy=POLICY, forbidden=(), needed=FILES)]
    assert names[:5] == ["signature", "model_card", "tags", "table_versions", "leaking_features"]
    assert names[5:] == ["suspicion", "bars", "safe_files", "reproducible_score"]
