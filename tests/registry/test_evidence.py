"""The hash that an approval names: the same for the same evidence, another for any other."""

import pytest

from headrace.decisions import Decision, passed
from headrace.registry.evidence import hash_evidence

JUDGED = passed("promotion", "gain +0.0100", {"gain": 0.01, "opponent": "champion"})


def hash_of(judged: Decision = JUDGED, *, version: int = 3, model_id: str = "a") -> str:
    return hash_evidence(judged, version=version, model_id=model_id)


def test_the_order_of_figures_and_their_last_digits_do_not_matter():
    again = passed("promotion", "gain +0.0100", {"opponent": "champion", "gain": 0.01 * (1 + 2e-16)})
    assert hash_of(again) == hash_of()
    assert len(hash_of()) == 64


@pytest.mark.parametrize(
    ("other", "names"),
    [
        pytest.param(passed("promotion", "gain +0.0100", {"gain": 0.011, "opponent": "champion"}), {}, id="another figure"),
        pytest.param(passed("promotion", "gain +0.0100", {"gain": 0.01, "opponent": "baseline"}), {}, id="another word"),
        pytest.param(passed("promotion", "gain +0.0100", {"gain": 0.01}), {}, id="a figure less"),
        pytest.param(passed("promotion", "better", {"gain": 0.01, "opponent": "champion"}), {}, id="another reason"),
        pytest.param(JUDGED, {"version": 4}, id="another version"),
        pytest.param(JUDGED, {"model_id": "b"}, id="built from something else"),
    ],
)
def test_other_evidence_has_another_hash(other, names):
    assert hash_of(other, **names) != hash_of()
