"""Losses 4 to 8, 10, 12, 17 and 18, and 2 of columns that stay: values that are not what they were, and how.

A value that was changed in a way of which nothing shows that it was damaged is no loss: migrations change values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from dbaudit.proof.change import Change, TableChange
from dbaudit.proof.loss import Loss
from dbaudit.proof.manifest import ColumnProfile
from dbaudit.proof.token import Text, Token, read_text
from dbaudit.proof.value import Kind, choices, decimal_bound, number_bounds, text_limit

Cell = tuple[int, Token, Token]
_ZERO = "0000-00-00"
# Time zones lie at most so far apart, and at multiples of a quarter of an hour.
_FURTHEST, _QUARTER = timedelta(hours=26), timedelta(minutes=15)
# What a server or a service writes whenever it touches a row says nothing about the row's data.
_ADMINISTRATIVE = frozenset({"deleted", "updated_at", "deleted_at"})


def values_changed(change: Change) -> Iterator[Loss]:
    """Values of rows and columns that are still there."""
    for table in change.tables:
        if change.covered(table.before.name):
            continue
        for own, other in table.shared:
            if own.name in _ADMINISTRATIVE or change.covered(table.before.name, own.name):
                continue
            if table.rows:
                cells = list(table.cells(own, other))
                if cells:
                    yield from _column(change, table, own, other, cells)
            elif _cut_somewhere(own, other):
                what = f"the longest value of `{own.name}` had {own.longest} characters and has {other.longest}"
                yield Loss(4, f"{table.before.name}.{own.name}", what, 1)


def _cut_somewhere(own: ColumnProfile, other: ColumnProfile) -> bool:
    """Whether the longest text is shorter and fills the column: all that sums tell of a cut."""
    shorter = other.longest is not None and other.longest < (own.longest or 0)
    return shorter and own.checksum != other.checksum and other.longest in text_limit(other.type)


_SAID = {
    2: "are NULL now", 4: "were cut", 5: "were clipped or rounded", 6: "lost their sign or became a zero date",
    7: "have characters that became others", 8: "were NULL and are empty now, or were empty and are NULL",
    10: "are another choice now, or none", 12: "lost names of their JSON", 17: "are shifted by the same time",
    18: "were overwritten by one constant",
}  # fmt: skip


def _column(
    change: Change, table: TableChange, own: ColumnProfile, other: ColumnProfile, cells: list[Cell]
) -> Iterator[Loss]:
    assert table.rows is not None
    rows = table.rows[0]
    whole = _shifted(own, other, cells) or _constant(table, own, other, cells) or _cut_alike(own, other, cells)
    found: dict[int, list[Cell]] = {whole: cells} if whole else {}
    for cell in () if whole else cells:
        number = _cell(own, other, cell[1], cell[2])
        if number:
            found.setdefault(number, []).append(cell)
    for number, bad in sorted(found.items()):
        label = f"{table.before.name}.{own.name}"
        yield Loss(
            number, label, f"{len(bad):,} value(s) of `{label}` {_SAID[number]}", len(bad),
            tuple(rows.names[i] for i, _, _ in bad), tuple(rows.keys[i] for i, _, _ in bad),
            step=change.design.drops.get(label) or change.design.updating(table.before.name),
            expected=number == 2 and label in change.design.drops,
            facts=_facts(number, bad),
        )  # fmt: skip


def _facts(number: int, bad: list[Cell]) -> dict[str, object]:
    if number != 12:
        return {}
    return {"names": sorted({name for _, before, after in bad for name in _json_lost(before, after)})[:20]}


def _json_lost(before: Token, after: Token) -> set[str]:
    old, new = (read_text(each).json if each else None for each in (before, after))
    return set(old) - set(new) if old is not None and new is not None else set()


def _cell(own: ColumnProfile, other: ColumnProfile, before: Token, after: Token) -> int | None:
    """The class of one changed value, None where nothing shows damage."""
    hashed = own.kind is Kind.TEXT and other.kind is Kind.TEXT
    if hashed and None in (before, after):
        given = read_text(before or after or "")
        if not given.chars:
            return 8
    if after is None:
        return 2
    if before is None:
        return None
    if hashed:
        return _text(read_text(before), read_text(after), other)
    judge = _JUDGES.get((own.kind, other.kind))
    with localcontext(prec=400):  # as many digits as a DOUBLE can have before its point
        return judge(own, other, before, after) if judge else None


def _text(before: Text, after: Text, other: ColumnProfile) -> int | None:
    wide = before.bytes > before.chars
    if wide and after.chars == before.chars and after.questions > before.questions and after.bytes < before.bytes:
        return 7
    if wide and after.chars == before.bytes and after.bytes > before.bytes:  # each byte was taken for a character
        return 7
    chars, size = text_limit(other.type)
    full = after.chars == chars or (size is not None and size - 4 < after.bytes <= size)
    if after.chars < before.chars and full:
        return 4
    if before.json is not None and after.json is not None and set(before.json) - set(after.json):
        return 12
    return None


def _number(own: ColumnProfile, other: ColumnProfile, before: str, after: str) -> int | None:
    old, new = Decimal(before), Decimal(after)
    bounds = number_bounds(other.type) or ()
    limit = decimal_bound(other.type)
    edges = {Decimal(each) for each in bounds} | ({Decimal(limit), -Decimal(limit)} if limit else set())
    if old < 0 <= new and (new == -old or own.type != other.type):
        return 6
    if new in edges and abs(new) < abs(old):
        return 5
    digits = Decimal(1).scaleb(min(int(new.as_tuple().exponent), 0))
    rounded = {old.quantize(unit, way) for unit in (digits, Decimal(1)) for way in (ROUND_HALF_UP, ROUND_DOWN)}
    if own.type != other.type and new in rounded:
        return 5
    near = own.type != other.type and old and abs(new - old) / abs(old) < Decimal("0.001")
    return 5 if near or (new != old and abs(new - old) < 1 and new == new.to_integral_value()) else None


def _time(own: ColumnProfile, other: ColumnProfile, before: str, after: str) -> int | None:
    if after.startswith(_ZERO) and not before.startswith(_ZERO):
        return 6
    moved = _between(before, after)
    if moved is not None and abs(moved) <= timedelta(seconds=1) and "." in before:
        return 5  # parts of a second, cut or rounded
    return 5 if other.type == "date" and before[:10] == after[:10] else None


def _choice(own: ColumnProfile, other: ColumnProfile, before: str, after: str) -> int | None:
    old, new = choices(own.type), choices(other.type)
    if not after or before not in new:
        return 10
    return 10 if before in old and after in new and old.index(before) == new.index(after) else None


_JUDGES: dict[tuple[Kind, Kind], Callable[[ColumnProfile, ColumnProfile, str, str], int | None]] = {
    (Kind.NUMBER, Kind.NUMBER): _number,
    (Kind.TIME, Kind.TIME): _time,
    (Kind.CHOICE, Kind.CHOICE): _choice,
}


def _between(before: str, after: str) -> timedelta | None:
    try:
        return datetime.fromisoformat(after) - datetime.fromisoformat(before)
    except ValueError:
        return None


def _shifted(own: ColumnProfile, other: ColumnProfile, cells: list[Cell]) -> int | None:
    """17: every changed time moved by the same whole number of quarters of an hour (two, where summer time is kept)."""
    if own.kind is not Kind.TIME or other.kind is not Kind.TIME or (len(cells) < 2 and own.type == other.type):
        return None
    moves = {_between(before, after) if before and after else None for _, before, after in cells}
    known = {move for move in moves if move}
    alike = len(known) == len(moves) <= 2 and all(abs(move) <= _FURTHEST and not move % _QUARTER for move in known)
    return 17 if alike else None


def _constant(table: TableChange, own: ColumnProfile, other: ColumnProfile, cells: list[Cell]) -> int | None:
    """18: different values, not NULL, became one, which now stands in every row that was there."""
    assert table.rows is not None
    after = {table.rows[1].tokens[other.name][j] for _, j in table.pairs}
    lost = {before for _, before, _ in cells if before is not None}
    constant = len(after) == 1 and None not in after
    return 18 if constant and len({*lost, *after}) > 2 and len(lost) > 1 else None


def _cut_alike(own: ColumnProfile, other: ColumnProfile, cells: list[Cell]) -> int | None:
    """4: several texts that were longer have all the same length now."""
    if own.kind is not Kind.TEXT or other.kind is not Kind.TEXT or len(cells) < 2:
        return None
    texts = [(read_text(before), read_text(after)) for _, before, after in cells if before and after]
    sizes = {after.chars for _, after in texts}
    alike = len(texts) == len(cells) and len(sizes) == 1 and min(sizes) > 0
    return 4 if alike and all(before.chars > after.chars for before, after in texts) else None
