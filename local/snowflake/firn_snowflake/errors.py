"""Errors with the numbers and states of Snowflake.

A driver repeats a request after HTTP 500, for minutes by default. Every error of DuckDB, the object
store or fakesnow therefore becomes an error of the statement.
"""

from __future__ import annotations

import re

import duckdb
import snowflake.connector.errors as connector_errors
from snowflake.connector.errors import ProgrammingError

UNSUPPORTED = 2
STATEMENT_COUNT = 8
LOCKED = 625
CANCELED = 604
TIMED_OUT = 630
INVALID_IDENTIFIER = 904
SYNTAX = 1003
EXISTS = 2002
NOT_FOUND = 2003
NO_PRIVILEGE = 3001
SUBQUERY = 2031
SESSION_GONE = 390111
LOGIN_REFUSED = 390100
TOKEN_INVALID = 390144
TRANSACTION_ABORTED = 90070
NULL_IN_NOT_NULL = 100072
CONVERSION = 100038
NOT_IN_FORMAT = 100096
FILE_NOT_FOUND = 91016
MISSING = re.compile(r'(?:Table|View) with name "?([\w.$]+)"? does not exist')
"""DuckDB's text for a missing table or view."""
FILE_UNREADABLE = 100999
"""A number of the stand-in: Snowflake's number for a file that isn't Parquet isn't documented."""


def failure(number: int, state: str, message: str) -> ProgrammingError:
    """Return an error of a statement: number, SQLSTATE, text."""
    return ProgrammingError(msg=message, errno=number, sqlstate=state)


def locked(message: str) -> ProgrammingError:
    """Return 000625 (57014): the statement didn't get its lock.

    A client recognizes the error by the state 57014 and retries the statement.
    """
    return failure(LOCKED, "57014", f"Statement was aborted: {message}")


def translate(error: Exception, sql: str) -> ProgrammingError:
    """Return an error of fakesnow, DuckDB or the object store with Snowflake's number.

    Stock fakesnow answers HTTP 500 to most errors of DuckDB, and some other errors have a number
    with a different meaning in Snowflake. An unknown error becomes 000002 (0A000), "unsupported
    feature".
    """
    if isinstance(error, connector_errors.Error):
        return _renumber(error)
    text = str(error)
    if isinstance(error, duckdb.ConstraintException):
        return _constraint(text)
    if isinstance(error, duckdb.InterruptException):
        return failure(CANCELED, "57014", "SQL execution canceled")
    if isinstance(error, duckdb.TransactionException) and "onflict" in text:
        return locked(f"another transaction wrote the same rows or altered the table. {text}")
    if isinstance(error, duckdb.InvalidInputException) and "Could not parse string" in text:
        return failure(NOT_IN_FORMAT, "22007", f"Can't parse the text as timestamp. {text}")
    if isinstance(error, FileNotFoundError | PermissionError | duckdb.IOException):
        return failure(FILE_NOT_FOUND, "22000", f"Remote file was not found or refused. {text}")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return failure(CONVERSION, "22018", text)
    reason = f"{type(error).__name__}: {text} in: {sql[:300]}"
    return failure(UNSUPPORTED, "0A000", f"Unsupported feature of the local stand-in: {reason}")


def _renumber(error: connector_errors.Error) -> ProgrammingError:
    """Replace the numbers of fakesnow that differ from Snowflake's numbers."""
    text = str(error.raw_msg if getattr(error, "raw_msg", None) else error.msg)
    number, state = error.errno, error.sqlstate
    if number in (None, -1):
        number, state = UNSUPPORTED, "0A000"
    elif number == 2043 and (
        "not found in FROM clause" in text or "does not have a column" in text
    ):
        number, state = INVALID_IDENTIFIER, "42000"
        text = f"SQL compilation error: invalid identifier. {text}"
    elif number == NOT_FOUND and (missing := MISSING.search(text)):
        # The text of Snowflake, as in the table of docs/runbook.md.
        return failure(
            NOT_FOUND,
            "42S02",
            "SQL compilation error:\n"
            f"Object '{missing.group(1).upper()}' does not exist or not authorized.",
        )
    elif number == NOT_FOUND and "already exists" in text:
        number, state = EXISTS, "42710"
    elif number == 100035:
        number, state = CONVERSION, "22018"
    elif number == 9999:
        number, state = UNSUPPORTED, "0A000"
    return failure(number, state or "0A000", text)


def _constraint(text: str) -> ProgrammingError:
    if "NOT NULL" in text:
        return failure(NULL_IN_NOT_NULL, "22000", f"NULL result in a non-nullable column. {text}")
    return failure(200001, "22000", text)
