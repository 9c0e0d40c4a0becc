"""Session parameters: set at login or by ALTER SESSION, and read by the other patches."""

from __future__ import annotations

import re
from collections.abc import Mapping

ALTER_ACCOUNT = re.compile(r"\s*alter\s+account\s+(set|unset)\s+(.*?)\s*;?\s*$", re.I | re.S)
ALTER_SESSION = re.compile(r"\s*alter\s+session\s+(set|unset)\s+(.*?)\s*;?\s*$", re.I | re.S)
SHOW_PARAMETERS = re.compile(
    r"\s*show\s+parameters(?:\s+like\s+'(?P<like>[^']*)')?(?:\s+(?:in|for)\s+session)?\s*;?\s*$",
    re.I,
)
_ASSIGNMENT = re.compile(r"([\w$]+)\s*=\s*('(?:[^']|'')*'|[^\s,]+)")

_DEFAULTS: dict[str, str] = {
    "ABORT_DETACHED_QUERY": "false",
    "AUTOCOMMIT": "true",
    "DEFAULT_DDL_COLLATION": "",
    "QUERY_TAG": "",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "0",
    "STATEMENT_TIMEOUT_IN_SECONDS": "172800",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "TIMEZONE": "UTC",
    "TRANSACTION_ABORT_ON_ERROR": "false",
}


_account: dict[str, str] = {}


def alter_account(verb: str, text: str) -> None:
    """Apply the text after ALTER ACCOUNT SET or UNSET (/sql-reference/sql/alter-account).

    The values are the defaults of later sessions. Stock fakesnow answers a syntax error. A running
    session keeps its values here.
    """
    changed = Parameters({}, 0)
    for name in changed.alter("set" if verb.lower() == "set" else "unset", text):
        if verb.lower() == "set":
            _account[name] = changed.get(name)
        else:
            _account.pop(name, None)


class Parameters:
    """The parameters of one session. Names are upper case; unknown names have no effect.

    Stock fakesnow accepts AUTOCOMMIT and QUOTED_IDENTIFIERS_IGNORE_CASE. Any other name is error
    9999 there. Snowflake's parameters: /sql-reference/parameters. The default of TIMEZONE is UTC
    here and America/Los_Angeles in Snowflake: firn sets TIMEZONE in every session.
    """

    def __init__(self, at_login: Mapping[str, object], lock_timeout_seconds: float) -> None:
        self._defaults = {**_DEFAULTS, "LOCK_TIMEOUT": f"{lock_timeout_seconds:g}", **_account}
        self._values: dict[str, str] = {}
        for name, value in at_login.items():
            self.set(name, _text(value))

    def set(self, name: str, value: str) -> None:
        """Set one parameter; every type of value is a text here."""
        self._values[name.upper()] = value

    def get(self, name: str) -> str:
        """Return the effective value; "" for an unknown name without a value."""
        return self._values.get(name, self._defaults.get(name, ""))

    def flag(self, name: str) -> bool:
        """Return the value as a boolean."""
        return self.get(name).lower() in ("true", "1", "yes", "on")

    def seconds(self, name: str) -> float:
        """Return the value as seconds; 0 for a text that isn't a number."""
        try:
            return float(self.get(name))
        except ValueError:
            return 0.0

    def alter(self, verb: str, text: str) -> list[str]:
        """Apply the text after ALTER SESSION SET or UNSET, and return the changed names."""
        if verb.lower() == "unset":
            names = [name.upper() for name in re.findall(r"[\w$]+", text)]
            for name in names:
                self._values.pop(name, None)
            return names
        found = _ASSIGNMENT.findall(text)
        for name, value in found:
            self.set(name, value[1:-1].replace("''", "'") if value.startswith("'") else value)
        return [name.upper() for name, _ in found]

    def show(self, like: str | None) -> str:
        """Return a SELECT with the rows of SHOW PARAMETERS (/sql-reference/sql/show-parameters)."""
        pattern = re.compile(re.escape(like or "%").replace("%", ".*").replace("_", "."), re.I)
        rows = [
            f"select {_quote(name)} as key, {_quote(self.get(name))} as value, "
            f"{_quote(self._defaults.get(name, ''))} as default, "
            f"{_quote('SESSION' if name in self._values else '')} as level, "
            "'' as description, 'STRING' as type"
            for name in sorted(self._defaults | self._values)
            if pattern.fullmatch(name)
        ]
        empty = "select '' as key, '' as value, '' as default, '' as level, '' as description, "
        return " union all ".join(rows) or f"{empty} 'STRING' as type where false"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
