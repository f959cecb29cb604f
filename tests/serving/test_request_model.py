import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from headrace import use_case as use_cases
from headrace.errors import UseCaseError
from headrace.lake.contracts import Column, load_contract
from headrace.serving.request_model import MAX_ROWS, RequestModel
from tests.serving.tiny import FEATURES

MODEL = RequestModel(FEATURES.request_columns)
ROW: dict[str, Any] = {"shop": "north", "amount_eur": 9.5, "item_count": 2, "sold_at": "2013-07-01T14:00:00+02:00"}


def read(*rows: dict[str, Any]) -> pl.DataFrame:
    return MODEL.read(json.dumps({"rows": rows}).encode())


def refusal(body: bytes) -> tuple[int, str]:
    with pytest.raises(ValidationError, match="validation error") as caught:
        MODEL.read(body)
    return MODEL.explain(caught.value)


def test_rows_have_the_declared_types_and_utc_instants() -> None:
    frame = read(ROW)
    assert frame.schema == pl.Schema(FEATURES.request_columns)
    assert frame["sold_at"].to_list() == [datetime(2013, 7, 1, 12, tzinfo=UTC)]


@pytest.mark.parametrize("name", use_cases.names())
def test_the_example_of_a_use_case_is_a_body_of_it(name: str) -> None:
    case = use_cases.load(name)
    model = RequestModel(case.features.request_columns)
    example = model.build_example([load_contract(case.table("silver", noun)) for noun in case.features.spine_inputs])
    assert model.read(json.dumps(example).encode()).height == 1


def test_an_example_has_what_contracts_allow_and_nothing_of_a_person() -> None:
    columns = {
        "shop": {"type": "string", "allowed": ["north", "south"]},
        "amount_eur": {"type": "float64", "range": [0, 50]},
        "item_count": {"type": "int64", "range": [0, 9]},
        "nickname": {"type": "string", "allowed": ["ada"], "pii": "direct"},
        "customer": {"type": "string", "allowed": ["c1"]},
    }
    promised = {name: {"description": "x", "nullable": True} | column for name, column in columns.items()}
    contract = load_contract("silver.flight_delay_weather").model_copy(
        update={"columns": {name: Column.model_validate(column) for name, column in promised.items()}, "subject_key": "customer"}
    )
    asked = FEATURES.request_columns | {"nickname": pl.String(), "customer": pl.String(), "is_member": pl.Boolean(), "day": pl.Date()}
    example = RequestModel(asked).build_example([contract])
    assert example == {
        "rows": [
            {"shop": "north", "amount_eur": 25.0, "item_count": 4, "sold_at": "2026-05-31T10:00:00Z"}
            | {"nickname": "a", "customer": "a", "is_member": True, "day": "2026-05-31"}
        ]
    }
    assert RequestModel(asked).read(json.dumps(example).encode()).height == 1


def test_a_whole_number_is_a_float_but_a_float_is_no_whole_number() -> None:
    assert read({**ROW, "amount_eur": 9})["amount_eur"].to_list() == [9.0]
    assert refusal(json.dumps({"rows": [{**ROW, "item_count": 2.0}]}).encode()) == (422, "rows.0.item_count: input should be a valid integer")


def test_null_means_not_known_except_for_instants() -> None:
    assert read({**ROW, "shop": None, "amount_eur": None, "item_count": None})["shop"].to_list() == [None]
    assert refusal(json.dumps({"rows": [{**ROW, "sold_at": None}]}).encode())[0] == 422


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"shop": 7}, "rows.0.shop: input should be a valid string", id="number for a name"),
        pytest.param({"shop": "x" * 1_001}, "rows.0.shop: string should have at most 1000 characters", id="name too long"),
        pytest.param({"amount_eur": "9.5"}, "rows.0.amount_eur: input should be a valid number", id="text for a number"),
        pytest.param({"amount_eur": float("nan")}, "rows.0.amount_eur: input should be a finite number", id="not a number"),
        pytest.param({"amount_eur": float("inf")}, "rows.0.amount_eur: input should be a finite number", id="infinite"),
        pytest.param({"item_count": True}, "rows.0.item_count: input should be a valid integer", id="flag for a number"),
        pytest.param({"item_count": 2**63}, "rows.0.item_count: input should be less than 9223372036854775808", id="beyond 64 bits"),
        pytest.param({"sold_at": "2013-07-01T14:00:00"}, "rows.0.sold_at: input should have timezone info", id="instant without offset"),
        pytest.param({"sold_at": 1372680000}, "rows.0.sold_at: input should be a valid datetime", id="seconds since 1970"),
        pytest.param({"sold_at": "0001-01-01T00:00:00+14:00"}, "rows.0.sold_at: input should lie in the years 1 to 9999 in UTC", id="before year 1"),
        pytest.param({"colour": "red"}, "rows.0.colour is unknown; known: shop, amount_eur, item_count, sold_at", id="unknown field"),
    ],
)
def test_a_wrong_row_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    status, found = refusal(json.dumps({"rows": [{**ROW, **change}]}).encode())
    assert status == 422
    assert found.endswith(sentence)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        pytest.param(b"", 400, "the body is not JSON", id="nothing"),
        pytest.param(b"{'rows': []}", 400, "the body is not JSON", id="single quotes"),
        pytest.param(b"\xff\xfe", 400, "the body is not JSON", id="no text"),
        pytest.param(b'{"rows":' + b"[" * 100_000, 400, "the body is not JSON", id="nested without end"),
        pytest.param(b'{"rows":[{"shop":"\\ud800"}]}', 400, "the body is not JSON", id="half a character"),
        pytest.param(b"[]", 422, "the body: input should be an object", id="a list"),
        pytest.param(b"{}", 422, "rows is missing", id="no rows key"),
        pytest.param(b'{"rows":[]}', 422, "rows must hold 1 to 1000 rows", id="no rows"),
        pytest.param(b'{"rows":[7]}', 422, "rows.0: input should be an object", id="a row that is none"),
        pytest.param(b'{"rows":[{}],"mode":1}', 422, "mode is unknown; known: rows", id="unknown key"),
        pytest.param(b'{"rows":[{}]}', 422, "rows.0.shop is missing; rows.0.amount_eur is missing", id="missing fields"),
    ],
)
def test_a_wrong_body_is_refused_with_a_sentence(body: bytes, status: int, sentence: str) -> None:
    found_status, found_sentence = refusal(body)
    assert found_status == status
    assert sentence in found_sentence


def test_too_many_rows_are_refused() -> None:
    assert refusal(json.dumps({"rows": [ROW] * (MAX_ROWS + 1)}).encode()) == (422, "rows must hold 1 to 1000 rows")


def test_a_thousand_wrong_rows_are_not_a_thousand_sentences() -> None:
    sentence = refusal(json.dumps({"rows": [{}] * MAX_ROWS}).encode())[1]
    assert sentence.count("missing") == 5
    assert sentence.endswith("and 3995 more")


def test_a_column_type_that_json_cannot_say_is_refused_at_the_start() -> None:
    with pytest.raises(UseCaseError, match="picture is Binary"):
        RequestModel({"picture": pl.Binary()})
