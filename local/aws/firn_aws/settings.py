"""The server's environment: each variable with a default for a laptop."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

DEFAULTS: Mapping[str, str] = {
    "AUTH": "true",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "BIND_HOST": "127.0.0.1",
    "GATEWAY_PORT": "4566",
    "IOT_MTLS_ENABLED": "0",
    "LAMBDA_EXECUTOR": "local",
    "MINISTACK_HOST": "127.0.0.1",
    "MINISTACK_REGION": "us-east-1",
    "MS_GLUE_MINUTE_S": "60",
    "MS_GLUE_RUNNER": "python3",
    "MS_METRICS_S": "1",
    "MS_SNAPSHOT_S": "5",
    "PERSIST_STATE": "1",
    "S3_DATA_DIR": "build/local/aws/s3",
    "S3_PERSIST": "1",
    "SFTP_ENABLED": "0",
    "STATE_DIR": "build/local/aws/state",
    "TMPDIR": "build/local/aws/tmp",
}
"""The value of an unset variable. Folders are relative to the working directory."""

FOLDERS = ("S3_DATA_DIR", "STATE_DIR", "TMPDIR")


class SettingError(ValueError):
    """A value with which the server can't start. The text of the error is the line for the user."""


@dataclass(frozen=True)
class Settings:
    """The settings of the patches; the stock code reads the environment itself."""

    port: int
    """Port of the one HTTP endpoint."""
    bind_host: str
    """Address to listen on; the default is 127.0.0.1."""
    glue_runner: str
    """Command line of the Glue runner; the script and its arguments are appended."""
    glue_minute_seconds: float
    """The length of one minute of a Glue Timeout, in seconds: 60 except in tests."""
    glue_pass: tuple[str, ...]
    """Variables of the server for Glue runs, in addition to PATH, HOME and JAVA_HOME."""
    lambda_pass: tuple[str, ...]
    """Variables of the server for every function, in addition to AWS_ENDPOINT_URL."""
    metrics_seconds: float
    """Seconds between two samples of the queues and two evaluations of the alarms."""
    smtp_host: str
    """host:port of the mail server for SNS e-mail; empty means that mails are only logged."""
    snapshot_seconds: float
    """Seconds between two snapshots of the state. A kill -9 loses at most this time."""


def prepare(environment: MutableMapping[str, str]) -> Settings:
    """Set the defaults, create the folders and return the settings.

    Call this function before the import of ministack, because the stock modules read the
    environment at import.

    Raises:
        SettingError: a value is unusable.
    """
    for name, value in DEFAULTS.items():
        environment.setdefault(name, value)
    port = _port(environment["GATEWAY_PORT"])
    for name in FOLDERS:
        environment[name] = _folder(name, environment[name])
    environment.setdefault("AWS_DEFAULT_REGION", environment["MINISTACK_REGION"])
    environment.setdefault("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    return Settings(
        port=port,
        bind_host=environment["BIND_HOST"],
        glue_runner=environment["MS_GLUE_RUNNER"],
        glue_minute_seconds=_seconds(environment, "MS_GLUE_MINUTE_S"),
        glue_pass=_names(environment.get("MS_GLUE_PASS", "")),
        lambda_pass=_names(environment.get("FIRN_LAMBDA_PASS", "")),
        metrics_seconds=_seconds(environment, "MS_METRICS_S"),
        smtp_host=environment.get("SMTP_HOST", ""),
        snapshot_seconds=_seconds(environment, "MS_SNAPSHOT_S"),
    )


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise SettingError(f"GATEWAY_PORT={text} is not a port: set a number from 1 to 65535")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str) -> float:
    try:
        seconds = float(environment[name])
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise SettingError(f"{name}={environment[name]} is not a number of seconds above 0")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _folder(name: str, text: str) -> str:
    path = Path(text).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{name}={text} can't be created: {error.strerror}") from error
    return os.fspath(path)
