"""What `GET /health` says."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


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
    model_version: int | None = Field(description="Version of the champion that answers.")
    model_id: str | None
    features_version: int = Field(description="Version of the features that this process computes.")
    refreshed_at: datetime | None = Field(description="Instant (UTC) as of which the online features were computed.")
    features_age_seconds: float | None = Field(description="How long ago that was.")
    undrained_segment_count: int = Field(description="Segments of the inference log that are not in the lake yet, the one being written included.")
    undrained_bytes: int
    undrained_seconds: float | None = Field(description="Age of the oldest of them.")
    logged_count: int = Field(description="Requests logged since the server was started.")
    sync_count: int = Field(description="Syncs they took; fewer, when requests came together.")
