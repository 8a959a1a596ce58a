"""Losses 3, 9, 13, 15 and 19: rows that are gone, and why; rows that appear soft-deleted or with `deleted` NULL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbaudit.proof.change import Change, TableChange
from dbaudit.proof.loss import Loss
from dbaudit.proof.manifest import Rows, TableProfile
from dbaudit.proof.token import Token, digest, read_text
from dbaudit.proof.value import Kind


def rows_gone(change: Change) -> Iterator[Loss]:
    """Rows that are not there: cascaded (13), merged (9), soft-deleted ones left behind (15), else gone (3)."""
    for table in change.tables:
        if change.covered(table.before.name) or table.before.name in change.renamed:
            continue
        if not table.rows:
            missing = table.before.count - table.after.count
            if missing > 0:
                what = f"`{table.before.name}` has {missing:,} row(s) less"
                yield Loss(3, table.before.name, what, missing, step=change.design.deleting(table.before.name))
            continue
        left = set(table.vanished)
        for number, places, facts in (*_cascaded(change, table), *_merged(table)):
            found = sorted(left & set(places))
            left -= set(found)
            if found:
                yield _gone(change, table, number, found, facts)
        if left:
            places = sorted(left)
            skipped = all(_state(table.before, table.rows[0], i, change.before.key) == "deleted" for i in places)
            yield _gone(change, table, 15 if skipped and table.pairs else 3, places, {})


_WHY = {3: "gone", 9: "gone, and one with the same key is kept", 13: "gone with the row they refer to",
        15: "gone, all of them soft-deleted"}  # fmt: skip


def _gone(change: Change, table: TableChange, number: int, places: list[int], facts: dict[str, object]) -> Loss:
    assert table.rows is not None
    name, rows = table.before.name, table.rows[0]
    step = change.design.deleting(name)
    found = [(other.name, len(change.found_in(table.before, places, other))) for other in change.new]
    return Loss(
        number, name, f"{len(places):,} of {table.before.count:,} row(s) of `{name}` are {_WHY[number]}", len(places),
        tuple(rows.names[i] for i in places), tuple(rows.keys[i] for i in places),
        expected=name in change.design.deletes and number == 3, step=step, facts=facts,
        evidence=tuple(f"{count} of them are in `{other}` now" for other, count in found if count),
    )  # fmt: skip


def _cascaded(change: Change, table: TableChange) -> Iterator[tuple[int, list[int], dict[str, object]]]:
    """Rows whose cascading foreign key pointed to a row that is gone too."""
    assert table.rows is not None
    parents = {each.before.name: each for each in change.tables}
    for reference in {*table.before.references, *table.after.references}:
        parent = parents.get(reference.table)
        own = [table.rows[0].tokens.get(name) for name in reference.columns]
        if not reference.cascades or parent is None or not parent.rows or None in own:
            continue
        theirs = [parent.rows[0].tokens.get(name) for name in reference.referred]
        if None in theirs:
            continue
        gone = {tuple(column[i] for column in theirs if column) for i in parent.vanished}
        places = [i for i in table.vanished if tuple(column[i] for column in own if column) in gone]
        yield 13, places, {"parent": reference.table}


def _merged(table: TableChange) -> Iterator[tuple[int, list[int], dict[str, object]]]:
    """Rows that a new unique key calls equal to one that is still there."""
    assert table.rows is not None
    rows = table.rows[0]
    for unique in table.after.uniques:
        if unique in table.before.uniques or any(name not in rows.tokens for name in unique):
            continue
        kept = {folded(rows, unique, i) for i, _ in table.pairs}
        places = [i for i in table.vanished if folded(rows, unique, i) in kept]
        yield 9, places, {"key": list(unique)}


def folded(rows: Rows, columns: Sequence[str], place: int) -> tuple[Token, ...]:
    """A key as a collation without case compares it; hashes are taken apart, numbers stay."""
    return tuple(_fold(rows.tokens[name][place]) for name in columns)


def _fold(value: Token) -> Token:
    if value is None or value.count(".") != 4:
        return value
    return read_text(value).fold


def soft_deleted(change: Change) -> Iterator[Loss]:
    """19: rows that were live and are soft-deleted now, and rows whose `deleted` is NULL now."""
    for table in change.tables:
        column = table.after.column("deleted")
        if column is None or change.covered(table.before.name):
            continue
        label = f"{table.before.name}.deleted"
        if not table.rows:
            yield from _by_count(table, label)
            continue
        before, after = table.rows
        key = change.before.key
        was = {j: _state(table.before, before, i, key) for i, j in table.pairs}
        deleted = [j for j, state in was.items() if state == "live" and _state(table.after, after, j, key) == "deleted"]
        unknown = [j for j in (*was, *table.appeared) if was.get(j, "live") != "unknown"
                   and _state(table.after, after, j, key) == "unknown"]  # fmt: skip
        for places, how in ((deleted, "were live and are soft-deleted now"), (unknown, "have `deleted` NULL now")):
            if places:
                fresh = sum(j not in was for j in places)
                yield Loss(
                    19, label, f"{len(places):,} row(s) of `{table.after.name}` {how}", len(places),
                    tuple(after.names[j] for j in places), tuple(after.keys[j] for j in places),
                    step=change.design.updating(table.before.name), facts={"new_rows": fresh},
                )  # fmt: skip
    yield from _new_tables(change)


def _new_tables(change: Change) -> Iterator[Loss]:
    for table in change.new:
        if table.soft and table.soft.unknown and table.name not in {t.name for t in change.renamed.values()}:
            what = f"{table.soft.unknown:,} row(s) of the new `{table.name}` have `deleted` NULL"
            yield Loss(19, f"{table.name}.deleted", what, table.soft.unknown, step=change.design.updating(table.name))


def _by_count(table: TableChange, label: str) -> Iterator[Loss]:
    old, new = table.before.soft, table.after.soft
    if old and new:
        for more, how in ((min(new.deleted - old.deleted, old.live - new.live), "were live and are soft-deleted now"),
                          (new.unknown - old.unknown, "have `deleted` NULL now")):  # fmt: skip
            if more > 0:
                yield Loss(19, label, f"{more:,} row(s) of `{table.after.name}` {how}", more)


def _state(table: TableProfile, rows: Rows, place: int, key: bytes) -> str:
    """`live`, `deleted` or `unknown`; rows of a table without `deleted` are live."""
    column = table.column("deleted")
    if column is None:
        return "live"
    value = rows.tokens[column.name][place]
    if value is None:
        return "unknown"
    if column.kind is Kind.TEXT:
        text = read_text(value)
        return "live" if not text.chars or text.digest == digest("0", key) else "deleted"
    return "live" if value == "0" else "deleted"
