"""What becomes of one object: rows, rejects and, last, the receipt."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from firn_glue.contract import Assignment, Contract
from firn_glue.header import Header
from firn_glue.outputs import Buckets, Files
from firn_glue.plan import Plan, data_of, rejected, rejects_of
from firn_glue.refusal import EngineError, Refused, SourceChangedError
from firn_glue.rows import open_csv
from firn_glue.texts import compression_of

log = logging.getLogger("firn.glue")

MAX_FIRST_REJECTS = 10


@dataclass
class Tally:
    """What became of an object's records, and how it ended."""

    read: int = 0
    written: int = 0
    rejected: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


class Engine:
    """Transforms objects by one contract."""

    def __init__(self, spark: SparkSession, buckets: Buckets, contract: Contract) -> None:
        self._spark = spark
        self._buckets = buckets
        self._contract = contract
        self._files = Files(spark)
        self._plans: dict[Header | None, Plan] = {}

    def transform(self, source: Assignment) -> str:
        """Transform one object and return its outcome.

        Raises:
            EngineError: something broke that is no property of the object's bytes.
        """
        started = datetime.now(UTC)
        try:
            before = self._buckets.identity(source)
            try:
                tally, refused = self._attempt(source)
            except Exception:
                self._check_identity(source, before)
                raise
            self._check_identity(source, before)
            return self._finish(source, tally, refused, started)
        except SourceChangedError:
            say("source changed", source)
            return "changed"
        except Exception as error:
            log.exception("%s failed", source.uri)
            raise EngineError(f"{source.uri}: {sentence(error)}") from error

    def _check_identity(self, source: Assignment, before: tuple[str, ...]) -> None:
        if self._buckets.identity(source) != before:
            raise SourceChangedError(source.uri)

    def _attempt(self, source: Assignment) -> tuple[Tally, Refused | None]:
        """Write what the object holds, or nothing if it is refused."""
        tally = Tally()
        refused: Refused | None = None
        try:
            self._write(source, tally)
        except Refused as reason:
            refused = reason
            tally.written, tally.data, tally.rejects = 0, [], []
            for folder in ("data", "rejects"):
                self._files.delete(source.folder(folder))
        return tally, refused

    def _write(self, source: Assignment, tally: Tally) -> None:
        plan = self._plan(self._header(source, tally))
        rows = plan.rows(source)
        self._write_data(rows, source, tally)
        if tally.end.get("code"):
            end = tally.end
            raise Refused(end["code"], end["cause"], end["hint"])
        tally.unchecked = unchecked(self._contract, tally.read)
        self._check_rejects(rows, tally)
        tally.data = self._listed(source, "data", tally.written)
        if tally.rejected:
            self._write_rejects(rows, source, tally)
            tally.rejects = self._listed(source, "rejects", tally.rejected)

    def _plan(self, header: Header | None) -> Plan:
        """Return the plan of a header, the same one for objects that begin alike."""
        if header not in self._plans:
            self._plans[header] = Plan(self._spark, self._contract, header)
        return self._plans[header]

    def _header(self, source: Assignment, tally: Tally) -> Header | None:
        """Read a CSV object's header. What refuses the object by its start is found here."""
        if self._contract.format != "csv":
            compression_of(source.object["key"], self._contract.format)
            return None
        with closing(self._buckets.open(source)) as stored:
            _, header = open_csv(stored, source.object["key"], self._contract)
        tally.end["extra_columns"] = list(header.extra)
        return header

    def _write_data(self, rows: DataFrame, source: Assignment, tally: Tally) -> None:
        is_record = F.col("record") > 0
        account = Observation()
        observed = rows.observe(
            account,
            F.count(F.when(is_record, 1)).alias("read"),
            F.count(F.when(is_record, F.col("rule"))).alias("rejected"),
            F.max(F.when(~is_record, F.col("raw"))).alias("end"),
        )
        data = data_of(observed, self._contract, source.object_id)
        self._files.write(data, source.folder("data"))
        found = account.get
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
        account = Observation()
        observed = numbered.observe(
            account,
            F.array_join(F.collect_list(F.when(F.col("n") < MAX_FIRST_REJECTS, first)), "\n").alias(
                "first"
            ),
        )
        self._files.write(observed.drop("n"), source.folder("rejects"))
        for line in account.get["first"].splitlines():
            record, rule = line.split(" ", 1)
            tally.first.append({"record": int(record), "rule": rule})

    def _check_rejects(self, rows: DataFrame, tally: Tally) -> None:
        """Refuse an object with more rejects than its contract tolerates by number and share."""
        contract = self._contract
        share = tally.rejected / max(tally.read, 1)
        if tally.rejected <= contract.max_rejects or share <= contract.max_reject_ratio:
            return
        broken = rejected(rows).select("record", "rule")
        tally.first, by_rule = broken.rdd.mapPartitions(tallied).collect()
        rule, count = min(by_rule.items(), key=lambda item: (-item[1], item[0]))
        raise Refused(
            "too_many_rejects",
            f"{tally.rejected} of {tally.read} rows ({100 * share:.1f} %) break the contract,"
            f" which tolerates {contract.max_rejects} and"
            f" {100 * contract.max_reject_ratio:.1f} %; {count} break {rule}",
        )

    def _listed(self, source: Assignment, name: str, rows: int) -> list[dict[str, Any]]:
        """List the files of a folder, of which there is none without rows."""
        if not rows:
            self._files.delete(source.folder(name))
            return []
        files = self._files.parquet(source.folder(name), f"{source.prefix}{name}/")
        found = sum(file["rows"] for file in files)
        if found != rows:
            raise EngineError(f"its {name} files hold {found} rows, {rows} were counted")
        return files

    def _finish(
        self, source: Assignment, tally: Tally, refused: Refused | None, started: datetime
    ) -> str:
        """Write the receipt, last of all."""
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
            **some("first_rejects", tally.first),
            **some("extra_columns", tally.end.get("extra_columns")),
            **some("unchecked", tally.unchecked),
            "content_hash": tally.end.get("content_hash", ""),
            "started_at": instant(started),
            "finished_at": instant(datetime.now(UTC)),
        }
        body = json.dumps(receipt, indent=2, ensure_ascii=False).encode()
        self._buckets.put(source.curated_bucket, source.prefix + "receipt.json", body)
        counts = {name: receipt[name] for name in ("rows_read", "rows_written", "rows_rejected")}
        say("object " + outcome, source, **counts, **some("code", refused and refused.code))
        return outcome


def tallied(rows: Iterable[Any]) -> Iterator[Any]:
    """Give the first rejects, then how often each rule is broken."""
    first: list[dict[str, Any]] = []
    by_rule: Counter[str] = Counter()
    for record, rule in rows:
        by_rule[rule] += 1
        if len(first) < MAX_FIRST_REJECTS:
            first.append({"record": record, "rule": rule})
    yield first
    yield dict(by_rule)


def unchecked(contract: Contract, records: int) -> list[str]:
    """Name the rules that the object was too long for."""
    limit = contract.max_unique
    if not limit or records <= limit:
        return []
    return [f"{c.name}:unique after record {limit}" for c in contract.columns if c.unique]


def some(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return the member only if there is something to say."""
    return {name: value} if value else {}


def instant(moment: datetime) -> str:
    """Return a moment as RFC 3339."""
    return moment.isoformat().replace("+00:00", "Z")


def sentence(error: BaseException) -> str:
    """Return what an error says on one line: a Java error's own cause, not its stack."""
    java = getattr(error, "java_exception", None)
    while java is not None and java.getCause() is not None:
        java = java.getCause()
    text = java.toString() if java is not None else f"{type(error).__name__}: {error}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named[-1:] or lines[:1] or [type(error).__name__])[0][:500]


def say(message: str, source: Assignment, **more: Any) -> None:  # noqa: ANN401 - any JSON value
    """Log one line of JSON. Never a row's content."""
    log.info(
        json.dumps({"msg": message, "object_id": source.object_id, "object": source.uri, **more})
    )
