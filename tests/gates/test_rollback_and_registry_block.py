"""The rollback gate and an unreachable registry: every way in which they must block."""

from datetime import UTC, datetime

import pytest

from headrace.decisions import passed
from headrace.errors import RegistryError
from headrace.registry import history, rollback, versions

APRIL = datetime(2013, 4, 1, tzinfo=UTC)


def test_an_unreachable_registry_is_an_error_and_not_an_absent_champion(settings, case):
    unreachable = settings.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(RegistryError, match="dev"):
        versions.read_alias(unreachable, case, alias=versions.CHAMPION)


def test_a_registry_that_is_no_database_is_an_error(settings, case, tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database, and long enough to be looked at as one" * 20)
    with pytest.raises(RegistryError, match="registry of dev"):
        versions.read_alias(settings.model_copy(update={"tracking_uri": f"sqlite:///{broken}"}), case, alias=versions.CHAMPION)


@pytest.mark.parametrize(
    ("by", "reason", "expected"),
    [
        pytest.param("", "too low", "needs a person", id="nobody"),
        pytest.param("ada", " ", "needs a person", id="no reason"),
        pytest.param("ada", "too low", "no previous champion", id="nothing to return to"),
    ],
)
def test_rollback_blocks(settings, case, register, by, reason, expected):
    version = register("a")
    history.record_verdict(settings, case, version, passed("promotion", "better"), as_of=APRIL, approver="automatic")
    history.finish_promotions(settings, case)
    decision = rollback.decide_rollback(settings, case, as_of=APRIL, by=by, reason=reason)
    assert not decision.passed
    assert expected in decision.reason
