"""The body of `POST /predict`, built from the columns that a feature set asks callers for, and what is wrong with one in words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, create_model

from headrace.errors import UseCaseError
from headrace.lake.contracts import Column, Contract
from headrace.serving import findings

MAX_ROWS = 1_000


def _as_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("Input should lie in the years 1 to 9999 in UTC") from error


# JSON names no types, so each Polars type says what it takes. Numbers and names may be null, which means not known.
_FIELDS: Mapping[Any, Any] = {
    pl.String: Annotated[str, Field(max_length=1_000)] | None,
    pl.Int64: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None,
    pl.Float64: Annotated[float, Field(allow_inf_nan=False)] | None,
    pl.Boolean: bool | None,
    pl.Date: date,
    pl.Datetime: Annotated[AwareDatetime, AfterValidator(_as_utc)],
}

_SCHEMAS: Mapping[Any, dict[str, Any]] = {
    pl.String: {"type": "string", "maxLength": 1_000, "nullable": True},
    pl.Int64: {"type": "integer", "nullable": True},
    pl.Float64: {"type": "number", "nullable": True},
    pl.Boolean: {"type": "boolean", "nullable": True},
    pl.Date: {"type": "string", "format": "date"},
    pl.Datetime: {"type": "string", "format": "date-time", "description": "with its offset from UTC, for example 2013-07-01T15:30:00-04:00"},
}


# A value of each type, where no contract says more.
_EXAMPLES: Mapping[Any, Any] = {
    pl.String: "a",
    pl.Int64: 1,
    pl.Float64: 1.5,
    pl.Boolean: True,
    pl.Date: "2026-05-31",
    pl.Datetime: "2026-05-31T10:00:00Z",
}


class RequestModel:
    """Reads bodies `{"rows": [{column: value}, ...]}`; every column is required, none may be added, and types are strict."""

    def __init__(self, columns: Mapping[str, pl.DataType]) -> None:
        """Build the model.

        Args:
            columns: `FeatureSet.request_columns`.

        Raises:
            UseCaseError: A column has a type that JSON has no strict reading for.
        """
        unknown = [f"{name} is {dtype}" for name, dtype in columns.items() if dtype.base_type() not in _FIELDS]
        if unknown:
            raise UseCaseError(f"request columns must be {', '.join(str(kind) for kind in _FIELDS)}; {'; '.join(unknown)}")
        self._columns = columns
        strict = ConfigDict(extra="forbid", strict=True)
        fields: dict[str, Any] = {name: (_FIELDS[dtype.base_type()], ...) for name, dtype in columns.items()}
        row: Any = create_model("Row", __config__=strict, **fields)
        rows: Any = Annotated[list[row], Field(min_length=1, max_length=MAX_ROWS)]
        self._body: type[BaseModel] = create_model("Body", __config__=strict, rows=(rows, ...))

    def read(self, body: bytes) -> pl.DataFrame:
        """The rows of a body, timestamps in UTC. Grain: one row per row asked for.

        Raises:
            ValidationError: The body is not what `read` promises; `explain` says why.
        """
        rows = self._body.model_validate_json(body).model_dump()["rows"]
        return pl.DataFrame(rows, schema=dict(self._columns), strict=True)

    @property
    def schema(self) -> dict[str, Any]:
        """The body as OpenAPI 3.0 describes it."""
        properties = {name: _SCHEMAS[dtype.base_type()] for name, dtype in self._columns.items()}
        row = {"type": "object", "required": list(self._columns), "additionalProperties": False, "properties": properties}
        rows = {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": row}
        return {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {"rows": rows}}

    def build_example(self, contracts: Sequence[Contract] = ()) -> dict[str, Any]:
        """A body that is what is asked for, of one row: what the contracts allow, else a value of the type; of a person, never a real one.

        Args:
            contracts: What the tables promise whose columns have the names of the request's.
        """
        promised = {name: column for contract in contracts for name, column in contract.columns.items() if name != contract.subject_key}
        return {"rows": [{name: _choose_value(dtype, promised.get(name)) for name, dtype in self._columns.items()}]}

    def explain(self, error: ValidationError) -> tuple[int, str]:
        """HTTP status and sentence for a refused body: 400 when it is not JSON, 422 when it is not what is asked for."""
        return findings.explain(error, self._tell)

    def _tell(self, kind: str, place: findings.Place) -> str | None:
        match kind:
            case "extra_forbidden":
                return f"is unknown; known: {'rows' if len(place) == 1 else ', '.join(self._columns)}"
            case "too_long" | "too_short":
                return f"must hold 1 to {MAX_ROWS} rows"
            case _:
                return None


def _choose_value(dtype: pl.DataType, promise: Column | None) -> Any:
    """The first allowed value, the middle of the range, or a value of the type."""
    usual = _EXAMPLES[dtype.base_type()]
    if promise is None or promise.pii != "none":
        return usual
    if promise.allowed is not None:
        return str(promise.allowed[0]) if dtype == pl.String else promise.allowed[0] if dtype == pl.Int64 else usual
    low, high = promise.range or (None, None)
    if low is None or high is None or dtype not in (pl.Int64, pl.Float64):
        return usual
    return int((low + high) // 2) if dtype == pl.Int64 else float(f"{(low + high) / 2:.4g}")
