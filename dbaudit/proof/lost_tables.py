"""Losses 1 and 2, and 14 of columns: tables that are dropped with rows, columns with values, values half moved."""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.proof.change import Change, TableChange, same
from dbaudit.proof.loss import Loss
from dbaudit.proof.manifest import ColumnProfile, Rows, TableProfile


def tables_dropped(change: Change) -> Iterator[Loss]:
    """1: the table is gone and had rows; 14: the greater part of its rows is in a new table, the rest nowhere."""
    for table in change.gone:
        if not table.count or change.covered(table.name):
            continue
        step = change.design.drops.get(table.name)
        every = range(table.count)
        best = max(
            ((other, change.found_in(table, every, other)) for other in change.new),
            key=lambda found: len(found[1]),
            default=(None, ()),
        )
        if best[0] is not None and best[1]:
            yield _half_moved(table, best[0], best[1])
            continue
        names = table.rows.names if table.rows else ()
        yield Loss(
            1, table.name, f"`{table.name}` had {_rows(table.count)}", table.count,
            names, table.rows.keys if table.rows else (), expected=step is not None, step=step,
        )  # fmt: skip


def _half_moved(table: TableProfile, other: TableProfile, found: tuple[int, ...]) -> Loss:
    assert table.rows is not None
    missing = sorted(set(range(table.count)) - set(found))
    return Loss(
        14, table.name,
        f"{len(found)} of {_rows(table.count)} of `{table.name}` are in `{other.name}` now, {len(missing)} are not",
        len(missing), tuple(table.rows.names[i] for i in missing), tuple(table.rows.keys[i] for i in missing),
        facts={"moved_to": other.name, "moved": len(found)},
    )  # fmt: skip


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def columns_dropped(change: Change) -> Iterator[Loss]:
    """2: a column is gone and had values that no new column of the table has; 14: some of them have arrived there."""
    for table in change.tables:
        if change.covered(table.before.name):
            continue
        for column in table.before.columns:
            held = table.before.count - column.nulls
            label = f"{table.before.name}.{column.name}"
            if held and not table.after.column(column.name) and not change.covered(table.before.name, column.name):
                yield from _dropped(change, table, column, held, label)


def _dropped(change: Change, table: TableChange, column: ColumnProfile, held: int, label: str) -> Iterator[Loss]:
    step = change.design.drops.get(label)
    if not table.rows:
        if not any(new.checksum == column.checksum for new in _new_columns(table)):
            what = f"`{label}` had {held:,} value(s)"
            yield Loss(2, label, what, held, expected=step is not None, step=step)
        return
    rows = table.rows[0]
    values = [i for i, _ in table.pairs if rows.tokens[column.name][i] is not None]
    best, missing = _arrived(table, column, values)
    if not missing:
        return
    where = {"moved_to": best, "moved": len(values) - len(missing)} if best else {}
    names, marks = _named(rows, missing)
    if best:
        what = f"{len(values) - len(missing)} of {len(values)} value(s) of `{label}` are in `{best}` now"
        yield Loss(14, label, what, len(missing), names, marks, step=step, facts=where)
    else:
        what = f"`{label}` had {len(missing):,} value(s)"
        yield Loss(2, label, what, len(missing), names, marks, expected=step is not None, step=step)


def _new_columns(table: TableChange) -> tuple[ColumnProfile, ...]:
    return tuple(column for column in table.after.columns if table.before.column(column.name) is None)


def _arrived(table: TableChange, column: ColumnProfile, values: list[int]) -> tuple[str | None, list[int]]:
    """The new column that has more than half of the values, and the rows whose value it does not have."""
    assert table.rows is not None
    old, after = table.rows[0].tokens[column.name], dict(table.pairs)
    for new in _new_columns(table):
        tokens = table.rows[1].tokens[new.name]
        missing = [i for i in values if not same(old[i], tokens[after[i]], column.kind, new.kind, table.key)]
        if len(missing) * 2 < len(values):
            return f"{table.after.name}.{new.name}", missing
    return None, values


def _named(rows: Rows, places: list[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(rows.names[i] for i in places), tuple(rows.keys[i] for i in places)
