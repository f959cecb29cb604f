import json
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from headrace.errors import CandidateError
from headrace.models.candidate import METADATA, Candidate, read_candidate, read_json, write_candidate, write_json
from tests.models.purchases import AS_OF, START

CANDIDATE = Candidate(
    use_case="tiny",
    kind="binary",
    outcomes=(),
    label="is_returned",
    features_version=1,
    features=("shop", "hour"),
    categories={"shop": ("north", "south")},
    learns_change=False,
    calibration={"method": "platt", "slope": 1.0, "intercept": 0.0},
    as_of=AS_OF,
    train_start=START,
    train_end=START + timedelta(days=30),
    validation_start=START + timedelta(days=31),
    validation_end=START + timedelta(days=40),
    holdout_start=START + timedelta(days=41),
    holdout_end=AS_OF - timedelta(days=1),
    params={"num_leaves": 7},
    best_round=12,
    seed=1,
    provenance={"commit": "abc"},
)


def test_metadata_survive_the_disk(tmp_path):
    write_candidate(tmp_path, CANDIDATE)
    assert read_candidate(tmp_path) == CANDIDATE


def test_every_instant_is_stored_with_its_zone(tmp_path):
    write_candidate(tmp_path, CANDIDATE)
    content = json.loads((tmp_path / METADATA).read_text())
    instants = [field.name for field in fields(Candidate) if field.type == "datetime" or "datetime" in str(field.type)]
    assert all(content[name].endswith("+00:00") for name in instants)


def test_a_figure_that_is_not_finite_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "metrics.json", {"holdout/log_loss": float("nan")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "cannot be read", id="half a file"),
        pytest.param("[]", "must hold a JSON object, it holds list", id="no object"),
        pytest.param('{"format": 4}', "has format 4, this code reads 3", id="another format"),
        pytest.param('{"format": 3}', "differs in as_of, best_round", id="incomplete"),
    ],
)
def test_metadata_that_cannot_be_trusted_are_refused(tmp_path, content, message):
    (tmp_path / METADATA).write_text(content)
    with pytest.raises(CandidateError, match=message):
        read_candidate(tmp_path)


def test_a_folder_without_metadata_is_no_candidate(tmp_path):
    with pytest.raises(CandidateError, match="the version is incomplete, train it again"):
        read_candidate(tmp_path)


def test_another_candidate_has_other_bytes(tmp_path):
    write_candidate(tmp_path, CANDIDATE)
    first = (tmp_path / METADATA).read_bytes()
    write_candidate(tmp_path, replace(CANDIDATE, seed=2))
    assert (tmp_path / METADATA).read_bytes() != first


@pytest.mark.parametrize(("format", "unknown"), [(1, {"kind", "outcomes", "learns_change"}), (2, {"learns_change"})])
def test_older_candidates_are_read_as_the_classifiers_of_values_that_they_are(tmp_path, format, unknown):
    write_candidate(tmp_path, CANDIDATE)
    written = read_json(tmp_path / METADATA)
    old = {name: value for name, value in written.items() if name not in unknown} | {"format": format}
    write_json(tmp_path / METADATA, old)
    assert read_candidate(tmp_path) == CANDIDATE
