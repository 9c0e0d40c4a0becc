"""Servers for the tests: free ports, a listed environment, and a stop in every case."""

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
PATCHED = [sys.executable, "-m", "firn_aws"]
STOCK = [sys.executable, "-c", "from ministack.app import main; main()"]

Result = TypeVar("Result")


class WaitTimeoutError(AssertionError):
    """An expected event didn't happen in time."""


class StartError(RuntimeError):
    """A server of the tests couldn't start: never a gap of stock ministack."""


def until(event: str, check: Callable[[], Result], seconds: float = 8) -> Result:
    """Poll until `check` returns a true value, and return this value.

    Raises:
        WaitTimeoutError: no true value within the seconds.
    """
    deadline = time.monotonic() + seconds
    while not (result := check()):
        if time.monotonic() > deadline:
            raise WaitTimeoutError(f"{event}: not within {seconds} s")
        time.sleep(0.02)
    return result


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cloud:
    """One running server and its clients."""

    def __init__(self, command: list[str], home: Path, extra: Mapping[str, str]) -> None:
        """Prepare a server with its state below `home`, without a start."""
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command, self._extra = command, extra
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
            **self._extra,
        }

    def start(self) -> "Cloud":
        """Start the server, and return when its port accepts connections."""
        (self.home / "tmpdir").mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self.environment(), cwd=self.home, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self._accepts_connections():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StartError((self.home / "log").read_text()[-2000:])
            time.sleep(0.02)
        return self

    def _accepts_connections(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    def wait_for_log(self, text: str) -> None:
        """Wait until the server's log contains the text."""
        until(f"log {text!r}", lambda: text in (self.home / "log").read_text())

    def wait_for_snapshot(self) -> None:
        """Wait for a complete snapshot that begins after this call."""
        folder, start_time = self.home / "state_dir", time.time()

        def is_saved() -> bool:
            # A snapshot writes sqs.json in the middle. The second write follows the end of a whole
            # snapshot.
            return (folder / "sqs.json").exists() and (
                folder / "sqs.json"
            ).stat().st_mtime > start_time

        until("snapshot", is_saved, 5)
        start_time = time.time()
        until("snapshot", is_saved, 5)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end and return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(20)

    def client(
        self,
        service: str,
        key: str = "test",
        secret: str = "test",
        token: str | None = None,
        agent: str | None = None,
    ) -> Any:
        """Return a client for the service; the default identity is root."""
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
    """Start the server, and stop the server in every case."""
    try:
        yield cloud.start()
    finally:
        if cloud.process and cloud.process.poll() is None:
            cloud.stop(signal.SIGKILL)
