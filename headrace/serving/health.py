"""What `GET /health` says."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, WithJsonSchema

# OpenAPI 3.0, which the bundled page reads, spells "or null" in its own way.
_Text = Annotated[str | None, WithJsonSchema({"type": "string", "nullable": True})]
_Whole = Annotated[int | None, WithJsonSchema({"type": "integer", "nullable": True})]
_Number = Annotated[float | None, WithJsonSchema({"type": "number", "nullable": True})]
_Instant = Annotated[datetime | None, WithJsonSchema({"type": "string", "format": "date-time", "nullable": True})]


class Health(BaseModel):
    """Whether the server can answer, and how well.

    `ok`: it answers with what the registry says. `degraded`: it answers, but something needs a person. `unavailable`: it
    cannot answer (and the status code is 503).
    """

    status: Literal["ok", "degraded", "unavailable"]
    is_live: bool = Field(description="True: this reply came from the process itself.")
    is_ready: bool = Field(description="Whether `POST /predict` can be answered.")
    problems: list[str] = Field(description="One sentence per thing that needs a person.")
    environment: str
    use_case: str
    model_version: _Whole = Field(description="Version of the champion that answers.")
    model_id: _Text
    features_version: int = Field(description="Version of the features that this process computes.")
    refreshed_at: _Instant = Field(description="Instant (UTC) as of which the online features were computed.")
    features_age_seconds: _Number = Field(description="How long ago that was.")
    undrained_segment_count: int = Field(description="Segments of the inference log that are not in the lake yet, the one being written included.")
    undrained_bytes: int
    undrained_seconds: _Number = Field(description="Age of the oldest of them.")
    logged_count: int = Field(description="Requests logged since the server was started.")
    sync_count: int = Field(description="Syncs they took; fewer, when requests came together.")
    cpu_seconds: float = Field(description="Processor time that the server has taken since it was started.")
