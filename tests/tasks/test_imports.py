"""A stage that only moves data starts without the learners, which would cost each of its runs two to three seconds."""

import pytest

from tests.serving.test_imports import loaded_after

LEARNERS = {"lightgbm", "sklearn", "scipy", "optuna", "pandas", "evidently", "mlflow", "great_expectations", "lancedb", "onnxruntime"}


@pytest.mark.parametrize("stage", ["ingest", "refine", "featurize", "llm_index"])
def test_a_data_stage_imports_no_learner(stage):
    loaded = loaded_after(f"import flows.{stage}")
    assert "prefect.flows" in loaded
    assert loaded.isdisjoint(LEARNERS)
