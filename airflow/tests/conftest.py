"""Fixtures: a temporary Airflow with the DAGs of this repository."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Airflow reads these variables at import.
HOME = tempfile.TemporaryDirectory(prefix="firn-airflow-")
DAGS = Path(__file__).resolve().parents[1] / "dags"
ROOT = DAGS.parents[1]
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    # The made-up project of firn's tests, and the dbt of the repository.
    "FIRN_HOME": str(ROOT / "testdata/project"),
    "FIRN_DBT": str(ROOT / "build/venv/dbt/bin/dbt"),
    "FIRN_POKE_SECONDS": "10",
    "FIRN_RETRY_SECONDS": "1",
    "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    "NO_PROXY": "*",
}

import pytest  # noqa: E402
from airflow.dag_processing.dagbag import DagBag  # noqa: E402

from laptop import Laptop  # noqa: E402


@pytest.fixture(scope="session")
def bag() -> DagBag:
    """The DAGs, parsed by Airflow."""
    return DagBag(str(DAGS))


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's own database. `dag.test` needs the database."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def laptop() -> Laptop:
    """The laptop's cloud. `make test-airflow` starts the cloud."""
    return Laptop.of(os.environ)
