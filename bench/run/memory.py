"""The run of the Go engine from S3 to S3, with the laptop's AWS stand-in."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .engines import BUILD, CONTRACT, GO_ENGINE, GOGC, ROOT
from .measure import EngineFailedError, last_lines, measure
from .prepare import Source

LIMIT = 256 << 20
"""The target for the most resident bytes of the function."""

FOLDER = BUILD / "aws"
START_SECONDS, STOP_SECONDS = 60, 10


def measure_s3(source: Source) -> dict[str, Any]:
    """Upload the file, and run the engine from S3 to S3 with one core and with two cores.

    Without the stand-in (`make setup`), the result is empty.
    """
    python = ROOT / "build" / "venv" / "aws" / "bin" / "python"
    if not python.exists():
        print("no AWS stand-in: the run from S3 to S3 is skipped")
        return {}
    with stand_in(python) as environment:
        upload = [f"{BUILD}/bin/upload", str(source.path), f"s3://landing/{source.path.name}"]
        measure([*upload, "curated"], environment, FOLDER / "upload.log", alone=False)
        runs = [run_engine(source, processors, environment) for processors in (1, 2)]
    shutil.rmtree(FOLDER, ignore_errors=True)
    return {"bytes": source.size, "limit": LIMIT, "runs": runs}


def run_engine(source: Source, processors: int, environment: dict[str, str]) -> dict[str, Any]:
    """Run the engine; return the measurement and the peak that the engine reports."""
    log = FOLDER / f"engine{processors}.log"
    command = [str(GO_ENGINE), "-contract", str(CONTRACT)]
    command += ["-input", f"s3://landing/{source.path.name}", "-output", "s3://curated"]
    measured = measure(
        command, {**environment, "GOMAXPROCS": str(processors), "GOGC": GOGC}, log, alone=False
    )
    report = json.loads(log.read_text().splitlines()[-1])
    rows, peak = report["receipt"]["rows_read"], report["peak_bytes"]
    if rows != source.rows:
        raise EngineFailedError(f"the engine read {rows} rows from S3, not {source.rows}")
    print(f"Go, S3 to S3, {processors} cores: peak {peak / 2**20:.0f} MiB", flush=True)
    return {"processors": processors, **measured.as_dict(), "own_peak": peak}


@contextlib.contextmanager
def stand_in(python: Path) -> Iterator[dict[str, str]]:
    """Run the stand-in with an empty state; yield the environment variables of its clients."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    port = free_port()
    client = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server = {
        **client,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "local" / "aws"),
        "GATEWAY_PORT": str(port),
    }
    log = FOLDER / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-m", "firn_aws"],
            cwd=FOLDER,
            env=server,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        await_ready(process, port, log)
        yield client
    finally:
        stop(process)


def await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the stand-in is healthy.

    Raises:
        EngineFailedError: The stand-in ended or isn't healthy within START_SECONDS.
    """
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/_ministack/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise EngineFailedError(f"the AWS stand-in didn't start: {last_lines(log)}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the stand-in and its child processes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
