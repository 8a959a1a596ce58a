"""An Alembic revision from one schema to another and back, rendered by Alembic's own autogenerate.

It has no place in a chain of revisions: `down_revision` is for whoever puts it into one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from alembic.autogenerate import render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from dbaudit.schema.alembic_operations import operations
from dbaudit.schema.alter import alter
from dbaudit.schema.alter_script import MODE
from dbaudit.schema.model import Schema
from dbaudit.schema.statement import Statement, Suggestion

_HEAD = '''"""{title}

Revision ID: {revision}
Revises:

Written by `dbaudit diff --alembic`. MySQL commits each DDL statement by itself: a revision that fails halfway has to be
mended by hand.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "{revision}"
down_revision = None  # put it behind the revision that your database is at
branch_labels = None
depends_on = None
'''


def revision(
    left: Schema,
    right: Schema,
    names: tuple[str, str],
    *,
    allow_loss: bool = False,
    renames: Sequence[tuple[Suggestion, Suggestion]] = (),
) -> str:
    """The text of the revision file; `names` are how the sides are called in it, `renames` suggestions in comments."""
    forward, back = alter(left, right), alter(right, left)
    digest = hashlib.sha256("\0".join(each.sql for each in (*forward, *back)).encode("utf-8", "replace"))
    title = f"From {names[0]} to {names[1]}.".replace("\\", "/").replace('"', "'")
    lines = [_HEAD.format(title=title, revision=digest.hexdigest()[:12])]
    for place, (function, found) in enumerate((("upgrade", forward), ("downgrade", back))):
        suggested = _suggested(each[place] for each in renames)
        lines += ["", f"def {function}() -> None:", *suggested, *_body(found, allow_loss), ""]
    return "\n".join(lines).rstrip() + "\n"


def _suggested(found: Iterable[Suggestion]) -> Iterator[str]:
    for each in found:
        why = " ".join(each.why.split())
        yield f"    # {why}. Then, instead of the drop and the add below:"
        yield f"    # op.execute({each.sql!r})"


def _body(found: Sequence[Statement], allow_loss: bool) -> Iterator[str]:
    context = MigrationContext.configure(dialect_name="mysql")
    live = False
    if any(each.possible for each in found):
        live = True
        yield f"    op.execute(\"SET SESSION sql_mode = '{MODE}'\")"
    for each in found:
        if not each.possible:
            yield f"    # {each.sql}"
    told: tuple[str, ...] = ()
    for operation in operations(found):
        code = _code(operation.operation, context)
        if operation.loses and operation.loses != told:
            yield from (f"    # loses data: {loss}" for loss in operation.loses)
        told = operation.loses
        commented = bool(operation.loses) and not allow_loss
        yield from (f"    # {line[4:]}".rstrip() if commented else line for line in code)
    if not live:
        yield "    pass"


def _code(operation: ops.MigrateOperation, context: MigrationContext) -> list[str]:
    """The lines of one operation, indented by four."""
    if isinstance(operation, ops.ExecuteSQLOp):
        return [f"    op.execute({str(operation.sqltext)!r})"]
    text = render_python_code(ops.UpgradeOps([operation]), migration_context=context)
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("# ###")]
    return [line if line.startswith("    ") else f"    {line}" for line in lines]
