"""The transform of one object: rows, rejects and, last, the receipt."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from firn_glue.contract import Assignment, Contract
from firn_glue.decoding import compression_of
from firn_glue.header import Header, quoted
from firn_glue.outputs import Buckets, Files
from firn_glue.plan import (
    BROKEN_RECORDS,
    Plan,
    data_of,
    rejected,
    rejects_of,
    stored_rejects,
)
from firn_glue.refusal import EngineError, Refused, SourceChangedError
from firn_glue.rows import open_csv

log = logging.getLogger("firn.glue")

MAX_FIRST_REJECTS = 10
"""The most rejects that a receipt lists."""

MAX_KEPT_REJECTS = 1000
MAX_KEPT_REJECT_BYTES = 8 << 20
"""The bounds of the rejects that a refused object keeps: their number, and the bytes of their raw
texts. The first reject is kept at any size. internal/work has the same bounds."""

MAX_NAMED_COLUMNS = 10
"""The most new columns that the cause of a refusal names."""


@dataclass
class Tally:
    """The counts, files and end row of one object."""

    read: int = 0
    written: int = 0
    rejected: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    by_rule: dict[str, int] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    kept: list[tuple[int, str, str]] = field(default_factory=list)
    """The first rejects of a refused object: record, rule and raw text."""


class Engine:
    """Transforms the objects of one contract."""

    def __init__(self, spark: SparkSession, buckets: Buckets, contract: Contract) -> None:
        self._spark = spark
        self._buckets = buckets
        self._contract = contract
        self._files = Files(spark)
        self._plans: dict[Header | None, Plan] = {}

    def transform(self, source: Assignment) -> str:
        """Transform one object.

        Returns:
            "accepted", "refused", or "changed" for an object that was overwritten or deleted.

        Raises:
            EngineError: The transform failed for a cause other than the object's bytes.
        """
        started = datetime.now(UTC)
        try:
            before = self._buckets.identity(source)
            try:
                tally, refused = self._write_or_refuse(source)
            except Exception:
                self._check_identity(source, before)
                raise
            self._check_identity(source, before)
            return self._write_receipt(source, tally, refused, started)
        except SourceChangedError:
            log_event("source changed", source)
            return "changed"
        except Exception as error:
            log_event("object failed", source, **describe_error(error))
            raise EngineError(f"{source.uri}: {error_line(error)}") from error

    def _check_identity(self, source: Assignment, before: tuple[str, ...]) -> None:
        if self._buckets.identity(source) != before:
            raise SourceChangedError(source.uri)

    def _write_or_refuse(self, source: Assignment) -> tuple[Tally, Refused | None]:
        """Write the object's files. A refused object keeps only its first rejects."""
        tally = Tally()
        rows: DataFrame | None = None
        try:
            rows = self._plan(self._header(source, tally)).rows(source)
            self._write(rows, source, tally)
        except Refused as refused:
            tally.written, tally.data, tally.rejects = 0, [], []
            for folder in ("data", "rejects"):
                self._files.delete(source.folder(folder))
            if rows is not None:
                self._keep_rejects(rows, source, tally, refused)
            return tally, refused
        return tally, None

    def _write(self, rows: DataFrame, source: Assignment, tally: Tally) -> None:
        self._write_data(rows, source, tally)
        if tally.end.get("code"):
            end = tally.end
            raise Refused(end["code"], end["cause"], end["hint"])
        check_new_columns(self._contract, tally.end["extra_columns"])
        tally.unchecked = unchecked(self._contract, tally.read)
        self._check_rejects(rows, tally)
        tally.data = self._listed(source, "data", tally.written)
        if tally.rejected:
            self._write_rejects(rows, source, tally)
            tally.rejects = self._listed(source, "rejects", tally.rejected)

    def _plan(self, header: Header | None) -> Plan:
        """Return the plan of a header. Objects with equal headers share a plan."""
        if header not in self._plans:
            self._plans[header] = Plan(self._spark, self._contract, header)
        return self._plans[header]

    def _header(self, source: Assignment, tally: Tally) -> Header | None:
        """Read a CSV object's header; None for NDJSON. A bad key or header refuses the object."""
        if self._contract.format != "csv":
            compression_of(source.object["key"], self._contract.format)
            return None
        with closing(self._buckets.open(source)) as stored:
            _, header = open_csv(stored, source.object["key"], self._contract)
        tally.end["extra_columns"], tally.absent = list(header.extra), list(header.absent)
        check_new_columns(self._contract, tally.end["extra_columns"])
        return header

    def _write_data(self, rows: DataFrame, source: Assignment, tally: Tally) -> None:
        is_record = F.col("record") > 0
        observation = Observation()
        observed = rows.observe(
            observation,
            F.count(F.when(is_record, 1)).alias("read"),
            F.count(F.when(is_record, F.col("rule"))).alias("rejected"),
            F.max(F.when(~is_record, F.col("raw"))).alias("end"),
        )
        data = data_of(observed, self._contract, source.object_id)
        self._files.write(data, source.folder("data"))
        found = observation.get
        tally.read, tally.rejected = found["read"], found["rejected"]
        tally.written = tally.read - tally.rejected
        tally.end = json.loads(found["end"])
        times = [c.name for c in self._contract.columns if c.type == "time"]
        if times and tally.written:
            self._files.mark_times(source.folder("data"), times)

    def _write_rejects(self, rows: DataFrame, source: Assignment, tally: Tally) -> None:
        rejects = rejects_of(rows, source.object_id)
        first = F.concat_ws(" ", F.col("_firn_record").cast("string"), F.col("rule"))
        numbered = rejects.select("*", F.monotonically_increasing_id().alias("n"))
        observation = Observation()
        observed = numbered.observe(
            observation,
            F.array_join(F.collect_list(F.when(F.col("n") < MAX_FIRST_REJECTS, first)), "\n").alias(
                "first"
            ),
        )
        self._files.write(observed.drop("n"), source.folder("rejects"))
        for line in observation.get["first"].splitlines():
            record, rule = line.split(" ", 1)
            tally.first.append({"record": int(record), "rule": rule})
        written = self._spark.read.schema("rule string").parquet(source.folder("rejects"))
        tally.by_rule = sum(written.rdd.mapPartitions(count_rules).collect(), Counter())

    def _check_rejects(self, rows: DataFrame, tally: Tally) -> None:
        """Refuse an object with records but without a good record, and an object with too many.

        Too many rejects are more than the contract's number and share both allow.
        """
        contract = self._contract
        share = tally.rejected / max(tally.read, 1)
        has_good = not tally.read or tally.rejected < tally.read
        is_few = tally.rejected <= contract.max_rejects or share <= contract.max_reject_ratio
        if has_good and is_few:
            return
        tally.kept = self._first_rejects(rows, tally)
        rule, count = min(tally.by_rule.items(), key=lambda item: (-item[1], item[0]))
        if not has_good:
            raise Refused(
                "no_good_row",
                f"none of the {tally.read} records fits the contract; {count} break {rule}",
            )
        raise Refused(
            "too_many_rejects",
            f"{tally.rejected} of {tally.read} records ({100 * share:.1f} %) break the contract,"
            f" above {limits(contract)}; {count} break {rule}",
        )

    def _first_rejects(self, rows: DataFrame, tally: Tally) -> list[tuple[int, str, str]]:
        """Read the object again, count the rejects by rule and return the first rejects."""
        broken = rejected(rows).select("record", "rule", "raw")
        parts = broken.rdd.mapPartitions(summarize_rejects).collect()
        tally.first, kept, tally.by_rule = parts
        return kept

    def _keep_rejects(
        self, rows: DataFrame, source: Assignment, tally: Tally, refused: Refused
    ) -> None:
        """Write the first rejects of a refused object.

        Damaged compression leaves no rejects, because the records before the damage may be wrong.
        """
        if refused.code == "bad_compression" or not tally.rejected:
            return
        kept = tally.kept or self._first_rejects(rows, tally)
        one = self._spark.sparkContext.parallelize(kept, 1)
        broken = self._spark.createDataFrame(one, BROKEN_RECORDS)
        self._files.write(stored_rejects(broken, source.object_id), source.folder("rejects"))
        tally.rejects = self._listed(source, "rejects", len(kept))

    def _listed(self, source: Assignment, name: str, rows: int) -> list[dict[str, Any]]:
        """List the files of a folder; delete a folder without rows."""
        if not rows:
            self._files.delete(source.folder(name))
            return []
        files = self._files.parquet(source.folder(name), f"{source.prefix}{name}/")
        found = sum(file["rows"] for file in files)
        if found != rows:
            raise EngineError(f"the {name} files have {found} rows, but {rows} rows were counted")
        return files

    def _write_receipt(
        self, source: Assignment, tally: Tally, refused: Refused | None, started: datetime
    ) -> str:
        """Write the receipt after all other files, and return the outcome."""
        outcome = "refused" if refused else "accepted"
        receipt = {
            "object": source.object,
            "dataset": self._contract.dataset,
            "object_id": source.object_id,
            "contract": self._contract.version,
            "generation": source.generation,
            "attempt": source.attempt,
            "engine": "glue",
            "outcome": outcome,
            **({"code": refused.code, "cause": refused.cause} if refused else {}),
            **({"hint": refused.hint} if refused else {}),
            "rows_read": tally.read,
            "rows_written": tally.written,
            "rows_rejected": tally.rejected,
            "data": tally.data,
            "rejects": tally.rejects,
            **optional("rejects_by_rule", dict(sorted(tally.by_rule.items()))),
            **optional("first_rejects", tally.first),
            **optional("extra_columns", tally.end.get("extra_columns")),
            **optional("absent_columns", tally.absent),
            **optional("unchecked", tally.unchecked),
            "content_hash": tally.end.get("content_hash", ""),
            "started_at": rfc3339(started),
            "finished_at": rfc3339(datetime.now(UTC)),
        }
        body = json.dumps(receipt, indent=2, ensure_ascii=False).encode()
        self._buckets.put(source.curated_bucket, source.prefix + "receipt.json", body)
        counts = {name: receipt[name] for name in ("rows_read", "rows_written", "rows_rejected")}
        log_event(
            "object " + outcome, source, **counts, **optional("code", refused and refused.code)
        )
        return outcome


def summarize_rejects(rows: Iterable[Any]) -> Iterator[Any]:
    """Yield the rejects of the receipt, the rejects that a refused object keeps, and all by rule.

    The last element is the number of rejects by rule.
    """
    first: list[dict[str, Any]] = []
    kept: list[tuple[int, str, str]] = []
    size, is_full = 0, False
    by_rule: Counter[str] = Counter()
    for record, rule, raw in rows:
        by_rule[rule] += 1
        if len(first) < MAX_FIRST_REJECTS:
            first.append({"record": record, "rule": rule})
        if is_full:
            continue
        size += len(raw.encode())
        is_full = len(kept) == MAX_KEPT_REJECTS or bool(kept) and size > MAX_KEPT_REJECT_BYTES
        if not is_full:
            kept.append((record, rule, raw))
    yield first
    yield kept
    yield dict(by_rule)


def count_rules(rows: Iterable[Any]) -> Iterator[Counter[str]]:
    """Yield the number of rows by rule."""
    yield Counter(rule for (rule,) in rows)


def limits(contract: Contract) -> str:
    """Name the limits of rejects. Without an allowed number, only the share is a limit."""
    share = f"{100 * contract.max_reject_ratio:.1f} %"
    if not contract.max_rejects:
        return f"the limit of {share}"
    return f"both limits of {contract.max_rejects} records and {share}"


def check_new_columns(contract: Contract, extra: list[str]) -> None:
    """Refuse an object with columns that aren't in the contract, if the contract says so."""
    if not extra or contract.new_columns != "refuse":
        return
    names = ", ".join(quoted(name) for name in extra[:MAX_NAMED_COLUMNS])
    noun = "the columns" if len(extra) > 1 else "the column"
    more = len(extra) - MAX_NAMED_COLUMNS
    others = f" and {more} more" if more > 0 else ""
    raise Refused("new_column", f"the contract doesn't have {noun} {names}{others}")


def unchecked(contract: Contract, records: int) -> list[str]:
    """Return the unique rules that weren't checked to the end of a long object."""
    limit = contract.max_unique
    if not limit or records <= limit:
        return []
    return [f"{c.name}:unique after record {limit}" for c in contract.columns if c.unique]


def optional(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return a dictionary with the member; empty if the value is empty."""
    return {name: value} if value else {}


def rfc3339(moment: datetime) -> str:
    """Return a time in the format of RFC 3339."""
    return moment.isoformat().replace("+00:00", "Z")


def error_line(error: BaseException) -> str:
    """Return an error's message in one line. For a Java error, the message of the root cause."""
    java = getattr(error, "java_exception", None)
    while java is not None and java.getCause() is not None:
        java = java.getCause()
    text = java.toString() if java is not None else f"{type(error).__name__}: {error}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named[-1:] or lines[:1] or [type(error).__name__])[0][:500]


def describe_error(error: BaseException) -> dict[str, list[str]]:
    """Return the types of an error and of its causes, and the places in the code.

    The messages are left out: a message of Python or Spark can quote the value of a row.
    """
    types: list[str] = []
    places: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        types.append(type(cause).__name__)
        frames = traceback.extract_tb(cause.__traceback__)
        places += [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]
        java = getattr(cause, "java_exception", None)
        while java is not None:
            types.append(java.getClass().getName())
            java = java.getCause()
        cause = cause.__cause__ or cause.__context__
    return {"types": types, "places": places}


def log_event(message: str, source: Assignment, **more: Any) -> None:  # noqa: ANN401 - any JSON value
    """Log one line of JSON. The line must not hold a row's content."""
    log.info(
        json.dumps({"msg": message, "object_id": source.object_id, "object": source.uri, **more})
    )
