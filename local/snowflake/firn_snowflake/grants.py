"""The record of GRANT and REVOKE, which SHOW GRANTS and SHOW FUTURE GRANTS return.

Stock fakesnow answers a syntax error. The record enforces nothing: the module revocations refuses
statements after a REVOKE. The role that creates an object gets no OWNERSHIP; only GRANT and a
future grant add privileges.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import astuple, dataclass
from pathlib import Path

from fakesnow.conn import FakeSnowflakeConnection

from firn_snowflake.names import NAME, Parts, in_database, in_schema, parts_of, select_rows

_IN_SCHEMA = ("TABLE", "VIEW", "STAGE", "FILE FORMAT")
_KINDS = (*_IN_SCHEMA, "SCHEMA", "DATABASE", "WAREHOUSE", "INTEGRATION", "RESOURCE MONITOR", "USER")
_KIND = "|".join(kind.replace(" ", r"\s+") for kind in _KINDS)
_GRANTEE = rf"(?:to|from)\s+(?P<to>role|user)\s+(?P<grantee>{NAME})"
_ROLE = re.compile(
    rf"(?P<verb>grant|revoke)\s+(?P<database>database\s+)?role\s+(?P<name>{NAME})\s+{_GRANTEE}\b",
    re.I,
)
_MANY = re.compile(
    r"(?P<verb>grant|revoke)\s+(?P<privileges>[\w\s,]+?)\s+on\s+(?P<when>all|future)\s+"
    rf"(?P<kind>{_KIND})s\s+in\s+schema\s+(?P<name>{NAME})\s+{_GRANTEE}\b",
    re.I,
)
_ONE = re.compile(
    r"(?P<verb>grant|revoke)\s+(?P<privileges>[\w\s,]+?)\s+on\s+"
    rf"(?P<kind>{_KIND})\s+(?P<name>{NAME})\s+{_GRANTEE}\b",
    re.I,
)
_SHOW_TO = re.compile(rf"show\s+grants\s+to\s+(?P<to>role|user)\s+(?P<name>{NAME})$", re.I)
_SHOW_ON = re.compile(rf"show\s+grants\s+on\s+(?P<kind>{_KIND}|role)\s+(?P<name>{NAME})$", re.I)
_SHOW_FUTURE = re.compile(rf"show\s+future\s+grants\s+in\s+schema\s+(?P<name>{NAME})$", re.I)
_TIME = "1970-01-01 00:00:00 +0000"
"""The time of every grant."""


@dataclass(frozen=True, order=True)
class Grant:
    """One privilege on one object. The name of a future grant is `<schema>.<<kind>>`."""

    privilege: str
    on: str
    name: str
    to: str
    grantee: str


class Grants:
    """All recorded grants, stored in a file if the databases are stored on disk."""

    def __init__(self, directory: Path | None) -> None:
        self._file = directory / "grants.json" if directory else None
        self._lock = threading.Lock()
        self._grants: set[Grant] = set()
        self._future: set[Grant] = set()
        if self._file and self._file.exists():
            stored = json.loads(self._file.read_text())
            self._grants = {Grant(*row) for row in stored["grants"]}
            self._future = {Grant(*row) for row in stored["future"]}

    def change(self, text: str, connection: FakeSnowflakeConnection) -> None:
        """Run GRANT or REVOKE; another statement changes nothing.

        The pages are /sql-reference/sql/grant-privilege, /sql-reference/sql/grant-role and
        /sql-reference/sql/grant-ownership. A statement on an object of another kind than those of
        firn's scripts is ignored.
        """
        if match := _ROLE.match(text):
            on = "DATABASE_ROLE" if match["database"] else "ROLE"
            self._apply(match, [(on, ".".join(parts_of(match["name"])))], ["USAGE"])
        elif match := _MANY.match(text):
            kind, schema = _words(match["kind"]), in_database(match["name"], connection)
            if match["when"].lower() == "future":
                self._apply(match, [(_on(kind), _future_name(schema, kind))], _privileges(match))
                return
            names = _objects(kind, schema, connection)
            self._apply(match, [(_on(kind), name) for name in names], _privileges(match))
        elif match := _ONE.match(text):
            kind = _words(match["kind"])
            name = _full_name(kind, match["name"], connection)
            self._apply(match, [(_on(kind), name)], _privileges(match))

    def _apply(
        self, match: re.Match[str], objects: list[tuple[str, str]], privileges: list[str]
    ) -> None:
        to, grantee = match["to"].upper(), ".".join(parts_of(match["grantee"]))
        is_future = "when" in match.groupdict() and match["when"].lower() == "future"
        with self._lock:
            grants = self._future if is_future else self._grants
            for on, name in objects:
                for privilege in privileges:
                    grant = Grant(privilege, on, name, to, grantee)
                    if match["verb"].lower() == "revoke":
                        grants.discard(grant)
                        continue
                    if privilege == "OWNERSHIP":
                        self._end_ownership(grants, on, name)
                    grants.add(grant)
            self._save()

    def _end_ownership(self, grants: set[Grant], on: str, name: str) -> None:
        """Remove the former owner: an object has one owner (/sql-reference/sql/grant-ownership)."""
        owned = {g for g in grants if (g.privilege, g.on, g.name) == ("OWNERSHIP", on, name)}
        grants -= owned

    def created(self, kind: str, name: Parts) -> None:
        """Give a new object of a schema the privileges of the future grants.

        The page is /user-guide/security-access-control-configure, "Future grants".
        """
        with self._lock:
            self._forget({_on(kind)}, ".".join(name))
            future = _future_name(name[:2], kind)
            for grant in self._future:
                if grant.name == future:
                    on, full = grant.on, ".".join(name)
                    self._grants.add(Grant(grant.privilege, on, full, grant.to, grant.grantee))
            self._save()

    def dropped(self, kind: str, name: Parts) -> None:
        """Remove the grants of a dropped object, and of all objects of a schema or database."""
        with self._lock:
            full = ".".join(name)
            self._forget({_on(kind)}, full)
            if kind in ("SCHEMA", "DATABASE"):
                inside = full + "."
                self._grants = {g for g in self._grants if not g.name.startswith(inside)}
                self._future = {g for g in self._future if not g.name.startswith(inside)}
            self._save()

    def renamed(self, kind: str, old: Parts, new: Parts) -> None:
        """Move the grants of a renamed object."""
        with self._lock:
            moved = {g for g in self._grants if (g.on, g.name) == (_on(kind), ".".join(old))}
            self._grants -= moved
            for g in moved:
                self._grants.add(Grant(g.privilege, g.on, ".".join(new), g.to, g.grantee))
            self._save()

    def answer(self, text: str, connection: FakeSnowflakeConnection) -> str | None:
        """Return the SELECT for SHOW GRANTS or SHOW FUTURE GRANTS; None for another statement.

        The page with the columns is /sql-reference/sql/show-grants; SHOW GRANTS TO USER has its
        columns since the bundle 2025_01 (/release-notes/bcr-bundles/2025_01/bcr-1803).
        """
        with self._lock:
            if match := _SHOW_TO.match(text):
                target = (match["to"].upper(), ".".join(parts_of(match["name"])))
                rows = [g for g in self._grants if (g.to, g.grantee) == target]
                return _answer(rows, connection, with_role=target[0] == "USER")
            if match := _SHOW_ON.match(text):
                kind = _words(match["kind"])
                name = _full_name(kind, match["name"], connection)
                rows = [g for g in self._grants if (g.on, g.name) == (_on(kind), name)]
                return _answer(rows, connection)
            if match := _SHOW_FUTURE.match(text):
                prefix = ".".join(in_database(match["name"], connection)) + "."
                rows = [g for g in self._future if g.name.startswith(prefix)]
                return _future_answer(rows, connection)
        return None

    def _forget(self, on: set[str], name: str) -> None:
        self._grants = {g for g in self._grants if g.on not in on or g.name != name}

    def _save(self) -> None:
        if self._file:
            stored = {
                "grants": [astuple(g) for g in sorted(self._grants)],
                "future": [astuple(g) for g in sorted(self._future)],
            }
            self._file.write_text(json.dumps(stored, indent=2))


def _answer(
    rows: list[Grant], connection: FakeSnowflakeConnection, *, with_role: bool = False
) -> str:
    columns = ["created_on", "privilege", "granted_on", "name"]
    columns += ["role"] if with_role else []
    columns += ["granted_to", "grantee_name", "grant_option", "granted_by"]
    values: list[list[str | None]] = [
        [_TIME, g.privilege, g.on, g.name, *([g.name] if with_role else [])]
        + [g.to, g.grantee, "false", ""]
        for g in sorted(rows)
    ]
    return select_rows(columns, values, connection)


def _future_answer(rows: list[Grant], connection: FakeSnowflakeConnection) -> str:
    columns = ["created_on", "privilege", "grant_on", "name"]
    columns += ["grant_to", "grantee_name", "grant_option"]
    values: list[list[str | None]] = [
        [_TIME, g.privilege, g.on, g.name, g.to, g.grantee, "false"] for g in sorted(rows)
    ]
    return select_rows(columns, values, connection)


def _privileges(match: re.Match[str]) -> list[str]:
    return [_words(privilege) for privilege in match["privileges"].split(",")]


def _words(text: str) -> str:
    return " ".join(text.upper().split())


def _on(kind: str) -> str:
    """Return the kind as in the column granted_on."""
    return kind.replace(" ", "_")


def _future_name(schema: Parts, kind: str) -> str:
    return f"{'.'.join(schema)}.<{kind}>"


def _full_name(kind: str, name: str, connection: FakeSnowflakeConnection) -> str:
    if kind in _IN_SCHEMA:
        return ".".join(in_schema(name, connection))
    if kind == "SCHEMA":
        return ".".join(in_database(name, connection))
    return ".".join(parts_of(name))


def _objects(kind: str, schema: Parts, connection: FakeSnowflakeConnection) -> list[str]:
    """Return the names of all tables or views of a schema; none for another kind."""
    source = {"TABLE": "duckdb_tables()", "VIEW": "duckdb_views()"}.get(kind)
    if source is None:
        return []
    column = f"{kind.lower()}_name"
    rows = connection._duck_conn.execute(
        f"select {column} from {source} where database_name = ? and schema_name = ?", list(schema)
    ).fetchall()
    return [".".join((*schema, name)) for (name,) in rows]
