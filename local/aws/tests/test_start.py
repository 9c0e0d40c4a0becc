"""The start of the server: a ready line, or one line with the reason of a failure."""

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from firn_aws import MINISTACK_VERSION
from firn_aws.patching import WrongReleaseError, require_release
from firn_aws.settings import SettingError, prepare
from servers import Cloud


def failed_start(cloud: Cloud, **extra: str) -> str:
    """Start a second server with these variables and return its error line."""
    second = subprocess.run(
        [sys.executable, "-m", "firn_aws"],
        env={**cloud.environment(), **extra},
        cwd=cloud.home,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    return second.stderr


def test_busy_port_is_reported_in_one_line(cloud: Cloud) -> None:
    assert failed_start(cloud) == (
        f"firn_aws: can't listen on 127.0.0.1:{cloud.port} (Address already in use): stop the "
        f"other program, or choose another port with GATEWAY_PORT={cloud.port + 1}\n"
    )


def test_invalid_setting_is_reported_in_one_line(cloud: Cloud) -> None:
    assert "GATEWAY_PORT=http is not a port" in failed_start(cloud, GATEWAY_PORT="http")


def test_started_server_prints_ready_line(new_cloud: Callable[..., Cloud]) -> None:
    cloud = new_cloud().start()
    cloud.wait_for_log(f"firn_aws: ready on http://127.0.0.1:{cloud.port}\n")


def test_pinned_release_is_installed() -> None:
    assert metadata.version("ministack") == MINISTACK_VERSION


def test_other_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "9.9.9")
    with pytest.raises(WrongReleaseError, match=r"9\.9\.9 is installed"):
        require_release()


def test_defaults_are_local_and_enforce_iam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"GATEWAY_PORT": "4600", "FIRN_LAMBDA_PASS": "A, B,"}
    settings = prepare(environment)
    assert (settings.bind_host, settings.lambda_pass) == ("127.0.0.1", ("A", "B"))
    assert (environment["AUTH"], environment["MINISTACK_HOST"]) == ("true", "127.0.0.1")
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4600"
    assert environment["STATE_DIR"] == str(tmp_path / "build/local/aws/state")
    assert (tmp_path / "build/local/aws/tmp").is_dir()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_PORT", "70000"),
        ("MS_SNAPSHOT_S", "soon"),
        ("MS_METRICS_S", "0"),
        ("STATE_DIR", "/dev/null/state"),
    ],
)
def test_invalid_value_is_refused_with_variable_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=variable):
        prepare({variable: value})
