"""The dbt process, with a script in the place of dbt."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from firn_airflow import dbt
from firn_airflow.faults import Failure


def process(
    folder: Path, text: str, select: str = "", output: list[str] | None = None
) -> dbt.Process:
    command = folder / "dbt"
    command.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    command.chmod(0o755)
    lines = output if output is not None else []
    return dbt.Process(str(command), "/project", select, log=lines.append)


def test_build_passes_the_selection_and_returns_the_summary(tmp_path: Path) -> None:
    output: list[str] = []
    script = 'echo "$@"; echo "10:00:00  Done. PASS=12 ERROR=0"'
    selected = "source:station.event+ source:station.event_current+"
    assert process(tmp_path, script, selected, output).run() == "PASS=12 ERROR=0"
    words = output[0].split()
    assert words[:4] == [
        "build",
        "--select",
        "source:station.event+",
        "source:station.event_current+",
    ]
    assert "/project" in words[words.index("--project-dir") + 1]


def test_builds_use_different_folders_and_delete_the_folders(tmp_path: Path) -> None:
    output: list[str] = []
    for _ in range(2):
        process(tmp_path, 'echo "$@"', output=output).run()
    targets = [line.split()[line.split().index("--target-path") + 1] for line in output]
    assert targets[0] != targets[1]
    assert not any(Path(target).parent.exists() for target in targets)


def test_dbt_gets_no_airflow_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "mine")
    output: list[str] = []
    process(tmp_path, "env", output=output).run()
    assert "SNOWFLAKE_ACCOUNT=mine" in output
    assert not any(line.startswith(("AIRFLOW", "_AIRFLOW")) for line in output)


def test_failed_build_names_the_failed_test(tmp_path: Path) -> None:
    test = "Failure in test unique_x (models/x.yml)"
    found = "Got 1 result, configured to fail if != 0"
    lines = f"10:00:01  {test}\n10:00:01    {found}"
    with pytest.raises(Failure) as failure:
        process(tmp_path, f"echo '10:00:00  Running'; echo '{lines}'; exit 1").run()
    assert failure.value.fault.code == "dbt_failed"
    assert failure.value.fault.cause == f"{test}\n{found}"


@pytest.mark.parametrize(
    ("script", "cause"),
    [("exit 2", "dbt ended with code 2 and without output"), ("echo oops; exit 2", "oops")],
)
def test_failed_build_without_an_error_line_reports_the_last_lines(
    tmp_path: Path, script: str, cause: str
) -> None:
    with pytest.raises(Failure) as failure:
        process(tmp_path, script).run()
    assert failure.value.fault.cause == cause


def test_end_interrupts_dbt(tmp_path: Path) -> None:
    started = threading.Event()
    command = process(tmp_path, "trap 'echo ended; exit 3' INT; echo started; sleep 600 & wait")
    command.log = lambda line: started.set() if line == "started" else None
    failures: list[Failure] = []

    def run() -> None:
        try:
            command.run()
        except Failure as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(30)
    command.end()
    thread.join(30)
    assert not thread.is_alive()
    assert failures
