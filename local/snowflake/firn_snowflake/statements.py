"""The kind of a statement, derived from its text before fakesnow parses the statement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from fakesnow import dialect
from sqlglot import exp

from firn_snowflake import errors

SUCCESS = "select 'Statement executed successfully.' as status"

_MAX_TREES = 64

_COMMENT = re.compile(r"\s*(?:/\*.*?\*/|--[^\n]*\n)", re.S)
_BEGIN = re.compile(
    r"(?:start\s+transaction|begin(?:\s+(?:work|transaction))?)(?:\s+name\s+\w+)?\s*;?\s*$", re.I
)
_END = re.compile(r"(commit|rollback)(?:\s+work)?\s*;?\s*$", re.I)
_MANAGED = re.compile(r"(?<=\w)\s+with\s+managed\s+access\b", re.I)
_OR_ALTER = re.compile(r"create\s+or\s+alter\b", re.I)
_DDL = {"CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "UNDROP"}
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE"}
_LOCKING = (exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)

_ACCOUNT_OBJECTS = (
    r"warehouse|role|user|service\s+user|resource\s+monitor|network\s+(?:policy|rule)|"
    r"(?:storage|notification|api|security|catalog)\s+integration|integration|masking\s+policy|"
    r"row\s+access\s+policy|pipe|task|stream|alert|(?:database|application)\s+role|share|secret|"
    r"(?:authentication|session|password)\s+policy"
)
_IGNORED = [
    re.compile(pattern, re.I | re.S)
    for pattern in (
        rf"(?:create|alter|drop|describe|desc)\s+(?:or\s+replace\s+)?(?:{_ACCOUNT_OBJECTS})\b",
        r"(?:grant|revoke)\b",
        r"alter\s+account\b",
        r"alter\s+(?:table|schema|database|view)\s+\S+\s+(?:re)?cluster\b",
        r"alter\s+\S+\s+\S+\s+(?:suspend|resume)\b",
        r"alter\s+schema\s+(?:if\s+exists\s+)?\S+\s+(?:en|dis)able\s+managed\s+access\b",
        r"alter\s+(?:table|view)\s+\S+\s+(?:alter|modify)\s+\(?\s*(?:column\s+)?\S+\s+comment\b",
        r"alter\s+table\s+(?:if\s+exists\s+)?\S+\s+(?:add|drop|alter|modify)\s+"
        r"(?:constraint\s+\S+\s+)?(?:primary\s+key|unique|foreign\s+key)\b",
        r"alter\s+table\s+(?:if\s+exists\s+)?\S+\s+drop\s+constraint\b",
        r"alter\s+(?:table|schema|database)\s+(?:if\s+exists\s+)?\S+\s+(?:un)?set\s+"
        r"(?:data_retention|change_tracking|enable_schema_evolution|max_data_extension|log_level)",
        r"alter\s+(?:schema|database)\s+(?:if\s+exists\s+)?\S+\s+(?:un)?set\s+comment\b",
        r"use\s+secondary\s+roles\b",
        r"execute\s+task\b",
    )
]


class Kind(Enum):
    """The kinds of statements that the transaction rules distinguish."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    DDL = "ddl"
    WRITE = "write"
    READ = "read"


@dataclass(frozen=True)
class Statement:
    """One statement: its kind, and the text for fakesnow."""

    sql: str
    kind: Kind

    @classmethod
    def from_text(cls, sql: str) -> Statement:
        """Derive the kind from the first words of a text.

        Raises:
            ProgrammingError: 000002 for CREATE OR ALTER. Stock fakesnow runs CREATE OR REPLACE
                instead, which deletes all rows.
        """
        text = strip_comments(sql)
        if _BEGIN.match(text):
            return cls("begin", Kind.BEGIN)
        if end := _END.match(text):
            return cls(end[1].lower(), Kind[end[1].upper()])
        word = _first_word(text)
        if _OR_ALTER.match(text):
            raise errors.failure(
                errors.UNSUPPORTED, "0A000", "CREATE OR ALTER isn't supported by the stand-in"
            )
        if is_ignored(text):
            return cls(SUCCESS, Kind.DDL if word in _DDL else Kind.READ)
        if word in _DDL and not re.match(r"alter\s+session\b", text, re.I):
            return cls(_MANAGED.sub("", text), Kind.DDL)
        if word in _WRITES and not re.match(r"copy\s+into\s+@", text, re.I):
            return cls(text, Kind.WRITE)
        return cls(text, Kind.READ)

    def locked_table(self, database: str | None, schema: str | None) -> tuple[str, ...] | None:
        """Return database, schema and name of the locked table; None without a lock."""
        if _first_word(self.sql) not in ("UPDATE", "DELETE", "MERGE", "TRUNCATE"):
            return None
        tree = parse_one(self.sql)
        if not isinstance(tree, _LOCKING):
            return None
        target = tree.expressions[0] if isinstance(tree, exp.TruncateTable) else tree.this
        if not isinstance(target, exp.Table) or not target.name:
            return None
        parts = [stored_part(part) for part in target.parts]
        default = [database or "", schema or ""]
        return tuple([*default[: 3 - len(parts)], *parts])


def is_ignored(text: str) -> bool:
    """Return true if DuckDB has no counterpart for the statement.

    Stock fakesnow answers a syntax error to warehouses, roles, grants, integrations and similar
    objects. firn's DDL contains such statements and must run here unchanged. The answer is success
    without an effect, so no rule of these objects is enforced here. ALTER ... COMMENT of a column
    and keys added by ALTER TABLE are also ignored.
    """
    return any(pattern.match(text) for pattern in _IGNORED)


def parse_one(sql: str) -> exp.Expression:
    """Parse for the server, which reads the tree of a statement before the run.

    Stock fakesnow fails here on words outside its grammar. Several statements in one request become
    HTTP 500. Snowflake answers 000008, unless the session allows MULTI_STATEMENT_COUNT
    (/sql-reference/parameters); the stand-in allows one statement. Callers must not change the
    tree.
    """
    return _tree(Statement.from_text(sql).sql)


def parse_copy(sql: str) -> exp.Expression:
    """Parse for the cursor, which converts the returned tree to DuckDB's SQL.

    Stock fakesnow parses each statement twice, and firn's loads repeat a few statements. A cache
    saves this time.
    """
    return _tree(sql).copy()


@lru_cache(maxsize=_MAX_TREES)
def _tree(text: str) -> exp.Expression:
    trees = [tree for tree in dialect.parse(text) if tree and not isinstance(tree, exp.Semicolon)]
    if len(trees) > 1:
        reason = f"Actual statement count {len(trees)} did not match the desired statement count 1."
        raise errors.failure(errors.STATEMENT_COUNT, "0A000", reason)
    if not trees:
        raise errors.failure(900, "42601", "SQL compilation error: Empty SQL statement.")
    return trees[0]


def strip_comments(sql: str) -> str:
    """Remove the comments around a statement, for example the comments of dbt.

    The first words then give the kind. BEGIN and COMMIT must be the only remaining text.
    """
    while found := _COMMENT.match(sql):
        sql = sql[found.end() :]
    sql = sql.strip().rstrip("; \n\t\r")
    while sql.endswith("*/") and (start := sql.rfind("/*")) > 0 and "*/" not in sql[start:-2]:
        sql = sql[:start].rstrip("; \n\t\r")
    return sql


def _first_word(text: str) -> str:
    return re.split(r"[\s;(]", text, maxsplit=1)[0].upper()


def stored_name(text: str) -> str:
    """Return a name in Snowflake's stored form: upper case, unless the text has quotes."""
    return text[1:-1] if text.startswith('"') else text.upper()


def stored_part(part: exp.Expression) -> str:
    """Return one part of a parsed name in Snowflake's stored form."""
    quoted = isinstance(part, exp.Identifier) and part.args.get("quoted")
    return part.name if quoted else part.name.upper()
