"""Build the programs and generate the file."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engines import BUILD, ROOT
from .measure import EngineFailedError


@dataclass(frozen=True)
class Source:
    """The generated file and the generator's counts."""

    path: Path
    account: dict[str, Any]

    @property
    def size(self) -> int:
        """The size in bytes."""
        return int(self.account["bytes"])

    @property
    def rows(self) -> int:
        """The number of records, without the header."""
        return int(self.account["rows"])


def build() -> None:
    """Build the Go programs of the benchmark."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
    packages = [f"./bench/{name}" for name in ("generate", "engine", "upload", "manifest")]
    command = ["go", "build", "-buildvcs=false", "-o", f"{BUILD}/bin/", *packages]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        raise EngineFailedError("the build of the Go programs failed")


def generate(rows: int, seed: int) -> Source:
    """Return the file with the number of records. An earlier file is used again."""
    command = [f"{BUILD}/bin/generate", "-rows", str(rows), "-seed", str(seed)]
    command += ["-directory", str(BUILD)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise EngineFailedError(f"the generator failed: {answer.stderr}")
    path = Path(answer.stdout.strip())
    return Source(path, json.loads(path.with_name(path.name + ".json").read_text()))
