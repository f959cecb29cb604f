"""A browser names a server by its own address: never by a name that somebody may point at it."""

from pathlib import Path

import pytest
from fastapi import HTTPException, Request

from headrace.serving.browsers import check_host
from tests.serving.tiny import tiny_settings


def is_let_in(home: Path, host: str, *, bound: str) -> bool:
    settings = tiny_settings(home).model_copy(update={"serving_host": bound})
    check_host(Request({"type": "http", "headers": [(b"host", host.encode())]}), settings)
    return True


@pytest.mark.parametrize(
    ("bound", "host"),
    [
        ("127.0.0.1", "localhost:8101"),
        ("192.0.2.7", "192.0.2.7:8101"),
        ("assistant.example", "assistant.example"),
        ("0.0.0.0", "192.0.2.7:8101"),
        ("0.0.0.0", "localhost:8101"),
        ("::", "[2001:db8::7]:8101"),
    ],
)
def test_a_server_may_be_opened_by_its_own_address(tmp_path: Path, bound: str, host: str) -> None:
    assert is_let_in(tmp_path, host, bound=bound)


@pytest.mark.parametrize(
    ("bound", "host", "sentence"),
    [
        ("127.0.0.1", "evil.example", "open it by the address that it binds to, 127.0.0.1"),
        ("127.0.0.1", "192.0.2.7", "open it by the address that it binds to, 127.0.0.1"),
        ("0.0.0.0", "evil.example:8101", "this server is not called 'evil.example'; open it by the number of its address"),
        ("::", "", "open it by the number of its address"),
        ("::", "[2001:db8::7", "open it by the number of its address"),
    ],
)
def test_a_name_that_somebody_may_point_at_it_is_refused_with_the_way_in(tmp_path: Path, bound: str, host: str, sentence: str) -> None:
    with pytest.raises(HTTPException, match=sentence):
        is_let_in(tmp_path, host, bound=bound)
