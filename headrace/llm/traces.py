"""Traces of answers in MLflow: question, what was found and quoted, answer, and the versions that made it.

A trace is a projection of a row of the requests table. Its id is a hash of the row's key, and MLflow takes spans of one id for one trace, so
publishing a row twice leaves one. `metrics.traces` says which rows are published; whoever publishes next finishes what a killed one left.
Spans are written in batches, 8.5 ms of processor time an answer, and never while somebody waits: the server does not know MLflow.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.lake import tables
from headrace.lake.batches import build_batch_id
from headrace.lake.runs import build_rows
from headrace.llm.personal_data import mask
from headrace.models.kinds.assistant import ANSWER, CITED, CONFIDENCE, PINS, QUOTATIONS, RANKED, WORDING
from headrace.registry.client import open_registry
from headrace.registry.versions import ensure_experiment
from headrace.serving.request_rows import requests_table
from headrace.settings import Settings
from headrace.use_case import UseCase

if TYPE_CHECKING:
    from mlflow.entities import Span

logger = logging.getLogger(__name__)

TABLE = "metrics.traces"

# What is shown of each call of a model; `metrics.llm_calls` has all of it.
_TOOK = ("alias", "model", "status", "input_token_count", "output_token_count", "time_to_first_token_s", "latency_s", "cost_usd")

# Answers per write: a transaction of MLflow's database takes about a second of processor time.
BATCH_ROWS = 100


def experiment_name(settings: Settings, case: UseCase) -> str:
    """Name of the experiment that holds the traces of an assistant."""
    return f"{settings.environment}.{case.name}.answers"


def name_trace(request_id: str) -> str:
    """MLflow's id of the trace of an answer, by the key of its row."""
    return f"tr-{_digest(request_id)[:16].hex()}"


def publish_traces(settings: Settings, case: UseCase, *, now: datetime, limit: int | None = None) -> int:
    """Publish the traces of answers that have none yet, oldest first.

    Args:
        settings: The environment.
        case: The assistant.
        now: Clock reading (UTC).
        limit: Most answers to publish; None: all.

    Returns:
        The number of answers that were published.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    missing = _list_missing(settings, case)[: limit or None]
    if not missing:
        return 0
    with open_registry(settings) as client:
        experiment = ensure_experiment(settings, client, experiment_name(settings, case))
        for begin in range(0, len(missing), BATCH_ROWS):
            _publish(settings, case, missing[begin : begin + BATCH_ROWS], experiment=experiment, now=now)
    logger.info("published traces of %s rows=%d", requests_table(case.name), len(missing))
    return len(missing)


def _list_missing(settings: Settings, case: UseCase) -> list[str]:
    """Keys of answers without a trace; those that the server made sort by their arrival."""
    if tables.read_version(settings, requests_table(case.name)) is None:
        return []
    published = tables.read(settings, TABLE).filter(pl.col("use_case") == case.name).select("request_id")
    answers = tables.read(settings, requests_table(case.name)).select("request_id")
    return answers.join(published, on="request_id", how="anti").sort("request_id").collect()["request_id"].to_list()


def _publish(settings: Settings, case: UseCase, request_ids: Sequence[str], *, experiment: str, now: datetime) -> None:
    """Write the spans of some answers, then that they are written."""
    from mlflow.tracing.client import TracingClient

    is_mine = pl.col("request_id").is_between(pl.lit(request_ids[0]), pl.lit(request_ids[-1])) & pl.col("request_id").is_in(list(request_ids))
    answers = tables.read(settings, requests_table(case.name)).filter(is_mine).collect()
    spans = [span for answer in answers.iter_rows(named=True) for span in build_spans(answer)]
    TracingClient(settings.registry_uri).log_spans(experiment, spans)
    rows: list[Mapping[str, object]] = [
        {"use_case": case.name, "request_id": key, "trace_id": name_trace(key), "published_at": now} for key in request_ids
    ]
    slice_name = hashlib.sha256("\n".join(request_ids).encode()).hexdigest()[:32]
    batch_id = build_batch_id("trace", case.name, slice_name)
    tables.merge(settings, TABLE, build_rows(TABLE, rows), keys=("use_case", "request_id"), batch_id=batch_id)


def build_spans(answer: Mapping[str, Any]) -> "list[Span]":
    """The spans of an answer: the whole of it, in it what retrieval found, and where a model was to word it what that was told and said.

    Args:
        answer: Its row of the requests table.
    """
    request = json.loads(answer["request"])
    question, quotations = mask(request["question"])[0], json.loads(answer[QUOTATIONS])
    documents = [
        {"page_content": passage["text"], "metadata": {"doc_uri": passage["section_id"], "heading_path": passage["heading_path"]}}
        for passage in quotations
    ]
    told = {"answer": answer[ANSWER], "cited_sections": json.loads(answer[CITED]), "confidence_fraction": answer[CONFIDENCE]}
    made_by = {"request_id": answer["request_id"], "model_version": answer["model_version"], "model_id": answer["model_id"]}
    made_by |= {f"{name}_version": version for name, version in json.loads(answer[PINS]).items()}
    ranked = {"ranked_sections": json.loads(answer[RANKED])}
    spans = [
        _build_span(answer, 0, "answer", kind="CHAIN", inputs={"question": question}, outputs=told, attributes=made_by),
        _build_span(answer, 1, "retrieve", kind="RETRIEVER", inputs={"question": question}, outputs=documents, attributes=ranked),
    ]
    return [*spans, _build_words(answer, json.loads(answer[WORDING]))] if answer[WORDING] else spans


def _build_words(answer: Mapping[str, Any], worded: Mapping[str, Any]) -> "Span":
    """What a model was told and said; its prompt holds the question, so personal data is masked there too."""
    messages = [{"role": message["role"], "content": mask(message["content"])[0]} for message in worded["messages"]]
    outputs = {"role": "assistant", "content": mask(worded["said"])[0]}
    took = {name: [call[name] for call in worded["calls"]] for name in _TOOK}
    attributes = {"is_shown": worded["is_shown"], "reason": worded["reason"], **took}
    return _build_span(answer, 2, "word", kind="CHAT_MODEL", inputs={"messages": messages}, outputs=outputs, attributes=attributes)


def _build_span(answer: Mapping[str, Any], place: int, name: str, *, kind: str, inputs: Any, outputs: Any, attributes: Mapping[str, Any]) -> "Span":
    """One span; the first is the root. The row knows one instant, the arrival, so spans have no length."""
    from mlflow.entities import Span

    digest = _digest(answer["request_id"])
    # A root and what is in it: the rest of the hash names the first two, a hash of its own each further one.
    names = [digest[16:24], digest[24:32], _digest(f"{answer['request_id']}/word")[:8]]
    span_ids = [base64.b64encode(name).decode() for name in names]
    at = int(answer["requested_at"].timestamp() * 1_000_000) * 1_000
    said = {"mlflow.traceRequestId": name_trace(answer["request_id"]), "mlflow.spanType": kind, "mlflow.spanInputs": inputs}
    said |= {"mlflow.spanOutputs": outputs, **attributes}
    return Span.from_dict(
        {
            "trace_id": base64.b64encode(digest[:16]).decode(),
            "span_id": span_ids[place],
            "parent_span_id": None if place == 0 else span_ids[0],
            "name": name,
            "start_time_unix_nano": at,
            "end_time_unix_nano": at,
            "events": [],
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": {key: json.dumps(value, ensure_ascii=False) for key, value in said.items()},
        }
    )


def _digest(request_id: str) -> bytes:
    return hashlib.sha256(request_id.encode()).digest()


def find_traces(settings: Settings, case: UseCase) -> set[str]:
    """Ids of all traces of an assistant that MLflow holds.

    Raises:
        RegistryError: MLflow cannot be reached.
    """
    found: set[str] = set()
    with open_registry(settings) as client:
        experiment = client.get_experiment_by_name(experiment_name(settings, case))
        token: str | None = None
        while experiment is not None:
            page = client.search_traces(locations=[experiment.experiment_id], max_results=500, page_token=token, include_spans=False)
            found |= {trace.info.trace_id for trace in page}
            token = page.token
            if not token:
                break
    return found
