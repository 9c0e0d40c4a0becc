"""The path of one statement through fakesnow's cursor, with every mend of this package in place."""

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

from firn_snowflake import errors, rewriting, sessions, transactions
from firn_snowflake.parameters import ALTER_SESSION, SHOW_PARAMETERS
from firn_snowflake.statements import SUCCESS, Statement, bare, parse_to_change
from firn_snowflake.users import Users

RESULTS_KEPT = 64

_COLUMNS = "firn_columns"
"""The cursor's attribute for its last result and that one's columns."""

_IF_NOT_EXISTS = re.compile(r"create\b[^(]*?\bif\s+not\s+exists\b", re.I)
_CREATING = threading.Lock()


def mend(fake: FakeSnow, users: Users) -> None:
    """Put this module's functions in place of fakesnow's; statements on users change these."""
    fake.results_cache = _Recent()
    _mend_execute(users)
    _mend_transform()
    _mend_run()
    _mend_describe()
    _quote_reserved(fake)


class _Recent(OrderedDict[str, tuple[Any, ...]]):
    """The newest results by query id.

    Stock fakesnow keeps every result of every session until it stops.
    """

    def __setitem__(self, key: str, value: tuple[Any, ...]) -> None:
        super().__setitem__(key, value)
        while len(self) > RESULTS_KEPT:
            self.popitem(last=False)


def _quote_reserved(fake: FakeSnow) -> None:
    """Quote every name that DuckDB reserves.

    Stock fakesnow passes on names that are free in Snowflake (/sql-reference/reserved-keywords) and
    reserved in DuckDB, a column AT for one: a syntax error.
    """
    words = fake.duck_conn.execute(
        "select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'"
    ).fetchall()
    generator = DuckDB.generator_class
    generator.RESERVED_KEYWORDS = {*generator.RESERVED_KEYWORDS, *(word for (word,) in words)}


def _mend_execute(users: Users) -> None:
    inner = FakeSnowflakeCursor.execute

    def execute(
        self: FakeSnowflakeCursor,
        command: str,
        *arguments: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> FakeSnowflakeCursor:
        """Run one statement under its session's parameters, time limit and transaction."""
        session, text = sessions.of(self._conn), bare(command)

        def run(sql: str) -> FakeSnowflakeCursor:
            if sql == SUCCESS:
                return inner(self, users.run(text) or sql)
            return inner(self, sql, *arguments, **options)

        try:
            with session.running(), _one_creator(text):
                if altered := ALTER_SESSION.match(text):
                    _alter_session(session, *altered.groups())
                    return run(SUCCESS)
                if shown := SHOW_PARAMETERS.match(text):
                    return inner(self, session.parameters.show(shown["like"]))
                return transactions.run(session, Statement.read(text), run)
        except Exception as error:
            raise errors.translate(error, command) from error

    FakeSnowflakeCursor.execute = execute  # type: ignore[method-assign]
    stock.parse_one = parse_to_change


@contextmanager
def _one_creator(text: str) -> Iterator[None]:
    """Let one statement at a time look whether its object exists, and make it if not.

    Stock fakesnow looks, makes it and then notes its columns: of two sessions that make the same
    table one fails over the notes, with HTTP 500, after which drivers try again. Snowflake: who
    comes second finds it there and succeeds (/sql-reference/sql/create-table).
    """
    if not _IF_NOT_EXISTS.match(text):
        yield
        return
    with _CREATING:
        yield


def _alter_session(session: sessions.Session, verb: str, text: str) -> None:
    """ALTER SESSION (/sql-reference/sql/alter-session); see Parameters for what stock does."""
    names = session.parameters.alter(verb, text)
    if "TIMEZONE" in names:
        set_time_zone(session)
    if "AUTOCOMMIT" in names and session.autocommit:
        transactions.commit(session)


def set_time_zone(session: sessions.Session) -> None:
    """Let casts between moments and local times use the session's TIMEZONE."""
    zone = session.parameters.get("TIMEZONE").replace("'", "''")
    session.duck.execute(f"set session timezone = '{zone}'")


def _mend_transform() -> None:
    """Run the tree through rewriting, and leave out the transforms of fakesnow that are wrong."""
    inner = FakeSnowflakeCursor._transform

    def transform(self: FakeSnowflakeCursor, tree: exp.Expression, params: Any) -> exp.Expression:  # noqa: ANN401
        tree = rewriting.rewrite(tree, self._conn)
        alters = rewriting.constraints_of_ctas(tree)
        transformed = inner(self, tree, params)
        if alters:
            transformed.args["firn_alters"] = alters
        return transformed

    inner_ctas = transforms.create_table_as

    def create_table_as(tree: exp.Expression, duck: Any) -> exp.Expression:  # noqa: ANN401
        rewriting.describe_in_duckdb(tree, duck)
        return inner_ctas(tree, duck)

    inner_merge = transforms.merge
    FakeSnowflakeCursor._transform = transform  # type: ignore[method-assign]
    transforms.create_table_as = create_table_as
    transforms.merge = lambda tree: inner_merge(rewriting.merge_with_source_names(tree))
    transforms.numeric_agg_implicit_cast = exact_sums


def exact_sums(tree: exp.Expression) -> exp.Expression:
    """Leave SUM, AVG and their like alone.

    Stock fakesnow casts their argument to DOUBLE, so a sum of NUMBER(12,2) is a float and
    off by cents. Snowflake: NUMBER stays NUMBER (/sql-reference/functions/sum).
    """
    return tree


def _note_columns(cursor: FakeSnowflakeCursor) -> None:
    """Keep what DuckDB says of the columns of the result that the cursor has just taken."""
    cursor.__dict__[_COLUMNS] = (cursor._arrow_table, cursor._duck_conn.description)


def _mend_describe() -> None:
    """Describe a result by what DuckDB said when it was made.

    Stock fakesnow sends the statement's text through the parser and DuckDB's planner a second time,
    as DESCRIBE, which took over half of a short statement's time.
    """
    inner = FakeSnowflakeCursor._describe_last_sql

    def describe(self: FakeSnowflakeCursor) -> list[tuple[Any, ...]]:
        result, columns = self.__dict__.get(_COLUMNS, (None, None))
        if result is None or result is not self._arrow_table:
            return inner(self)
        return [(name, str(kind), "YES", None, None, None) for name, kind, *_ in columns]

    FakeSnowflakeCursor._describe_last_sql = describe  # type: ignore[method-assign]


def _mend_run() -> None:
    inner = FakeSnowflakeCursor._execute

    def run(self: FakeSnowflakeCursor, tree: exp.Expression, params: Any = None) -> None:  # noqa: ANN401
        """Run the finished tree, without a comment that isn't there, with a CTAS's constraints.

        Stock fakesnow writes an empty comment for every CREATE into a second database, which
        DuckDB refuses inside a transaction, and gives that row's count as COMMENT's result, of a
        type that isn't the described one: the Go driver panics.
        """
        comment = tree.args.get("table_comment")
        if comment and comment[1] is None:
            del tree.args["table_comment"]
        inner(self, tree, params)
        _note_columns(self)
        for alter in tree.args.get("firn_alters") or []:
            self._duck_conn.execute(alter)
        if isinstance(tree, exp.Select) and (comment or tree.args.get("col_comments")):
            self._arrow_table = pa.table({"status": ["Statement executed successfully."]})
            self._last_sql, self._last_params = stock.SQL_SUCCESS, None

    FakeSnowflakeCursor._execute = run  # type: ignore[method-assign]
    info = stock.info_schema
    inner_comment = info.insert_table_comment_sql

    def comment_sql(catalog: str, schema: str, table: str, comment: str) -> str:
        """Quote the text: stock fakesnow breaks on a comment with an apostrophe."""
        return inner_comment(catalog, schema, table, comment.replace("'", "''"))

    info.insert_table_comment_sql = comment_sql
