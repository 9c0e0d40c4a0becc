"""The settings of the environment, read and checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """The environment is incorrect; the message has one line for each problem."""


@dataclass(frozen=True)
class Settings:
    """The stand-in's settings. README.md has the table of variables."""

    port: int = 18080
    """TCP port on 127.0.0.1 (FS_PORT). 0 selects a free port, and the ready line names the port."""

    data_dir: Path | None = None
    """Directory with one file for each database (FS_DB_PATH). None keeps all data in memory."""

    s3_endpoint: str | None = None
    """URL of the S3 stand-in (S3_ENDPOINT). None: a COPY from s3:// is refused."""

    access_key: str = "test"
    """AWS_ACCESS_KEY_ID, the identity that reads stages."""

    secret_key: str = "test"
    """AWS_SECRET_ACCESS_KEY."""

    session_token: str | None = None
    """AWS_SESSION_TOKEN."""

    idle_blocker_seconds: float = 300.0
    """An idle transaction that blocks another transaction is aborted after this time
    (FS_IDLE_BLOCKER_SECONDS). Snowflake: 5 minutes, /sql-reference/transactions."""

    lock_timeout_seconds: float = 30.0
    """LOCK_TIMEOUT of a session without a value of its own (FS_LOCK_TIMEOUT_SECONDS). Snowflake:
    43,200 s, /sql-reference/parameters."""

    log_level: str = "warning"
    """uvicorn's level (FS_LOG_LEVEL): debug, info, warning, error. info logs every statement."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as unset.

        Raises:
            SettingsError: one or more values are incorrect.
        """
        problems: list[str] = []

        def number(name: str, default: float) -> float:
            text = environment.get(name) or str(default)
            try:
                value = float(text)
            except ValueError:
                value = -1
            if value < 0:
                problems.append(f"{name}={text!r}: set a number, 0 or more")
            return value

        port = number("FS_PORT", cls.port)
        if port != int(port) or port > 65535:
            problems.append(f"FS_PORT={environment.get('FS_PORT')!r}: set a port, 0 to 65535")
        level = environment.get("FS_LOG_LEVEL") or cls.log_level
        if level not in ("debug", "info", "warning", "error"):
            problems.append(f"FS_LOG_LEVEL={level!r}: set debug, info, warning or error")
        settings = cls(
            port=int(port),
            data_dir=Path(text) if (text := environment.get("FS_DB_PATH")) else None,
            s3_endpoint=environment.get("S3_ENDPOINT") or None,
            access_key=environment.get("AWS_ACCESS_KEY_ID") or cls.access_key,
            secret_key=environment.get("AWS_SECRET_ACCESS_KEY") or cls.secret_key,
            session_token=environment.get("AWS_SESSION_TOKEN") or None,
            idle_blocker_seconds=number("FS_IDLE_BLOCKER_SECONDS", cls.idle_blocker_seconds),
            lock_timeout_seconds=number("FS_LOCK_TIMEOUT_SECONDS", cls.lock_timeout_seconds),
            log_level=level,
        )
        if problems:
            raise SettingsError("\n".join(problems))
        return settings
