"""An S3 server with access policies on, for this machine: a bucket, a user and a key per environment, until Ctrl-C.

What an environment may read and write there follows from its settings: its own bucket, and those of the environments that it
lists under `readable`, which it may only read. Keys are written to `<environment>/secrets/`, and what to put into
`<environment>/local.yaml` to `s3/<environment>.yaml`.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from headrace.errors import ServerError
from headrace.servers import HOST
from headrace.settings import Settings, environments, load_settings

if TYPE_CHECKING:
    from botocore.client import BaseClient

REGION = "us-east-1"

# Names of the files in `<environment>/secrets/`.
KEY_ID, SECRET_KEY = "s3_access_key_id", "s3_secret_access_key"

_POLICY = "headrace"
_START_SECONDS = 60

# Of what the server can do, this is used; the rest is not loaded.
_SERVICES = "s3,iam,sts"


def configure(parser: argparse.ArgumentParser) -> None:
    """Name the arguments of the verb."""
    parser.add_argument("--port", type=int, required=True, help="loopback port of the server")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; objects, users and keys are there again the next time."""
    signal.signal(signal.SIGTERM, _interrupt)
    server = start(settings.home, options.port)
    try:
        for name in environments():
            of_name = load_settings(name, home=settings.home, variables={})
            create_user(of_name, options.port)
            write_settings(of_name, options.port)
        _say(settings.home, options.port)
        code = server.wait()
        raise ServerError(f"the S3 server ended by itself with code {code}; its log is {settings.home / 's3' / 'server.log'}")
    finally:
        stop(server)


def start(home: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start the server on what `<home>/s3` holds and wait until it answers.

    Raises:
        ServerError: It ended at once (the port is taken, or it is not installed), or does not answer.
    """
    folder = home / "s3"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=_server_variables(home, port), cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    until = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError, ServerError):
            if _is_ready(home, port):
                return server
        time.sleep(0.1)
    stop(server)
    raise ServerError(f"the S3 server did not start on {HOST}:{port}; see {log}, then try another PORT=, or make install if it is missing")


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server and wait until it has saved users and policies."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def create_user(settings: Settings, port: int) -> None:
    """Make sure that an environment has its bucket, its user, the policy that its settings say, and a key in its secrets; safe to repeat."""
    iam, storage = _client(settings.home, port, "iam"), _client(settings.home, port, "s3")
    own, user = bucket_name(settings.environment), settings.environment
    _ensure(storage.create_bucket, ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"), Bucket=own)
    _ensure(iam.create_user, ("EntityAlreadyExists",), UserName=user)
    policy = build_policy(own, [bucket_name(name) for name in settings.readable])
    iam.put_user_policy(UserName=user, PolicyName=_POLICY, PolicyDocument=json.dumps(policy))
    known = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
    stored = [_secret_path(settings, name) for name in (KEY_ID, SECRET_KEY)]
    if all(path.is_file() for path in stored) and stored[0].read_text(encoding="utf-8") in known:
        return
    for lost in known:
        iam.delete_access_key(UserName=user, AccessKeyId=lost)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    for path, value in zip(stored, (key["AccessKeyId"], key["SecretAccessKey"]), strict=True):
        _write_secret(path, value)


def build_policy(own: str, readable: Sequence[str]) -> dict[str, Any]:
    """What a key may do: everything that a lake needs in its own bucket, and only look at those it reads. What is not allowed is refused."""
    seen = [own, *readable]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": [f"arn:aws:s3:::{bucket}" for bucket in seen]},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"arn:aws:s3:::{bucket}/*" for bucket in seen]},
            {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], "Resource": f"arn:aws:s3:::{own}/*"},
        ],
    }


def bucket_name(environment: str) -> str:
    """The bucket of an environment; buckets have no underscores."""
    return f"headrace-{environment.replace('_', '-')}"


def build_lake_uri(environment: str) -> str:
    """Where the tables of an environment lie on this server."""
    return f"s3://{bucket_name(environment)}/lake"


def build_settings(settings: Settings, port: int) -> dict[str, Any]:
    """The settings by which an environment finds its lake there; keys are named, not shown."""
    return {
        "lake_uri": build_lake_uri(settings.environment),
        "readable": {name: build_lake_uri(name) for name in settings.readable},
        "storage": {
            "aws_endpoint_url": f"http://{HOST}:{port}",
            "aws_allow_http": True,
            "aws_region": REGION,
            "aws_access_key_id": f"file:{_secret_path(settings, KEY_ID)}",
            "aws_secret_access_key": f"file:{_secret_path(settings, SECRET_KEY)}",
        },
    }


def write_settings(settings: Settings, port: int) -> None:
    """Write those settings to `s3/<environment>.yaml`, from where a person takes them over."""
    path = settings.home / "s3" / f"{settings.environment}.yaml"
    path.write_text(yaml.safe_dump(build_settings(settings, port), sort_keys=False), encoding="utf-8")


def _server_variables(home: Path, port: int) -> Mapping[str, str]:
    """All that the server's process is told; nothing of this shell reaches it, and the root key is in its environment only."""
    folder = home / "s3"
    for name in ("state", "objects", "run"):
        (folder / name).mkdir(exist_ok=True)
    root_id, root_key = _read_root_key(home)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder / "run"),
        "TMPDIR": str(folder / "run"),
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": root_id,
        "AWS_SECRET_ACCESS_KEY": root_key,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "SERVICES": _SERVICES,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        # Objects lie as plain files, users and policies as JSON; each needs its own switch.
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "objects"),
    }


def _read_root_key(home: Path) -> tuple[str, str]:
    """The key that may do everything there; made once, and used by this verb only."""
    path = home / "s3" / "root_key"
    if not path.is_file():
        _write_secret(path, f"headrace-root:{secrets.token_urlsafe(24)}")
    name, _, key = path.read_text(encoding="utf-8").partition(":")
    return name, key


def _is_ready(home: Path, port: int) -> bool:
    """Whether the server answers, and with our root key: another server on the port does not know it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _client(home, port, "s3").list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True


def _client(home: Path, port: int, service: str) -> "BaseClient":
    import botocore.session
    from botocore.config import Config

    root_id, root_key = _read_root_key(home)
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=f"http://{HOST}:{port}",
        aws_access_key_id=root_id,
        aws_secret_access_key=root_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=30),
    )


def _ensure(create: Any, known: Sequence[str], **what: str) -> None:
    """Create, and be content where it was created before."""
    from botocore.exceptions import ClientError

    try:
        create(**what)
    except ClientError as error:
        if error.response["Error"]["Code"] not in known:
            raise


def _secret_path(settings: Settings, name: str) -> Path:
    return settings.environment_home / "secrets" / name


def _write_secret(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(value)


def _say(home: Path, port: int) -> None:
    folder = home / "s3"
    lines = [f"S3 with access policies on http://{HOST}:{port} (Ctrl-C ends it; its state stays in {folder})"]
    for name in environments():
        lines.append(f"  {name}: bucket {bucket_name(name)}; append {folder / f'{name}.yaml'} to {home / name / 'local.yaml'}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
