import json
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from headrace.errors import CandidateError
from headrace.models.candidate import METADATA, MODEL
from headrace.models.scorer import load_scorer
from tests.models.purchases import CASE, labelled_purchases

ROWS = labelled_purchases()


@pytest.fixture
def folder(built, tmp_path):
    """A copy of the candidate that a test may break."""
    return shutil.copytree(built[0], tmp_path / "candidate")


def test_it_predicts_a_probability_for_every_row_even_where_features_are_missing(built):
    probabilities = load_scorer(built[0]).predict(ROWS.with_columns(pl.lit(None, dtype=pl.Float64).alias("hour"), pl.lit("nowhere").alias("shop")))
    assert probabilities.shape == (ROWS.height,)
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_columns_in_another_order_change_nothing(built):
    scorer = load_scorer(built[0])
    assert np.array_equal(scorer.predict(ROWS.select(reversed(ROWS.columns))), scorer.predict(ROWS))


def test_a_row_scores_the_same_alone_and_among_others(built):
    scorer = load_scorer(built[0])
    assert scorer.predict(ROWS.slice(17, 1))[0] == scorer.predict(ROWS)[17]


def test_no_rows_have_no_predictions(built):
    assert load_scorer(built[0]).predict(ROWS.clear()).size == 0


def test_rows_of_another_features_version_are_refused(built):
    with pytest.raises(CandidateError, match="trained on features version 1, the rows have \\['2'\\]"):
        load_scorer(built[0]).predict(ROWS.with_columns(features_version=2))


def test_rows_that_lack_a_feature_are_refused(built):
    with pytest.raises(CandidateError, match="the rows lack hour"):
        load_scorer(built[0]).predict(ROWS.drop("hour"))


def test_broken_trees_are_an_error_with_a_sentence(folder):
    (folder / MODEL).write_text("tree\nversion=v4\n")
    with pytest.raises(CandidateError, match="cannot be loaded"):
        load_scorer(folder)


def test_trees_of_another_candidate_are_refused(folder):
    content = json.loads((folder / METADATA).read_text())
    (folder / METADATA).write_text(json.dumps(content | {"features": list(reversed(CASE.features.names))}))
    with pytest.raises(CandidateError, match="the folder mixes two candidates"):
        load_scorer(folder)


def test_loading_a_scorer_imports_nothing_of_training():
    heavy = "{'optuna', 'mlflow', 'prefect', 'great_expectations', 'evidently'}"
    code = f"import sys, headrace.models.scorer; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
