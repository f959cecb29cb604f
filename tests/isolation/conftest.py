"""An S3 server whose access policies are on, with a bucket and a key per environment: one per test process."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.settings import Settings, environments, load_settings
from operations import s3


@dataclass(frozen=True)
class Server:
    """A running server."""

    home: Path
    port: int

    def settings(self, environment: str, prefix: str, **changes: object) -> Settings:
        """Settings of an environment whose lakes lie under a prefix of their buckets, so that tests do not meet."""
        values = s3.build_settings(load_settings(environment, home=self.home, variables={}), self.port)
        values["lake_uri"] = f"{values['lake_uri']}/{prefix}"
        values["readable"] = {name: f"{lake}/{prefix}" for name, lake in values["readable"].items()}
        values |= {"threads": 1} | changes
        return load_settings(environment, home=self.home, variables={f"HEADRACE_{name.upper()}": json.dumps(value) for name, value in values.items()})


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("s3-home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = s3.start(home, port)
    try:
        for name in environments():
            s3.create_user(load_settings(name, home=home, variables={}), port)
        yield Server(home, port)
    finally:
        s3.stop(process)
