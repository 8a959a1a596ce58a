"""Losses 11 and 16: keys that a new collation calls equal, and counters that give out ids again."""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.proof.change import Change, TableChange
from dbaudit.proof.loss import Loss
from dbaudit.proof.lost_rows import folded
from dbaudit.proof.manifest import ColumnProfile
from dbaudit.proof.value import Kind


def keys_equal(change: Change) -> Iterator[Loss]:
    """11: a key's column was compared byte by byte and is not any more, and two rows differ only in case or accents."""
    for table in change.tables:
        for own, other in table.shared:
            if own.kind is Kind.TEXT and _exact(own) and not _exact(other) and table.rows:
                for unique in _keys_with(table, own.name):
                    yield from _equal(table, own, unique)


def _exact(column: ColumnProfile) -> bool:
    collation = column.collation or ""
    return collation.endswith(("_bin", "_cs")) or "_as_cs" in collation or collation == "binary"


def _keys_with(table: TableChange, column: str) -> tuple[tuple[str, ...], ...]:
    """The shortest unique key with the column; the column by itself where only an index begins with it."""
    found = [key for key in (*table.before.uniques, *table.after.uniques) if column in key]
    known = table.rows[0].tokens if table.rows else {}
    fitting = [key for key in found if all(name in known for name in key)]
    if fitting:
        return (min(fitting, key=len),)
    return ((column,),) if column in table.before.indexed else ()


def _equal(table: TableChange, column: ColumnProfile, unique: tuple[str, ...]) -> Iterator[Loss]:
    assert table.rows is not None
    rows = table.rows[0]
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for i in range(len(rows.keys)):
        if rows.tokens[column.name][i] is not None:
            groups.setdefault(folded(rows, unique, i), []).append(i)
    places = [i for group in groups.values() if len(group) > 1 for i in group]
    if places:
        label = f"{table.before.name}.{column.name}"
        yield Loss(
            11, label, f"{len(places)} row(s) of `{table.before.name}` differ only in the case or accents of "
            f"`{column.name}`, which is not compared any more", len(places),
            tuple(rows.names[i] for i in places), tuple(rows.keys[i] for i in places), facts={"key": list(unique)},
        )  # fmt: skip


def counters_reset(change: Change) -> Iterator[Loss]:
    """16: the next AUTO_INCREMENT is one that was given out before, to a row that is gone."""
    for table in change.tables:
        old, new = table.before.auto_increment, table.after.auto_increment
        if old is None or new is None or new >= old or not table.before.count:
            continue
        label = next((c.name for c in table.after.columns if c.name == "id"), table.after.name)
        yield Loss(
            16, f"{table.before.name}.{label}",
            f"the next id of `{table.before.name}` was {old} and is {new}: {old - new} id(s) are given out again",
            old - new, facts={"before": old, "after": new},
        )  # fmt: skip
