"""Fixtures of tables with a contract."""

from typing import Any

import pytest

from headrace.lake import tables
from headrace.lake.contracts import Contract
from tests.lake.tiny_contract import build_contract


@pytest.fixture
def promise(monkeypatch):
    """Set the contract of every table, as if its file held these values."""

    def set_contract(**changes: Any) -> Contract:
        contract = build_contract(**changes)
        monkeypatch.setattr(tables, "find_contract", lambda table: contract)
        return contract

    return set_contract
