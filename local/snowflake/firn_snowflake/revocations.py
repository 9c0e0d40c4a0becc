"""GRANT and REVOKE on one table, view or stage: a revoked privilege is refused until its grant.

Grants aren't enforced otherwise: a role has every privilege that no REVOKE took away. So a test can
take one privilege from one role, and give the privilege back. The rules and their limits:

- The session's role counts: the role of the login, or of the last USE ROLE. A session without a
  role has every privilege, and no role inherits from another role.
- The privileges are SELECT, INSERT, UPDATE and DELETE of a table, SELECT of a view and USAGE of a
  stage. ALL means each of them. Any other privilege is accepted, without effect.
- REVOKE needs the object. GRANT ... ON ALL TABLES (VIEWS, STAGES) IN SCHEMA gives every revoked
  privilege in the schema back. REVOKE ... ON ALL has no effect.
- A revoked privilege belongs to the name, also after DROP and CREATE, until the server stops.
- Any role may run both statements.

Snowflake's privileges: /user-guide/security-access-control-privileges
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from firn_snowflake import errors
from firn_snowflake.sessions import Session
from firn_snowflake.statements import parse_one, stored_name, stored_part

Name = tuple[str, ...]
"""Database, schema and object, in Snowflake's stored form."""

_PRIVILEGES = {
    "TABLE": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"}),
    "VIEW": frozenset({"SELECT"}),
    "STAGE": frozenset({"USAGE"}),
}
_ANY = ""
"""The privilege of a statement that only needs to see its object, for example DESCRIBE."""

_PART = r'(?:"[^"]+"|[\w$]+)'
_STATEMENT = re.compile(
    r"(?P<verb>grant|revoke)\s+(?:grant\s+option\s+for\s+)?(?P<privileges>[\w\s,]+?)\s+on\s+"
    rf"(?:all\s+(?P<every>table|view|stage)s\s+in\s+schema|(?P<kind>table|view|stage))\s+"
    rf"(?P<name>{_PART}(?:\.{_PART}){{0,2}})\s+(?:to|from)\s+(?:role\s+)?(?P<role>{_PART})",
    re.I,
)
_USE_ROLE = re.compile(rf"use\s+role\s+(?P<role>{_PART})\s*;?\s*$", re.I)
_NAME_PART = re.compile(_PART)

_EXISTS = {
    "TABLE": "select 1 from duckdb_tables() where "
    "(upper(database_name), upper(schema_name), table_name) = (?, ?, ?)",
    "VIEW": "select 1 from duckdb_views() where "
    "(upper(database_name), upper(schema_name), view_name) = (?, ?, ?)",
    "STAGE": "select 1 from _fs_global._fs_information_schema._fs_stages where "
    "(upper(database_name), upper(schema_name), name) = (?, ?, ?)",
}


@dataclass(frozen=True)
class _Use:
    """One object of a statement, and the privilege that the statement needs."""

    name: Name
    shown: str
    """The name as the statement has it, in upper case."""
    privilege: str
    is_stage: bool


class Revocations:
    """The revoked privileges of all roles."""

    def __init__(self) -> None:
        """Create an empty set: every role has every privilege."""
        self._revoked: dict[tuple[str, str, Name], frozenset[str]] = {}
        self._lock = threading.Lock()

    def run(self, session: Session, text: str) -> None:
        """Run GRANT or REVOKE on a table, a view or a stage; any other statement has no effect.

        Stock fakesnow answers a syntax error to both statements.

        Raises:
            ProgrammingError: 002003 for a REVOKE on a missing object.
        """
        if not (match := _STATEMENT.match(text)):
            return
        role = stored_name(match["role"])
        if match["every"]:
            if match["verb"].lower() == "grant":
                self._give_back_in_schema(role, match["every"].upper(), _schema(session, match))
            return
        kind, name = match["kind"].upper(), _full_name(session, match["name"])
        with self._lock:
            before = self._revoked.get((role, kind, name), frozenset())
            named = _named_privileges(kind, match["privileges"])
            if match["verb"].lower() == "grant":
                self._set(role, kind, name, before - named)
                return
            _require_object(session, kind, name, match["name"])
            self._set(role, kind, name, before | named)

    def check(self, session: Session, sql: str) -> None:
        """Refuse a statement without a privilege that it needs.

        Stock fakesnow knows no privileges. In Snowflake an object without any privilege doesn't
        exist for the role:
        /user-guide/security-access-control-overview

        Raises:
            ProgrammingError: 002003 if the role has no privilege on an object, 003001 if the role
                has another privilege only.
        """
        if not session.role or not self._revoked:
            return
        for use in _uses(session, parse_one(sql)):
            for kind in ["STAGE"] if use.is_stage else ["TABLE", "VIEW"]:
                revoked = self._revoked.get((session.role, kind, use.name), frozenset())
                if revoked >= _PRIVILEGES[kind]:
                    raise _not_found(use)
                if use.privilege in revoked:
                    raise _insufficient(kind, use)

    def _set(self, role: str, kind: str, name: Name, revoked: frozenset[str]) -> None:
        if revoked:
            self._revoked[role, kind, name] = revoked
        else:
            self._revoked.pop((role, kind, name), None)

    def _give_back_in_schema(self, role: str, kind: str, schema: Name) -> None:
        with self._lock:
            for key in [k for k in self._revoked if k[:2] == (role, kind) and k[2][:2] == schema]:
                del self._revoked[key]


def role_of_use(text: str) -> str | None:
    """Return the role of USE ROLE in stored form; None for any other statement."""
    match = _USE_ROLE.match(text)
    return stored_name(match["role"]) if match else None


def _named_privileges(kind: str, text: str) -> frozenset[str]:
    words = {" ".join(word.split()).upper() for word in text.split(",")}
    known = _PRIVILEGES[kind]
    return known if words & {"ALL", "ALL PRIVILEGES"} else known & words


def _schema(session: Session, match: re.Match[str]) -> Name:
    return _full_name(session, match["name"] + ".X")[:2]


def _full_name(session: Session, text: str) -> Name:
    parts = [stored_name(part) for part in _NAME_PART.findall(text)]
    return _with_defaults(session, parts)


def _with_defaults(session: Session, parts: list[str]) -> Name:
    connection = session.connection
    default = [(connection.database or "").upper(), (connection.schema or "").upper()]
    return tuple([*default[: 3 - len(parts)], *parts])


def _require_object(session: Session, kind: str, name: Name, shown: str) -> None:
    found = session.duck.execute(_EXISTS[kind], list(name)).fetchone()
    if not found:
        raise _not_found(_Use(name, shown.upper(), _ANY, kind == "STAGE"))


def _uses(session: Session, tree: exp.Expression) -> Iterator[_Use]:
    """Yield the tables, views and stages of a statement. A view hides its own tables."""
    targets = _targets(tree)
    defined = {cte.alias.upper() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Var):
            yield _stage_use(session, table.this.name)
        elif isinstance(table.this, exp.Identifier):
            if not table.db and table.name.upper() in defined:
                continue
            parts = [stored_part(part) for part in table.parts]
            for privilege in targets.get(id(table), {"SELECT"}):
                yield _Use(_with_defaults(session, parts), ".".join(parts), privilege, False)


def _targets(tree: exp.Expression) -> dict[int, set[str]]:
    """Return the privileges that a statement needs on its own target, by the id of the table."""
    if isinstance(tree, exp.Drop | exp.TruncateTable):
        return {id(table): {_ANY} for table in tree.find_all(exp.Table)}
    target = tree.this.find(exp.Table) if isinstance(tree.this, exp.Expression) else None
    if isinstance(tree, exp.Query) or target is None:
        return {}
    match tree:
        case exp.Insert() | exp.Copy():
            return {id(target): {"INSERT"}}
        case exp.Update():
            return {id(target): {"UPDATE"}}
        case exp.Delete():
            return {id(target): {"DELETE"}}
        case exp.Merge():
            return {id(target): set(_merge_privileges(tree))}
        case exp.Create() | exp.Use():  # a new object, or a name of another kind
            return {id(target): set()}
        case _:
            return {id(target): {_ANY}}


def _merge_privileges(tree: exp.Merge) -> Iterator[str]:
    for when in tree.args["whens"].expressions:
        then = when.args.get("then")
        for kind, privilege in ((exp.Insert, "INSERT"), (exp.Update, "UPDATE")):
            if isinstance(then, kind):
                yield privilege
        if isinstance(then, exp.Var):
            yield then.name.upper()


def _stage_use(session: Session, text: str) -> _Use:
    """Return the use of a stage in a text such as `@db.schema.stage/path`."""
    name = text.lstrip("@").partition("/")[0]
    return _Use(_full_name(session, name), name.upper(), "USAGE", is_stage=True)


def _not_found(use: _Use) -> errors.ProgrammingError:
    """Return the error of an object that is missing or hidden, in the text of Snowflake."""
    kind, state = ("Stage", "02000") if use.is_stage else ("Object", "42S02")
    text = f"SQL compilation error:\n{kind} '{use.shown}' does not exist or not authorized."
    return errors.failure(errors.NOT_FOUND, state, text)


def _insufficient(kind: str, use: _Use) -> errors.ProgrammingError:
    """Return the error of a role with another privilege on the object, in the text of Snowflake."""
    text = f"Insufficient privileges to operate on {kind.lower()} '{use.name[-1]}'"
    return errors.failure(errors.NO_PRIVILEGE, "42501", f"SQL access control error:\n{text}")
