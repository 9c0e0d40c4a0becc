"""Collations of text columns (/sql-reference/collation)."""

from __future__ import annotations

from fakesnow.conn import FakeSnowflakeConnection
from sqlglot import exp

from firn_snowflake import sessions

_NO_CASE = "NOCASE"
"""DuckDB's collation that ignores the case."""


def set_collations(tree: exp.Expression, connection: FakeSnowflakeConnection) -> list[str]:
    """Give each new text column its collation, and return statements for the end of a CTAS.

    Stock fakesnow passes COLLATE to DuckDB, which knows no collation of Snowflake and no empty
    name. A column without COLLATE gets the table's DEFAULT_DDL_COLLATION, otherwise the account's
    (/sql-reference/parameters). Of a collation, only ``ci`` has an effect here.
    """
    if isinstance(tree, exp.Create) and tree.kind != "TABLE":
        return []
    if not isinstance(tree, exp.Create | exp.Alter):
        return []
    default = _default(tree, connection)
    for column in tree.find_all(exp.ColumnDef):
        _set_collation(column, default)
    return _alters_of_ctas(tree, default)


def _default(tree: exp.Expression, connection: FakeSnowflakeConnection) -> str:
    properties = tree.args.get("properties")
    for prop in properties.expressions if properties else []:
        if isinstance(prop, exp.Property) and prop.name.upper() == "DEFAULT_DDL_COLLATION":
            return str(prop.args["value"].name)
    return sessions.get_or_create(connection).parameters.get("DEFAULT_DDL_COLLATION")


def _set_collation(column: exp.ColumnDef, default: str) -> None:
    own, others = None, []
    for constraint in column.constraints:
        kind = constraint.args.get("kind")
        if isinstance(kind, exp.CollateColumnConstraint):
            own = kind.this.name
        else:
            others.append(constraint)
    if _is_text(column.kind) and _ignores_case(default if own is None else own):
        collate = exp.CollateColumnConstraint(this=exp.to_identifier(_NO_CASE))
        others.append(exp.ColumnConstraint(kind=collate))
    column.set("constraints", others)


def _alters_of_ctas(tree: exp.Expression, default: str) -> list[str]:
    query = tree.expression if isinstance(tree, exp.Create) else None
    if not isinstance(query, exp.Select) or isinstance(tree.this, exp.Schema):
        return []
    if not _ignores_case(default):
        return []
    table = tree.this.sql(dialect="snowflake")
    return [
        f"alter table {table} alter column {column.alias} set data type varchar collate {_NO_CASE}"
        for column in query.expressions
        if isinstance(column.unalias(), exp.Cast) and _is_text(column.unalias().to)
    ]


def _is_text(kind: exp.Expression | None) -> bool:
    return isinstance(kind, exp.DataType) and kind.this in exp.DataType.TEXT_TYPES


def _ignores_case(collation: str) -> bool:
    return bool({"ci", "upper", "lower"} & set(collation.lower().split("-")))
