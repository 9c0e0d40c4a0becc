"""The dbt process, with a script in the place of dbt."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from firn_airflow import clean, dbt
from firn_airflow.clean import cleaned
from firn_airflow.faults import Failure
from laptop import ROOT


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


# The value of a row.
MARK = "SSN078Mark1120"


def result(unique_id: str, status: str, message: str, failures: int | None = None) -> dict:
    """One result of dbt's run_results.json."""
    return {"unique_id": unique_id, "status": status, "message": message, "failures": failures}


def failed_build(folder: Path, results: list[dict], output: str = "") -> Failure:
    """Run a dbt that writes the results and the output, and fails."""
    (folder / "results.json").write_text(json.dumps({"results": results}), encoding="utf-8")
    (folder / "output").write_text(output, encoding="utf-8")
    script = f"""while [ "$1" != --target-path ]; do shift; done
mkdir -p "$2"; cp {folder}/results.json "$2/run_results.json"; cat {folder}/output; exit 1"""
    with pytest.raises(Failure) as failure:
        process(folder, script).run()
    assert failure.value.fault.code == "dbt_failed"
    return failure.value


def test_failed_build_names_nodes_states_and_cleaned_messages(tmp_path: Path) -> None:
    database = (
        "Database Error in model fact_event (models/marts/fact_event.sql)\n"
        f"  100038 (22018): 01b2-0a: Numeric value '{MARK}' is not recognized\n"
        f'  Row Values: ["{MARK}", 1120]\n  compiled code at target/compiled/x.sql'
    )
    other = f"Conversion Error: Could not convert string {MARK} to INT32"
    failure = failed_build(
        tmp_path,
        [
            result("model.firn.stg_event", "success", f"SUCCESS {MARK}"),
            result("test.firn.unique_fact_event.0a", "fail", f"Got 2 results of {MARK}", 2),
            result("model.firn.fact_event", "error", database),
            result("snapshot.firn.old", "error", other),
            result("test.firn.later.0b", "skipped", MARK),
            result("test.firn.soft.0c", "warn", f"Got 1 result {MARK}", 1),
        ],
        f"10:00:01  Failure in test unique_fact_event {MARK}\n10:00:01    Got 2 results {MARK}\n",
    )
    assert failure.fault.cause.splitlines() == [
        "test unique_fact_event: fail, 2 results",
        "model fact_event: error 100038 (22018): …: Numeric value …]",
        "snapshot old: error: Conversion Error: Could not convert string … to INT32",
    ]
    assert MARK not in str(failure)


def test_cause_of_many_failed_nodes_is_cut(tmp_path: Path) -> None:
    results = [result(f"test.firn.t{i}.0", "fail", "", 1) for i in range(15)]
    lines = failed_build(tmp_path, results).fault.cause.splitlines()
    assert (len(lines), lines[-1]) == (13, "and 3 more")


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("", []),
        (f"{MARK}\n", []),
        (
            f"10:00:01  Running\n10:00:01  Database Error\n10:00:01  Error: the value {MARK}\n",
            ["Database Error", "Error: the value …"],
        ),
    ],
)
def test_failed_build_without_a_failed_node_has_cleaned_error_lines(
    tmp_path: Path, output: str, cause: list[str]
) -> None:
    failure = failed_build(tmp_path, [], output)
    assert failure.fault.cause.splitlines() == [
        "dbt ended with code 1 and without a failed node",
        *cause,
    ]
    assert MARK not in str(failure)


def test_build_without_results_is_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failure:
        process(tmp_path, "exit 2").run()
    assert failure.value.fault.cause == "dbt ended with code 2 and without a failed node"


@pytest.mark.parametrize(
    ("message", "clean"),
    [
        ("", ""),
        ("Numeric value 'SSN 078' is not recognized", "Numeric value … is not recognized"),
        ("it's a value of 'it's mine' there", "it'… a value of … there"),
        ("value 078-11", "value …"),
        ("a\nvalue\tx\u2028y", "a value …"),
    ],
)
def test_cleaned_message_has_only_common_words(message: str, clean: str) -> None:
    assert cleaned(message) == clean


def test_words_are_those_of_the_functions() -> None:
    ours = Path(clean.__file__).with_name("words.txt")
    assert ours.read_bytes() == (ROOT / "internal/fault/words.txt").read_bytes()


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
