"""`cells tables`: one table of two live databases, compared by checksums down to the rows."""

from __future__ import annotations

from dbaudit.cells.checksum import Difference, Side, compare_tables
from dbaudit.cells.looking import database_of
from dbaudit.comparison import side as sides
from dbaudit.comparison.live import LiveData
from dbaudit.errors import UsageError
from dbaudit.finding import Effect, Finding, Severity, verdict
from dbaudit.result import Result
from dbaudit.schema.model import IndexKind, Table

_SENTENCES = {
    "left": "{count} rows of `{table}` are only in {left}",
    "right": "{count} rows of `{table}` are only in {right}",
    None: "{count} rows of `{table}` are not the same in {left} and {right}",
}
_CHECKS = {"left": "cells.row-only-left", "right": "cells.row-only-right", None: "cells.row-differs"}


def tables(left: sides.Side, right: sides.Side, name: str, key: tuple[str, ...], ignored: frozenset[str]) -> Result:
    """The result. Raises UsageError for a dump, a table that is not there, or a key that does not serve."""
    found = []
    for side in (left, right):
        table = side.schema.tables.get(name)
        if not isinstance(side.data, LiveData) or table is None:
            why = "is no live database" if table is not None else f"has no table {name}"
            raise UsageError(f"{side.label} {why}", "name two live databases that have the table")
        found.append((side.data, table))
    (one, mine), (other, theirs) = found
    key = key or _primary(mine)
    columns = tuple(column.name for column in mine.columns if column.name not in ignored and theirs.column(column.name))
    with one.connected() as here, other.connected() as there:
        differences = list(compare_tables(Side(here, mine), Side(there, theirs), key, columns))
    findings = tuple(_findings(differences, left.label, right.label, name))
    return Result(
        "cells tables", verdict(findings), databases=(database_of(left), database_of(right)), findings=findings,
        extra={"table": name, "key": list(key), "columns": list(columns)},
    )  # fmt: skip


def _primary(table: Table) -> tuple[str, ...]:
    index = next((each for each in table.indexes if each.kind is IndexKind.PRIMARY), None)
    if index is None:
        raise UsageError(f"`{table.name}` has no primary key", "name a unique key with --key")
    return index.columns


def _findings(differences: list[Difference], left: str, right: str, table: str) -> list[Finding]:
    found = []
    for only, sentence in _SENTENCES.items():
        keys = tuple(" ".join(each.key) for each in differences if each.only == only)
        if keys:
            said = sentence.format(count=f"{len(keys):,}", table=table, left=left, right=right)
            found.append(
                Finding(_CHECKS[only], Severity.WARNING, Effect.DRIFT, table, said, count=len(keys), keys=keys)
            )  # fmt: skip
    return found
