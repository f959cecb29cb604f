"""A real server of an assistant, killed: no answer and no feedback is lost, none is there twice."""

import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from headrace.lake import tables
from headrace.lake.ingestion import append_feed
from headrace.llm.feedback import refine_feedback
from headrace.llm.feedback_source import WithFeedback
from headrace.serving.drain import drain
from headrace.serving.feedback_log import feedback_folder
from headrace.serving.inference_log import list_segments
from headrace.serving.request_rows import requests_table
from tests.llm.test_feedback_loop import NoDocuments
from tests.serving.assistant_server import AssistantServer, running
from tests.serving.tiny_assistant import ASKED, ASSISTANT


class Reader(threading.Thread):
    """Asks and rates without pause until the server is gone, and keeps the ids that were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.answered: list[str] = []
        self.rated: list[str] = []
        self.other: list[str] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.url) as client:
            while True:
                try:
                    asked = client.post("/chat", json={"question": ASKED})
                    self.answered.append(asked.json()["request_id"]) if asked.status_code == 200 else self.other.append(asked.text)
                    rated = client.post("/feedback", json={"request_id": self.answered[-1], "rating": "up"})
                    self.rated.append(rated.json()["feedback_id"]) if rated.status_code == 200 else self.other.append(rated.text)
                except httpx.TransportError:
                    return


def kill_under_load(server: AssistantServer, *, seconds: float) -> tuple[list[str], list[str]]:
    """What six readers were told before the server was killed, which is after some seconds and some answers."""
    readers = [Reader(server.url) for _ in range(6)]
    for reader in readers:
        reader.start()
    time.sleep(seconds)
    deadline = time.monotonic() + 30
    while sum(len(reader.rated) for reader in readers) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(timeout=30)
    for reader in readers:
        reader.join()
    assert [text for reader in readers for text in reader.other] == []
    return [name for reader in readers for name in reader.answered], [name for reader in readers for name in reader.rated]


@pytest.mark.long
def test_every_answer_and_all_feedback_is_in_the_lake_once_also_after_kill_9(tmp_path: Path) -> None:
    """Killed twice, while segments are drained and ingested beside it."""
    source = WithFeedback(source=NoDocuments(), use_case=ASSISTANT.name)
    answered, rated = [], []
    with running(tmp_path) as server:
        case = replace(ASSISTANT, source=source.within(server.settings), feeds={"feedback": refine_feedback})
        for is_last in (False, True):
            more_answered, more_rated = kill_under_load(server, seconds=0.7)
            answered, rated = answered + more_answered, rated + more_rated
            append_feed(server.settings, case, "feedback", as_of=datetime.now(UTC))
            if not is_last:
                server.start()
        drain(server.settings, case)
        for _ in range(2):
            append_feed(server.settings, case, "feedback", as_of=datetime.now(UTC))
    stored = tables.read(server.settings, requests_table(ASSISTANT.name)).collect()["request_id"].to_list()
    kept = tables.read(server.settings, case.table("bronze", "feedback")).collect()["feedback_id"].to_list()
    assert len(answered) > 20
    assert len(stored) == len(set(stored))
    assert len(kept) == len(set(kept))
    assert {f"{request_id}/0" for request_id in answered} <= set(stored)
    assert set(rated) <= set(kept)
    # Beyond what was told there is at most what the kill overtook: one of each per reader and kill.
    assert len(stored) - len(answered) <= 2 * 6
    assert len(kept) - len(rated) <= 2 * 6
    assert list_segments(feedback_folder(server.settings, ASSISTANT.name)) == []


@pytest.mark.long
def test_a_stream_that_is_cut_off_is_logged_all_the_same(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        with httpx.stream("POST", f"{server.url}/chat", json={"question": ASKED}, headers={"Accept": "text/event-stream"}) as response:
            request_id = response.headers["X-Request-ID"]
            next(response.iter_raw())
            server.kill()
        drain(server.settings, ASSISTANT)
    assert tables.read(server.settings, requests_table(ASSISTANT.name)).collect()["request_id"].to_list() == [f"{request_id}/0"]
