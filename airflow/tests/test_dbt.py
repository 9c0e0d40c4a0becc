"""dbt as a process, with a script in its place."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from firn_airflow import dbt
from firn_airflow.faults import Failure


def process(
    folder: Path, text: str, select: str = "", said: list[str] | None = None
) -> dbt.Process:
    command = folder / "dbt"
    command.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    command.chmod(0o755)
    return dbt.Process(
        str(command), "/project", select, say=(said if said is not None else []).append
    )


def test_it_builds_what_depends_on_a_dataset(tmp_path: Path) -> None:
    said: list[str] = []
    script = 'echo "$@"; echo "10:00:00  Done. PASS=12 ERROR=0"'
    selected = "source:usgs.event+ source:usgs.event_current+"
    assert process(tmp_path, script, selected, said).run() == "PASS=12 ERROR=0"
    words = said[0].split()
    assert words[:4] == [
        "build",
        "--select",
        "source:usgs.event+",
        "source:usgs.event_current+",
    ]
    assert "/project" in words[words.index("--project-dir") + 1]


def test_builds_share_no_folder_and_leave_none(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        process(tmp_path, 'echo "$@"', said=said).run()
    targets = [line.split()[line.split().index("--target-path") + 1] for line in said]
    assert targets[0] != targets[1]
    assert not any(Path(target).parent.exists() for target in targets)


def test_it_sees_nothing_of_airflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "mine")
    said: list[str] = []
    process(tmp_path, "env", said=said).run()
    assert "SNOWFLAKE_ACCOUNT=mine" in said
    assert not any("AIRFLOW" in line for line in said)


def test_a_failure_says_which_test(tmp_path: Path) -> None:
    test = "Failure in test unique_x (models/x.yml)"
    found = "Got 1 result, configured to fail if != 0"
    lines = f"10:00:01  {test}\n10:00:01    {found}"
    with pytest.raises(Failure) as failure:
        process(tmp_path, f"echo '10:00:00  Running'; echo '{lines}'; exit 1").run()
    assert failure.value.fault.code == "dbt_failed"
    assert failure.value.fault.cause == f"{test}\n{found}"


@pytest.mark.parametrize(
    ("script", "cause"),
    [("exit 2", "dbt ended with 2 and said nothing"), ("echo oops; exit 2", "oops")],
)
def test_a_failure_without_a_reason(tmp_path: Path, script: str, cause: str) -> None:
    with pytest.raises(Failure) as failure:
        process(tmp_path, script).run()
    assert failure.value.fault.cause == cause


def test_it_ends_with_the_task(tmp_path: Path) -> None:
    started = threading.Event()
    command = process(tmp_path, "trap 'echo ended; exit 3' INT; echo started; sleep 600 & wait")
    command.say = lambda line: started.set() if line == "started" else None
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
