"""The statements of `alter` as operations of Alembic, each beside what it may lose.

What Alembic has words for becomes its own operation: tables, columns in the last place, indexes, foreign keys. All the
rest (a column between others, generated columns, CHECKs, partitions, triggers) is SQL in `op.execute`: an operation
that says almost the same would leave a difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alembic.operations import ops

from dbaudit.schema import sqlalchemy_objects as objects
from dbaudit.schema.model import Column, Index, IndexKind, Table
from dbaudit.schema.statement import About, Act, Statement
from dbaudit.schema.table_alter import Clause

_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, and what it may lose."""

    operation: ops.MigrateOperation
    loses: tuple[str, ...] = ()


def operations(statements: Sequence[Statement]) -> Iterator[Operation]:
    """Operations that do what the statements do, in their order; remarks are left out."""
    for each in statements:
        if each.possible:
            yield from _of(each)


def _of(each: Statement) -> Iterator[Operation]:
    about = each.about
    found = list(_known(about)) if about is not None else []
    if not found or None in found:
        yield Operation(_execute(each.sql), each.loses)
        return
    for operation in found:
        assert operation is not None
        yield Operation(operation, each.loses)


def _execute(sql: str) -> ops.ExecuteSQLOp:
    """SQL as it is; op.execute takes `:word` for a parameter."""
    return ops.ExecuteSQLOp(_PARAMETER.sub(r"\\:", sql))


def _known(about: About) -> Iterator[ops.MigrateOperation | None]:
    """The operations, None among them where there is one that Alembic has no words for."""
    table, key = about.table, about.key
    if about.act is Act.CREATE_TABLE:
        yield from _create(table)
    elif about.act is Act.DROP_TABLE:
        yield ops.DropTableOp(table.name)
    elif about.act is Act.DROP_KEY and key is not None:
        yield ops.DropConstraintOp(key.name, table.name, type_="foreignkey")
    elif about.act is Act.ADD_KEY and key is not None:
        yield ops.CreateForeignKeyOp(
            key.name or None, table.name, key.referred_table, list(key.columns), list(key.referred_columns),
            ondelete=key.on_delete, onupdate=key.on_update, referent_schema=key.referred_schema,
        )  # fmt: skip
    else:
        for clause in about.clauses:
            yield None if clause.entangled else _clause(table, clause)


def _create(table: Table) -> Iterator[ops.MigrateOperation | None]:
    made = objects.table(table)
    yield ops.CreateTableOp.from_table(made) if made is not None else None
    for index in table.indexes:
        if index.kind is not IndexKind.PRIMARY:
            yield _index(table, index)


def _index(table: Table, index: Index) -> ops.MigrateOperation | None:
    options = objects.index_options(index)
    if options is None:
        return None
    return ops.CreateIndexOp(index.name, table.name, list(index.columns), unique=index.unique, **options)


def _clause(table: Table, clause: Clause) -> ops.MigrateOperation | None:
    before, after = clause.before, clause.after
    if isinstance(after, Index):
        return _index(table, after)
    if isinstance(before, Index):
        return ops.DropIndexOp(before.name, table.name)
    behind = any(check.column.lower() == column.lower() for check in table.checks for column in clause.columns)
    if behind or (before is None and after is None):
        return None
    if after is None and isinstance(before, Column):
        return ops.DropColumnOp(table.name, before.name)
    assert isinstance(after, Column)
    made = objects.column(after, table)
    if made is None:
        return None
    if before is None:
        return ops.AddColumnOp(table.name, made)
    old = objects.column(before, table) if isinstance(before, Column) else None
    return ops.AlterColumnOp(
        table.name, after.name, existing_type=(old if old is not None else made).type, modify_type=made.type,
        existing_nullable=before.null if isinstance(before, Column) else None, modify_nullable=after.null,
        modify_server_default=made.server_default, modify_comment=made.comment,
    )  # fmt: skip
