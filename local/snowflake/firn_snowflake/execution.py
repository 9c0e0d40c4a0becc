"""The path of one statement through fakesnow's cursor, with every patch of this package."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fakesnow.cursor as stock
import fakesnow.transforms as transforms
import pyarrow as pa
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from firn_snowflake import collations, errors, rewriting, sessions, transactions
from firn_snowflake.catalog import Catalog
from firn_snowflake.parameters import (
    ALTER_ACCOUNT,
    ALTER_SESSION,
    SHOW_PARAMETERS,
    alter_account,
)
from firn_snowflake.revocations import Revocations, role_of_use
from firn_snowflake.statements import SUCCESS, Statement, parse_copy, strip_comments
from firn_snowflake.users import Users

MAX_RESULTS = 64

_COLUMNS = "firn_columns"
"""The cursor's attribute for its last result and the columns of this result."""

_IF_NOT_EXISTS = re.compile(r"create\b[^(]*?\bif\s+not\s+exists\b", re.I)
_CREATE_LOCK = threading.Lock()


def install(fake: FakeSnow, users: Users, revocations: Revocations, catalog: Catalog) -> None:
    """Install this module's functions in fakesnow.

    Statements on users change `users`. GRANT and REVOKE change `revocations`, which every
    other statement obeys. These two and statements on objects change `catalog`.
    """
    fake.results_cache = _RecentResults()
    _patch_execute(users, revocations, catalog)
    _patch_transform()
    _patch_run()
    _patch_describe()
    _quote_reserved(fake)


class _RecentResults(OrderedDict[str, tuple[Any, ...]]):
    """The newest results by query id.

    Stock fakesnow keeps every result of every session until the server stops.
    """

    def __setitem__(self, key: str, value: tuple[Any, ...]) -> None:
        super().__setitem__(key, value)
        while len(self) > MAX_RESULTS:
            self.popitem(last=False)


def _quote_reserved(fake: FakeSnow) -> None:
    """Quote every name that DuckDB reserves.

    Some names are free in Snowflake (/sql-reference/reserved-keywords) and reserved in DuckDB, for
    example a column AT. Stock fakesnow doesn't quote such a name: a syntax error.
    """
    words = fake.duck_conn.execute(
        "select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'"
    ).fetchall()
    generator = DuckDB.generator_class
    generator.RESERVED_KEYWORDS = {*generator.RESERVED_KEYWORDS, *(word for (word,) in words)}


def _patch_execute(users: Users, revocations: Revocations, catalog: Catalog) -> None:
    inner = FakeSnowflakeCursor.execute

    def execute(
        self: FakeSnowflakeCursor,
        command: str,
        *arguments: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> FakeSnowflakeCursor:
        """Run one statement with the parameters, time limit and transaction of its session."""
        session, text = sessions.get_or_create(self._conn), strip_comments(command)

        def run(sql: str) -> FakeSnowflakeCursor:
            if sql == SUCCESS:
                revocations.run(session, text)
                catalog.run_ignored(text, self._conn)
                return inner(self, users.run(text) or sql)
            if answer := catalog.answer(text, self._conn):
                return inner(self, answer)
            revocations.check(session, sql)
            session.role = role_of_use(text) or session.role
            with catalog.changes(text, self._conn):
                return inner(self, sql, *arguments, **options)

        try:
            with session.running(), _one_create_at_a_time(text):
                if altered := ALTER_ACCOUNT.match(text):
                    alter_account(*altered.groups())
                    return run(SUCCESS)
                if altered := ALTER_SESSION.match(text):
                    _alter_session(session, *altered.groups())
                    return run(SUCCESS)
                if shown := SHOW_PARAMETERS.match(text):
                    return inner(self, session.parameters.show(shown["like"]))
                return transactions.run(session, Statement.from_text(text), run)
        except Exception as error:
            raise errors.translate(error, command) from error

    FakeSnowflakeCursor.execute = execute  # type: ignore[method-assign]
    stock.parse_one = parse_copy


@contextmanager
def _one_create_at_a_time(text: str) -> Iterator[None]:
    """Run one CREATE ... IF NOT EXISTS at a time, from its check to its end.

    Stock fakesnow checks, creates the table and then stores its columns. If two sessions create the
    same table, the second insert of columns fails with HTTP 500, and the driver retries. In
    Snowflake the second session finds the table and succeeds (/sql-reference/sql/create-table).
    """
    if not _IF_NOT_EXISTS.match(text):
        yield
        return
    with _CREATE_LOCK:
        yield


def _alter_session(session: sessions.Session, verb: str, text: str) -> None:
    """Run ALTER SESSION (/sql-reference/sql/alter-session). See `Parameters` for stock fakesnow."""
    names = session.parameters.alter(verb, text)
    if "TIMEZONE" in names:
        set_time_zone(session)
    if "AUTOCOMMIT" in names and session.autocommit:
        transactions.commit(session)


def set_time_zone(session: sessions.Session) -> None:
    """Use the session's TIMEZONE in casts between timestamps and local times."""
    zone = session.parameters.get("TIMEZONE").replace("'", "''")
    session.duck.execute(f"set session timezone = '{zone}'")


def _patch_transform() -> None:
    """Rewrite the tree first, and replace the incorrect transforms of fakesnow."""
    inner = FakeSnowflakeCursor._transform

    def transform(self: FakeSnowflakeCursor, tree: exp.Expression, params: Any) -> exp.Expression:  # noqa: ANN401
        alters = collations.set_collations(tree, self._conn)
        tree = rewriting.rewrite(tree, self._conn)
        alters += rewriting.constraints_of_ctas(tree)
        transformed = inner(self, tree, params)
        if alters:
            transformed.args["firn_alters"] = alters
        return transformed

    inner_ctas = transforms.create_table_as

    def create_table_as(tree: exp.Expression, duck: Any) -> exp.Expression:  # noqa: ANN401
        rewriting.expand_star(tree, duck)
        return inner_ctas(tree, duck)

    inner_merge = transforms.merge
    FakeSnowflakeCursor._transform = transform  # type: ignore[method-assign]
    transforms.create_table_as = create_table_as
    transforms.merge = lambda tree: inner_merge(rewriting.qualify_merge_columns(tree))
    transforms.numeric_agg_implicit_cast = exact_sums


def exact_sums(tree: exp.Expression) -> exp.Expression:
    """Return the tree of SUM, AVG and similar functions without a change.

    Stock fakesnow casts the argument to DOUBLE, so the sum of NUMBER(12,2) is a float with rounding
    errors. Snowflake returns NUMBER for NUMBER (/sql-reference/functions/sum).
    """
    return tree


def _store_columns(cursor: FakeSnowflakeCursor) -> None:
    """Store DuckDB's columns of the cursor's new result."""
    cursor.__dict__[_COLUMNS] = (cursor._arrow_table, cursor._duck_conn.description)


def _patch_describe() -> None:
    """Describe a result by the columns that DuckDB returned with the result.

    Stock fakesnow runs the statement's text through the parser and DuckDB's planner a second time,
    as DESCRIBE. This second pass took more than half of a short statement's time.
    """
    inner = FakeSnowflakeCursor._describe_last_sql

    def describe(self: FakeSnowflakeCursor) -> list[tuple[Any, ...]]:
        result, columns = self.__dict__.get(_COLUMNS, (None, None))
        if result is None or result is not self._arrow_table:
            return inner(self)
        return [(name, str(kind), "YES", None, None, None) for name, kind, *_ in columns]

    FakeSnowflakeCursor._describe_last_sql = describe  # type: ignore[method-assign]


def _patch_run() -> None:
    inner = FakeSnowflakeCursor._execute

    def run(self: FakeSnowflakeCursor, tree: exp.Expression, params: Any = None) -> None:  # noqa: ANN401
        """Run the final tree without an empty comment, and add the constraints of a CTAS.

        Stock fakesnow writes an empty comment for every CREATE into a second database. DuckDB
        refuses this write inside a transaction. The row count of the write becomes COMMENT's
        result, with a type other than the described type, and the Go driver panics.
        """
        comment = tree.args.get("table_comment")
        if comment and comment[1] is None:
            del tree.args["table_comment"]
        inner(self, tree, params)
        _store_columns(self)
        for alter in tree.args.get("firn_alters") or []:
            self._duck_conn.execute(alter)
        if isinstance(tree, exp.Select) and (comment or tree.args.get("col_comments")):
            self._arrow_table = pa.table({"status": ["Statement executed successfully."]})
            self._last_sql, self._last_params = stock.SQL_SUCCESS, None

    FakeSnowflakeCursor._execute = run  # type: ignore[method-assign]
    info = stock.info_schema
    inner_comment = info.insert_table_comment_sql

    def comment_sql(catalog: str, schema: str, table: str, comment: str) -> str:
        """Quote the text: stock fakesnow fails on a comment with an apostrophe."""
        return inner_comment(catalog, schema, table, comment.replace("'", "''"))

    info.insert_table_comment_sql = comment_sql
