"""The compliance gate: each check, and every way in which it must block."""

import re
from dataclasses import replace

import numpy as np
import pytest

from headrace.models.candidate import FILES
from headrace.models.kinds import load_kind
from headrace.registry.compliance import decide_compliance
from tests.models.purchases import POLICY
from tests.registry.test_compliance import COMPLIANT

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "check", "reason"),
    [
        pytest.param({"signature": None}, "signature", "declares no inputs", id="no signature"),
        pytest.param({"signature": ()}, "signature", "declares no inputs", id="empty signature"),
        pytest.param({"signature": ("shop",)}, "signature", "differ in hour", id="signature lacks an input"),
        pytest.param({"signature": ("shop", "hour", "day")}, "signature", "differ in day", id="signature of another model"),
        pytest.param({"card": None}, "model_card", "no model card", id="no card"),
        pytest.param({"card": " \n"}, "model_card", "or an empty one", id="empty card"),
        pytest.param({"tags": {}}, "tags", "lacks commit", id="tag missing"),
        pytest.param({"tags": {"commit": " "}}, "tags", "lacks commit", id="tag empty"),
        pytest.param({"table_versions": {}}, "table_versions", "no version of any table", id="data versions missing"),
        pytest.param({"table_versions": {"gold.x": -1}}, "table_versions", "no version of gold.x", id="data version unknown"),
        pytest.param({"features": ("shop", "hour", "returned_at")}, "leaking_features", "returned_at would leak", id="leaking column"),
        pytest.param({"features": ()}, "leaking_features", "names no features", id="no features"),
        pytest.param({"metrics": {"holdout/roc_auc": 0.95}}, "suspicion", "taken for a leak", id="too good to be true"),
        pytest.param({"metrics": {}}, "suspicion", "is None", id="metric missing"),
        pytest.param({"metrics": {"holdout/roc_auc": None}}, "suspicion", "is None", id="metric null"),
        pytest.param({"metrics": {"holdout/roc_auc": NAN}}, "suspicion", "is nan", id="metric not a number"),
        pytest.param({"metrics": {"validation/roc_auc": 0.7}}, "suspicion", "is None", id="metric of another split"),
        pytest.param({"files": (*FILES, "model.pkl")}, "safe_files", "model.pkl may run code", id="a pickle"),
        pytest.param({"files": (*FILES, "hooks/setup.py")}, "safe_files", "hooks/setup.py may run code", id="code"),
        pytest.param({"files": (*FILES, "weights")}, "safe_files", "weights may run code", id="a file of unknown type"),
        pytest.param({"files": FILES[1:]}, "safe_files", "lacks candidate.json", id="a file missing"),
        pytest.param({"files": ()}, "safe_files", "the folder lacks", id="an empty folder"),
        pytest.param({"first_scores": None}, "reproducible_score", "not scored twice", id="not scored"),
        pytest.param({"repeated_scores": None}, "reproducible_score", "not scored twice", id="scored once"),
        pytest.param({"first_scores": np.empty(0), "repeated_scores": np.empty(0)}, "reproducible_score", "not scored twice", id="no rows scored"),
        pytest.param({"repeated_scores": np.array([0.1, 0.9000000001])}, "reproducible_score", "differently", id="scores differ in the tenth digit"),
        pytest.param({"repeated_scores": np.array([0.1])}, "reproducible_score", "differently", id="a row went missing"),
        pytest.param(
            {"first_scores": np.array([NAN, 0.9])},
            "reproducible_score",
            "no predictions of binary",
            id="a score that is not a number",
        ),
        pytest.param(
            {"first_scores": np.array([1.1, 0.9])},
            "reproducible_score",
            "no predictions of binary",
            id="a score above one",
        ),
    ],
)
def test_compliance_blocks(changes, check, reason):
    decisions = decide_compliance(replace(COMPLIANT, **changes), kind=load_kind("binary"), policy=POLICY, forbidden=("returned_at",), needed=FILES)
    refusals = {decision.gate: decision.reason for decision in decisions if not decision.passed}
    assert reason in refusals.get(check, "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"metric": "holdout/accuracy"}, "which way holdout/accuracy is better", id="a metric nobody knows"),
        pytest.param({"metric": "holdout/log_loss"}, "is None", id="a metric that is not there"),
        pytest.param({"suspicion_limit": 0.7}, "0.7500 is better than 0.7000", id="a stricter bar"),
        pytest.param({"suspicion_limit": NAN}, "0.75 and its limit nan", id="a bar that is not a number"),
    ],
)
def test_suspicion_blocks_when_the_policy_cannot_be_applied(changes, reason):
    decisions = decide_compliance(COMPLIANT, kind=load_kind("binary"), policy=replace(POLICY, **changes), forbidden=(), needed=FILES)
    assert [reason in decision.reason for decision in decisions if not decision.passed] == [True]


def test_a_loss_is_suspicious_when_it_is_low():
    policy = replace(POLICY, metric="holdout/log_loss", suspicion_limit=0.2)
    for loss, passes in ((0.1, False), (0.4, True)):
        decisions = decide_compliance(
            replace(COMPLIANT, metrics={"holdout/log_loss": loss}), kind=load_kind("binary"), policy=policy, forbidden=(), needed=FILES
        )
        assert all(decision.passed for decision in decisions) == passes


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        pytest.param({"floors": {"holdout/roc_auc": 0.76}}, "holdout/roc_auc 0.75 is below 0.76", id="below a floor"),
        pytest.param({"floors": {"holdout/recall": 0.5}}, r"holdout/recall \(missing\) is below 0.5", id="figure of a floor missing"),
        pytest.param({"ceilings": {"holdout/roc_auc": 0.74}}, "holdout/roc_auc 0.75 is above 0.74", id="above a ceiling"),
        pytest.param({"ceilings": {"attacks/success_fraction": 0.1}}, r"\(missing\) is above 0.1", id="figure of a ceiling missing"),
        pytest.param({"floors": {"holdout/roc_auc": NAN}}, "is below nan", id="floor that is no number"),
        pytest.param({"ceilings": {"holdout/roc_auc": NAN}}, "is above nan", id="ceiling that is no number"),
    ],
)
def test_a_figure_that_does_not_keep_its_bar_blocks(bars, reason):
    policy = replace(POLICY, **bars)
    decisions = decide_compliance(COMPLIANT, kind=load_kind("binary"), policy=policy, forbidden=(), needed=FILES)
    (broken,) = [decision for decision in decisions if not decision.passed]
    assert broken.gate == "bars"
    assert re.search(reason, broken.reason)


@pytest.mark.parametrize("figure", [None, NAN, float("inf"), -float("inf")])
def test_a_bounded_figure_that_is_no_number_blocks(figure):
    facts = replace(COMPLIANT, metrics=COMPLIANT.metrics | {"holdout/cost_usd": figure})
    for bars in ({"floors": {"holdout/cost_usd": 0.0}}, {"ceilings": {"holdout/cost_usd": 1.0}}):
        decisions = decide_compliance(facts, kind=load_kind("binary"), policy=replace(POLICY, **bars), forbidden=(), needed=FILES)
        assert [decision.gate for decision in decisions if not decision.passed] == ["bars"]
