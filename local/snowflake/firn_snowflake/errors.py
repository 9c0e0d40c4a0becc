"""Errors with the numbers and states that drivers see from Snowflake.

A driver repeats a request that ends as HTTP 500, for minutes by default, so whatever DuckDB, the
object store or fakesnow raise becomes an error of the statement.
"""

from __future__ import annotations

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
SESSION_GONE = 390111
LOGIN_REFUSED = 390100
TOKEN_INVALID = 390144
TRANSACTION_ABORTED = 90070
NULL_IN_NOT_NULL = 100072
CONVERSION = 100038
FILE_NOT_FOUND = 91016
FILE_UNREADABLE = 100999
"""Our own number: which one Snowflake gives for a file that isn't Parquet isn't documented."""


def failure(number: int, state: str, message: str) -> ProgrammingError:
    """An error of a statement: number, SQLSTATE, text."""
    return ProgrammingError(msg=message, errno=number, sqlstate=state)


def locked(message: str) -> ProgrammingError:
    """000625: the statement gave up a lock. Retry it; 57014 is the state to look at."""
    return failure(LOCKED, "57014", f"Statement was aborted: {message}")


def translate(error: Exception, sql: str) -> ProgrammingError:
    """Give an error of fakesnow, DuckDB or the object store its number.

    Stock fakesnow answers HTTP 500 to most of DuckDB's errors, and some others carry a number that
    Snowflake gives to something else. Unknown ones become 000002 (0A000), "unsupported feature".
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
    if isinstance(error, FileNotFoundError | PermissionError | duckdb.IOException):
        return failure(FILE_NOT_FOUND, "22000", f"Remote file was not found or refused. {text}")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return failure(CONVERSION, "22018", text)
    why = f"{type(error).__name__}: {text} in: {sql[:300]}"
    return failure(UNSUPPORTED, "0A000", f"Unsupported feature of the local stand-in: {why}")


def _renumber(error: connector_errors.Error) -> ProgrammingError:
    """Numbers that fakesnow gives and Snowflake doesn't."""
    text = str(error.raw_msg if getattr(error, "raw_msg", None) else error.msg)
    number, state = error.errno, error.sqlstate
    if number in (None, -1):
        number, state = UNSUPPORTED, "0A000"
    elif number == 2043 and (
        "not found in FROM clause" in text or "does not have a column" in text
    ):
        number, state = INVALID_IDENTIFIER, "42000"
        text = f"SQL compilation error: invalid identifier. {text}"
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
