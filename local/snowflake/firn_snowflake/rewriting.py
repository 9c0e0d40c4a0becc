"""Changes to the syntax tree of a statement, before fakesnow converts the tree to DuckDB's SQL."""

from __future__ import annotations

import datetime
import re

import sqlglot
from duckdb import DuckDBPyConnection
from fakesnow.conn import FakeSnowflakeConnection
from sqlglot import exp

from firn_snowflake import errors, formats, sessions

_CONTEXT = {
    "CURRENT_ACCOUNT": "LOCAL",
    "CURRENT_ACCOUNT_NAME": "LOCAL",
    "CURRENT_AVAILABLE_ROLES": "[]",
    "CURRENT_ORGANIZATION_NAME": "LOCAL",
    "CURRENT_REGION": "AWS_EU_WEST_1",
    "CURRENT_ROLE": "SYSADMIN",
    "CURRENT_SECONDARY_ROLES": "{}",
    "CURRENT_SESSION": "1",
    "CURRENT_WAREHOUSE": "LOCAL",
}
_KEYS = (
    exp.PrimaryKey,
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.ForeignKey,
    exp.Reference,
)
_INTEGER = r"-?\d+"


def rewrite(tree: exp.Expression, connection: FakeSnowflakeConnection) -> exp.Expression:
    """Apply every change of this module.

    Raises:
        ProgrammingError: 002031 for a subquery that Snowflake doesn't allow.
    """
    _refuse_subqueries(tree)
    if isinstance(tree, exp.Create):
        if answer := _existing_table_answer(tree, connection):
            return answer
        _drop_temporary(tree)
        _drop_keys(tree)
    _read_timestamps_by_format(tree, connection)
    tree = tree.transform(_context_function, copy=False)
    tree = tree.transform(_to_timestamp_ltz, copy=False)
    return _fix_current_time(tree)


def _existing_table_answer(
    tree: exp.Create, connection: FakeSnowflakeConnection
) -> exp.Expression | None:
    """Return the answer of CREATE TABLE IF NOT EXISTS for an existing table; None for a new table.

    Stock fakesnow clears the table's load history, so the next COPY loads its files again.
    Snowflake answers "already exists, statement succeeded" (/sql-reference/sql/create-table).
    """
    table = tree.find(exp.Table)
    if tree.kind != "TABLE" or not tree.args.get("exists") or table is None:
        return None
    names = (table.catalog or connection.database, table.db or connection.schema, table.name)
    found = connection._duck_conn.execute(
        "select 1 from duckdb_tables() where upper(database_name) = upper(?) "
        "and upper(schema_name) = upper(?) and upper(table_name) = upper(?)",
        list(names),
    ).fetchone()
    if not found:
        return None
    text = exp.Literal.string(f"{table.name.upper()} already exists, statement succeeded.")
    return exp.select(exp.alias_(text, "status"))


def _drop_temporary(tree: exp.Create) -> None:
    """Convert a temporary table or view with a schema name to a permanent object.

    Stock fakesnow fails, because DuckDB stores temporary objects in a separate catalog. Snowflake
    uses the named schema (/user-guide/tables-temp-transient). Here such objects outlive the
    session.
    """
    table = tree.find(exp.Table)
    properties = tree.args.get("properties")
    if tree.kind in ("TABLE", "VIEW") and table and table.db and properties:
        dropped = (exp.TemporaryProperty, exp.CopyGrantsProperty)
        kept = [p for p in properties.expressions if not isinstance(p, dropped)]
        properties.set("expressions", kept)


def _drop_keys(tree: exp.Create) -> None:
    """Remove primary, unique and foreign keys from CREATE TABLE.

    Stock fakesnow passes the keys to DuckDB, which enforces all of them. Snowflake enforces none on
    standard tables (/sql-reference/constraints-overview). Code that depends on a key would succeed
    here and load rows twice in Snowflake.
    """
    schema = tree.this
    if tree.kind != "TABLE" or not isinstance(schema, exp.Schema):
        return
    schema.set("expressions", [e for e in schema.expressions if not _is_key(e)])
    for column in schema.find_all(exp.ColumnDef):
        kept = [c for c in column.constraints if not isinstance(c.args.get("kind"), _KEYS)]
        column.set("constraints", kept)


def _is_key(node: exp.Expression) -> bool:
    if isinstance(node, exp.Constraint):
        return any(isinstance(e, _KEYS) for e in node.expressions)
    return isinstance(node, _KEYS)


def _refuse_subqueries(tree: exp.Expression) -> None:
    """Refuse a subquery of IN with several columns, or under an OR.

    Stock fakesnow accepts both. Snowflake's page allows one column, and no OR around the subquery
    (/sql-reference/operators-subquery). The parser turns NOT IN into a comparison with ALL.
    """
    for found in tree.find_all(exp.In, exp.All, exp.Any):
        if isinstance(found, exp.In) and not found.args.get("query"):
            continue
        compared = found if isinstance(found, exp.In) else found.parent
        parent = found.parent
        while parent and not isinstance(parent, exp.Query | exp.Or):
            parent = parent.parent
        is_tuple = compared is not None and isinstance(compared.this.unnest(), exp.Tuple)
        if is_tuple or isinstance(parent, exp.Or):
            reason = "Unsupported subquery type cannot be evaluated"
            raise errors.failure(errors.SUBQUERY, "42601", f"SQL compilation error: {reason}")


def _read_timestamps_by_format(tree: exp.Expression, connection: FakeSnowflakeConnection) -> None:
    """Cast a text to a timestamp by the session's TIMESTAMP_INPUT_FORMAT.

    Stock fakesnow reads every form that DuckDB knows, as Snowflake does for AUTO. With a format,
    Snowflake refuses any other text (/sql-reference/parameters). The text must be a literal, a
    bind, or a cast to VARCHAR: the types of columns aren't known here.
    """
    text = sessions.get_or_create(connection).parameters.get("TIMESTAMP_INPUT_FORMAT")
    if text.upper() == "AUTO":
        return
    for cast in list(tree.find_all(exp.Cast)):
        value = cast.this.unnest()
        is_text = isinstance(value, exp.Placeholder | exp.Parameter) or value.is_string
        if isinstance(value, exp.Cast):
            is_text = value.to.this in exp.DataType.TEXT_TYPES
        if is_text and cast.to.this in exp.DataType.TEMPORAL_TYPES - {exp.DataType.Type.DATE}:
            layout = exp.Literal.string(formats.to_duckdb(text))
            value.replace(exp.Anonymous(this="strptime", expressions=[value.copy(), layout]))


def _context_function(node: exp.Expression) -> exp.Expression:
    """Replace CURRENT_ROLE() and similar functions by constants.

    Stock fakesnow lacks most of these functions. Snowflake's list:
    /sql-reference/functions-context.
    """
    if isinstance(node, exp.Anonymous):
        name = node.name.upper()
    else:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(node).__name__).upper()
    if name in _CONTEXT and not node.expressions:
        return exp.Literal.string(_CONTEXT[name])
    return node


def _to_timestamp_ltz(node: exp.Expression) -> exp.Expression:
    """Convert TO_TIMESTAMP_LTZ and _TZ of a number with a scale, of epoch seconds, or of text.

    Stock fakesnow keeps the name, and DuckDB has no such function. Snowflake's function:
    /sql-reference/functions/to_timestamp. Digits in a text are seconds here; Snowflake derives the
    unit from the size of the number.
    """
    if isinstance(node, exp.UnixToTime) and _is_zoned(node.args.get("target_type")):
        arguments = [node.this, node.args.get("scale") or exp.Literal.number(0)]
    elif isinstance(node, exp.Anonymous) and re.fullmatch(r"to_timestamp_l?tz", node.name, re.I):
        arguments = node.expressions
    else:
        return node
    value = arguments[0]
    scale = arguments[1] if len(arguments) > 1 else None
    if scale is not None and not scale.is_string:
        return _epoch(value, int(scale.name))
    text = exp.cast(value.copy(), "varchar")
    digits = exp.Anonymous(
        this="regexp_full_match", expressions=[text.copy(), exp.Literal.string(_INTEGER)]
    )
    seconds = _epoch(exp.TryCast(this=text.copy(), to=exp.DataType.build("bigint")), 0)
    timestamp = exp.Cast(this=text, to=exp.DataType.build("timestamptz"))
    return exp.Case().when(digits, seconds).else_(timestamp)


def _is_zoned(target: exp.Expression | None) -> bool:
    zoned = (exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPTZ)
    return isinstance(target, exp.DataType) and target.this in zoned


def _epoch(value: exp.Expression, scale: int) -> exp.Expression:
    """Return the timestamp of a count of 10^-scale seconds since 1970."""
    factor = exp.Literal.number(10 ** abs(6 - scale))
    number = exp.cast(value.copy(), exp.DataType.build("hugeint", dialect="duckdb"))
    scaled = exp.Mul(this=number, expression=factor)
    if scale > 6:
        scaled = exp.IntDiv(this=number, expression=factor)
    micros = exp.cast(scaled, exp.DataType.build("bigint"))
    return exp.Anonymous(this="make_timestamptz", expressions=[micros])


def _fix_current_time(tree: exp.Expression) -> exp.Expression:
    """Replace CURRENT_TIMESTAMP() by the start time of the statement.

    Stock fakesnow uses DuckDB's now(), the start of the transaction, so all statements of a long
    transaction have the same time. Snowflake uses the start of the statement
    (/sql-reference/functions/current_timestamp). Views and column defaults keep the function.
    """
    if isinstance(tree, exp.Create):
        if tree.kind != "TABLE" or not isinstance(tree.expression, exp.Query):
            return tree
        scope: exp.Expression = tree.expression
    elif isinstance(tree, exp.Query | exp.Insert | exp.Update | exp.Delete | exp.Merge):
        scope = tree
    else:
        return tree
    now = datetime.datetime.now(datetime.UTC)
    for node in list(scope.find_all(exp.CurrentTimestamp)):
        constant = exp.cast(exp.Literal.string(now.isoformat(sep=" ")), "timestamptz")
        if node.args.get("sysdate"):
            constant = exp.cast(
                exp.Literal.string(now.replace(tzinfo=None).isoformat(" ")), "datetime"
            )
        if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
            constant = exp.alias_(constant, "CURRENT_TIMESTAMP()", quoted=True)
        node.replace(constant)
    return tree


def qualify_merge_columns(tree: exp.Expression) -> exp.Expression:
    """Qualify the source columns in the INSERT of a MERGE.

    Stock fakesnow converts MERGE to joins, where an unqualified name is ambiguous. In Snowflake
    such a name refers to the source (/sql-reference/sql/merge). dbt writes unqualified names.
    """
    if not isinstance(tree, exp.Merge):
        return tree
    source = exp.to_identifier(tree.args["using"].alias_or_name)
    for when in tree.args["whens"].expressions:
        insert = when.args.get("then")
        if isinstance(insert, exp.Insert) and insert.expression:
            for column in insert.expression.find_all(exp.Column):
                if not column.table:
                    column.set("table", source.copy())
    return tree


def constraints_of_ctas(tree: exp.Expression) -> list[str]:
    """Return the ALTER statements for the NOT NULLs and defaults of CREATE TABLE (...) AS SELECT.

    Stock fakesnow casts the SELECT to the types of the columns and ignores the rest of the
    definitions. Snowflake applies the full definitions (/sql-reference/sql/create-table, CTAS).
    """
    if not isinstance(tree, exp.Create) or tree.kind != "TABLE":
        return []
    if not isinstance(tree.this, exp.Schema) or not isinstance(tree.expression, exp.Query):
        return []
    table = tree.this.this.sql(dialect="snowflake")
    alters: list[str] = []
    for column in tree.this.find_all(exp.ColumnDef):
        name = column.this.sql(dialect="snowflake")
        for constraint in column.constraints:
            kind = constraint.args.get("kind")
            if isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"):
                alters.append(f"alter table {table} alter column {name} set not null")
            elif isinstance(kind, exp.DefaultColumnConstraint):
                value = kind.this.sql(dialect="duckdb")
                alters.append(f"alter table {table} alter column {name} set default {value}")
    return alters


def expand_star(tree: exp.Expression, duck: DuckDBPyConnection) -> None:
    """Replace the star of CREATE TABLE (...) AS SELECT * FROM (...) by the column names.

    Stock fakesnow describes the query in Snowflake's SQL. DuckDB doesn't understand every such
    query.
    """
    if not isinstance(tree, exp.Create) or tree.kind != "TABLE":
        return
    if not isinstance(tree.this, exp.Schema) or not isinstance(tree.expression, exp.Query):
        return
    query = tree.expression.unnest()
    if isinstance(query, exp.Select) and query.is_star:
        described = "describe " + query.sql(dialect="duckdb")
        names = [row[0] for row in duck.execute(described).fetchall()]
        query.set("expressions", [exp.column(exp.to_identifier(n, quoted=False)) for n in names])


def parse_duckdb(sql: str) -> exp.Expression:
    """Parse a text of this package that is already DuckDB's SQL."""
    return sqlglot.parse_one(sql, read="duckdb")
