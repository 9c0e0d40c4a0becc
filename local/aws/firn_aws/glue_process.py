"""The process of one Glue run: command, environment, end and error message."""

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region

from .settings import Settings

log = logging.getLogger("firn.aws.glue")

INHERITED = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")
"""Variables of the server that every run inherits, in addition to MS_GLUE_PASS."""

MESSAGE_LIMIT = 2000
"""The longest stored error message, in characters."""

_EXCEPTION = re.compile(r"(\w+\.)*\w*(Error|Exception|Interrupt|Exit)\b")
_WATCHDOG = Path(__file__).with_name("parent_watchdog.py")


@dataclass(frozen=True)
class Outcome:
    """The end of a run: a final state of Glue, and the error message of a failed run."""

    state: str
    message: str


class GlueProcess:
    """The process group of one run. The group ends with the run, and with the server."""

    def __init__(
        self,
        settings: Settings,
        job: Mapping[str, Any],
        script: str,
        modules: Iterable[str],
        arguments: Mapping[str, str],
    ) -> None:
        """Prepare the command and the environment without a start."""
        self._runner = shlex.split(settings.glue_runner)
        self._script = script
        self._modules = modules
        self._arguments = [str(part) for pair in arguments.items() for part in pair]
        self._environment = run_environment(settings, job)
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(self, timeout: float, is_stopped: Callable[[], bool]) -> Outcome:
        """Run to the end in an empty folder.

        Args:
            timeout: seconds until the run is killed with the state TIMEOUT.
            is_stopped: returns true if the run was stopped before the start of its process.

        Raises:
            OSError: the runner can't be started.
        """
        runner = [self._runner_path(), *self._runner[1:]]
        with tempfile.TemporaryDirectory(prefix="glue-") as folder:
            script = shutil.copy(self._script, folder)
            path = os.pathsep.join(shutil.copy(module, folder) for module in self._modules)
            command = [sys.executable, os.fspath(_WATCHDOG), *runner, script, *self._arguments]
            with self._lock:
                self._process = subprocess.Popen(
                    command,
                    env=self._environment | {"PYTHONPATH": path},
                    cwd=folder,
                    text=True,
                    errors="replace",
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            if is_stopped():
                self.kill()
            return self._wait(self._process, timeout)

    def kill(self) -> None:
        """Kill the whole process group of a running process."""
        with self._lock:
            if self._process and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _runner_path(self) -> str:
        name = self._runner[0] if self._runner else ""
        found = shutil.which(name, path=self._environment.get("PATH"))
        if found is None:
            raise FileNotFoundError(f"{name} is missing or not executable")
        return os.path.abspath(found)

    def _wait(self, process: subprocess.Popen[str], timeout: float) -> Outcome:
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.append(process.stdout.read()), daemon=True)
        reader.start()
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            process.wait()
            return Outcome("TIMEOUT", "Job run timed out")
        finally:
            process.stdin.close()
            self._kill_process_group(process.pid)
        reader.join()
        text = "".join(output)
        log.info("run ended with exit code %s\n%s", code, text[-4000:])
        return (
            Outcome("SUCCEEDED", "") if code == 0 else Outcome("FAILED", error_message(text, code))
        )

    @staticmethod
    def _kill_process_group(group: int) -> None:
        # A remaining descendant of the run would keep the output open.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def error_message(output: str, code: int) -> str:
    """Return the exception of a failed run, as in Glue's ErrorMessage.

    The message is the last line that begins with the name of an exception. A Java stack printed by
    py4j ends with other lines. Without such a line the message is the last line of the output, then
    the exit code.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    return (exceptions or lines or [f"exit code {code}"])[-1][:MESSAGE_LIMIT]


def run_environment(settings: Settings, job: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a run: address of this server, credentials, passed variables.

    Stock ministack passes the whole environment of the server and the keys of root. On AWS a run
    has the role of its job:
    https://docs.aws.amazon.com/glue/latest/dg/create-an-iam-role.html
    """
    names = {*INHERITED, *settings.glue_pass}
    region = get_region()
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{settings.port}",
        **_credentials(job, region),
    }


def _credentials(job: Mapping[str, Any], region: str) -> dict[str, str]:
    account = get_account_id()
    if not app.AUTH or not job.get("Role"):
        return {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "test"}
    return lambda_runtime.execution_credentials(
        {
            # The session has the name that Glue uses. Only the account of the ARN is read.
            "FunctionArn": f"arn:aws:lambda:{region}:{account}:function:glue-{job['Name']}",
            "FunctionName": "GlueJobRunnerSession",
            "Role": job["Role"],
        }
    )
