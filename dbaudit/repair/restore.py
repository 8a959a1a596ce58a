"""The statements of an undo: which rows are still as a run left them, and how they become what they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.repair import records
from dbaudit.repair.faults import is_conflict, is_lost, text_of
from dbaudit.repair.images import AFTER, BEFORE, Images
from dbaudit.repair.secret import shown
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target

_JSON = ("json", "geometry", "point", "polygon", "vector")


def demand_images(cursor: Any, target: Target, images: Sequence[Images], run: int, seq: int) -> None:
    """Demand that the journal still has a before-image of every row that a chunk changed. Raises DbauditError."""
    wanted, there = records.images_due(cursor, target, run, seq), count_units(cursor, images, run, seq)
    if there != wanted:
        raise DbauditError(
            f"chunk {seq} of run {run} changed {wanted} rows and the journal has images of {there}: it stays as it is",
            "were its images pruned, or written by hand?",
        )


def count_units(cursor: Any, images: Sequence[Images], run: int, seq: int) -> int:
    """Rows of a chunk that the run itself changed, without those that its cascades reached."""
    total = 0
    for each in images:
        cursor.execute(
            f"SELECT COUNT(*) FROM {each.table} i WHERE {each.here('i', BEFORE)} AND i.dbaudit_depth = 0", (run, seq)
        )
        total += int(cursor.fetchone()[0])
    return total


def lock_present(cursor: Any, images: Sequence[Images], run: int, seq: int) -> None:
    """Lock what is there now of a chunk's rows, table by table in the order of their keys."""
    for each in images:
        for side in (BEFORE, AFTER):  # rows that the run made, or gave another key, are to be deleted
            cursor.execute(
                f"SELECT 1 FROM {each.table} i STRAIGHT_JOIN {each.source} t ON {each.same_row('t', 'i')} "
                f"WHERE {each.here('i', side)} FOR UPDATE",
                (run, seq),
            )
            cursor.fetchall()


def touched_units(cursor: Any, images: Sequence[Images], run: int, seq: int) -> dict[bytes, str]:
    """Units of a chunk that somebody changed since, each with a sentence on the first row of it that differs."""
    bad: dict[bytes, str] = {}
    for each in images:
        keys = ", ".join(f"i.{quoted(column)}" for column in each.key)
        present = f"LEFT JOIN {each.source} t ON {each.same_row('t', 'i')}"
        first = quoted(each.key[0])
        cursor.execute(
            f"SELECT i.dbaudit_unit, t.{first} IS NULL, {keys} FROM {each.table} i {present} "
            f"WHERE {each.here('i', AFTER)} AND (t.{first} IS NULL OR NOT ({_same(each)}))",
            (run, seq),
        )
        for unit, gone, *key in cursor.fetchall():
            bad.setdefault(_unit(unit), f"{_row(each, key)} " + ("is gone" if int(gone) else "was changed since"))
        cursor.execute(
            f"SELECT i.dbaudit_unit, {keys} FROM {each.table} i LEFT JOIN {each.table} a "
            f"ON a.dbaudit_run = i.dbaudit_run AND a.dbaudit_seq = i.dbaudit_seq AND a.dbaudit_side = {AFTER} "
            f"AND {each.same_row('a', 'i')} STRAIGHT_JOIN {each.source} t ON {each.same_row('t', 'i')} "
            f"WHERE {each.here('i', BEFORE)} AND a.dbaudit_run IS NULL",
            (run, seq),
        )
        for unit, *key in cursor.fetchall():
            bad.setdefault(_unit(unit), f"{_row(each, key)} is there again")
    return bad


def restore_units(
    cursor: Any, images: Sequence[Images], run: int, seq: int, bad: dict[bytes, str]
) -> tuple[int, dict[bytes, str]]:
    """Bring back every unit of a chunk that is not bad, inside the caller's transaction.

    Gives how many units came back and those that did not: a row whose parent is gone or whose place is taken cannot.
    """
    units = sorted(_all_units(cursor, images, run, seq) - set(bad))
    try:
        cursor.execute("SAVEPOINT dbaudit_chunk")
        _restore(cursor, images, run, seq, units)
    except pymysql.IntegrityError:
        cursor.execute("ROLLBACK TO SAVEPOINT dbaudit_chunk")
    else:
        return len(units), bad
    refused = dict(bad)
    for unit in units:
        cursor.execute("SAVEPOINT dbaudit_unit")
        try:
            _restore(cursor, images, run, seq, [unit])
        except pymysql.MySQLError as error:
            if is_conflict(error) or is_lost(error):
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT dbaudit_unit")
            refused[unit] = f"{_name(cursor, images, run, seq, unit)} cannot come back: {text_of(error)}"
    return len(units) - (len(refused) - len(bad)), refused


def replace_rows(cursor: Any, images: Sequence[Images], run: int, seq: int, bad: dict[bytes, str]) -> int:
    """Bring back a chunk in which keys were swapped, or rows were made: all of it, or nothing where a row is bad.

    What the run left is taken out and what was there put in, without foreign keys looking. Gives the rows put back.
    """
    if bad:
        return 0
    back = 0
    cursor.execute("SET SESSION foreign_key_checks = 0")
    for each in images:
        cursor.execute(
            f"DELETE t FROM {each.table} i STRAIGHT_JOIN {each.source} t ON {each.same_row('t', 'i')} "
            f"WHERE {each.here('i', AFTER)}",
            (run, seq),
        )
    for each in images:
        cursor.execute(
            f"INSERT INTO {each.source} ({each.columns()}) SELECT {each.columns('i')} FROM {each.table} i "
            f"WHERE {each.here('i', BEFORE)}",
            (run, seq),
        )
        back += int(cursor.rowcount)
    cursor.execute("SET SESSION foreign_key_checks = 1")
    return back


def _restore(cursor: Any, images: Sequence[Images], run: int, seq: int, units: Sequence[bytes]) -> None:
    if not units:
        return
    wanted = ", ".join(["%s"] * len(units))
    for depth in _depths(cursor, images, run, seq):
        for each in images:
            cursor.execute(
                f"INSERT INTO {each.source} ({each.columns()}) SELECT {each.columns('i')} FROM {each.table} i "
                f"LEFT JOIN {each.table} a ON a.dbaudit_run = i.dbaudit_run AND a.dbaudit_seq = i.dbaudit_seq "
                f"AND a.dbaudit_side = {AFTER} AND {each.same_row('a', 'i')} "
                f"WHERE {each.here('i', BEFORE)} AND i.dbaudit_depth = %s AND a.dbaudit_run IS NULL "
                f"AND i.dbaudit_unit IN ({wanted})",
                (run, seq, depth, *units),
            )
    for each in images:
        changed = [column for column in each.of.columns if column not in each.key]
        if changed:
            sets = ", ".join(f"t.{quoted(column)} = i.{quoted(column)}" for column in changed)
            cursor.execute(
                f"UPDATE {each.table} i STRAIGHT_JOIN {each.source} t ON {each.same_row('t', 'i')} SET {sets} "
                f"WHERE {each.here('i', BEFORE)} AND i.dbaudit_unit IN ({wanted})",
                (run, seq, *units),
            )


def _same(images: Images) -> str:
    """Whether the present row is the image, byte by byte: a collation calls different texts equal."""
    parts = []
    for column in images.of.columns:
        found = images.of.table.column(column)
        if found is not None and found.type.startswith(_JSON):
            parts.append(f"t.{quoted(column)} <=> i.{quoted(column)}")
        else:
            parts.append(f"CAST(t.{quoted(column)} AS BINARY) <=> CAST(i.{quoted(column)} AS BINARY)")
    return " AND ".join(parts)


def _all_units(cursor: Any, images: Sequence[Images], run: int, seq: int) -> set[bytes]:
    units: set[bytes] = set()
    for each in images:
        cursor.execute(f"SELECT DISTINCT i.dbaudit_unit FROM {each.table} i WHERE {each.here('i', BEFORE)}", (run, seq))
        units |= {_unit(row[0]) for row in cursor.fetchall()}
    return units


def _depths(cursor: Any, images: Sequence[Images], run: int, seq: int) -> list[int]:
    depths: set[int] = set()
    for each in images:
        cursor.execute(
            f"SELECT DISTINCT i.dbaudit_depth FROM {each.table} i WHERE {each.here('i', BEFORE)}", (run, seq)
        )
        depths |= {int(row[0]) for row in cursor.fetchall()}
    return sorted(depths)


def _name(cursor: Any, images: Sequence[Images], run: int, seq: int, unit: bytes) -> str:
    for each in images:
        keys = ", ".join(f"i.{quoted(column)}" for column in each.key)
        cursor.execute(
            f"SELECT {keys} FROM {each.table} i WHERE {each.here('i', BEFORE)} AND i.dbaudit_unit = %s "
            "ORDER BY i.dbaudit_depth LIMIT 1",
            (run, seq, unit),
        )
        if row := cursor.fetchone():
            return _row(each, list(row))
    return "a row"


def _row(images: Images, key: Sequence[Any]) -> str:
    values = (str(shown(images.of.name, name, value)) for name, value in zip(images.key, key, strict=True))
    return f"`{images.of.name}` {' '.join(values)}"


def _unit(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin-1")
