"""Servers for the tests: started on free ports with a listed environment, and always stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.client import BaseClient
from botocore.config import Config

ACCOUNT = "000000000000"
REGION = "us-east-1"
PACKAGE = Path(__file__).resolve().parent.parent
MENDED = [sys.executable, "-m", "firn_aws"]
STOCK = [sys.executable, "-c", "from ministack.app import main; main()"]

Found = TypeVar("Found")


class LateError(AssertionError):
    """What should have happened didn't, in time."""


class StartError(RuntimeError):
    """A server of the tests could not be started: never a gap of the stock one."""


def until(what: str, check: Callable[[], Found], seconds: float = 8) -> Found:
    """Poll until `check` returns something true, and return it.

    Raises:
        LateError: it didn't within the seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            raise LateError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cloud:
    """One running server and its clients."""

    def __init__(self, command: list[str], home: Path, more: Mapping[str, str]) -> None:
        """Prepare a server whose state is below `home`; nothing runs yet."""
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command, self._more = command, more
        self._clients: dict[tuple[str, ...], BaseClient] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the server."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.fspath(self.home),
            "PYTHONPATH": os.fspath(PACKAGE),
            "AUTH": "true",
            "LAMBDA_EXECUTOR": "local",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            **{
                name: os.fspath(self.home / name.lower())
                for name in ("STATE_DIR", "S3_DATA_DIR", "TMPDIR")
            },
            **self._more,
        }

    def start(self) -> "Cloud":
        """Start the server, and return when it answers."""
        (self.home / "tmpdir").mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self.environment(), cwd=self.home, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StartError((self.home / "log").read_text()[-2000:])
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    def wait_for_log(self, text: str) -> None:
        """Wait until the server has logged the text."""
        until(f"log {text!r}", lambda: text in (self.home / "log").read_text())

    def wait_for_snapshot(self) -> None:
        """Wait until a whole snapshot of the state has begun and ended from now on."""
        folder, began = self.home / "state_dir", time.time()

        def is_saved() -> bool:
            # sqs.json is written in the middle: the second one ends a whole snapshot.
            return (folder / "sqs.json").exists() and (folder / "sqs.json").stat().st_mtime > began

        until("snapshot", is_saved, 5)
        began = time.time()
        until("snapshot", is_saved, 5)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def client(
        self,
        service: str,
        key: str = "test",
        secret: str = "test",
        token: str | None = None,
        agent: str | None = None,
    ) -> Any:
        """Return a client for the service, by default as root."""
        name = (service, key, secret, agent or "")
        if name not in self._clients:
            self._clients[name] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
                config=Config(
                    s3={"addressing_style": "path"},
                    retries={"total_max_attempts": 1},
                    user_agent=agent,
                ),
            )
        return self._clients[name]


@contextlib.contextmanager
def running(cloud: Cloud) -> Iterator[Cloud]:
    """Start the server, and stop it whatever happens."""
    try:
        yield cloud.start()
    finally:
        if cloud.process and cloud.process.poll() is None:
            cloud.stop(signal.SIGKILL)
