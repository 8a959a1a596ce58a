"""What is different between two schemas, object by object.

Both are made canonical first, so that spelling is no difference. Tables are compared whole, and only those that
differ are looked into, by `table_diff`. diff(b, a) is diff(a, b) with every difference turned round. Whether a
difference matters is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dbaudit.schema.canon import canonical
from dbaudit.schema.difference import MATTERS, NOT_COMPARED, Change, Difference, Kind
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.pairing import case_matters, case_pairs, respelled
from dbaudit.schema.render import render_table
from dbaudit.schema.table_diff import attributes, diff_tables, whole

__all__ = ["NOT_COMPARED", "OTHER_FIELDS", "Change", "Difference", "Kind", "diff", "differences"]

# What is compared of objects that are no tables; the first field is shown for an object that one side lacks.
OPTIONS = ("engine", "charset", "collation", "row_format", "comment")
OTHER_FIELDS = {
    Kind.VIEW: ("select", "security", "check_option", "algorithm", "columns"),
    Kind.TRIGGER: ("body", "table", "timing", "event"),
    Kind.ROUTINE: ("body", "kind"),
    Kind.EVENT: ("body",),
}


def diff(left: Schema, right: Schema) -> tuple[Difference, ...]:
    """The differences from left to right: the database, tables in alphabetical order, then the other objects.

    The database's default charset is compared where both sides know it. A table that cannot be represented whole is
    always told, even when its text is the same on both sides.
    """
    return tuple(differences(canonical(left), canonical(right)))


def differences(left: Schema, right: Schema) -> Iterator[Difference]:
    """The differences between two schemas as they are spelled."""
    if left.charset is not None and right.charset is not None:
        yield from attributes(Kind.DATABASE, None, "", ("charset", "collation"), left, right)
    left, right, renamed = _paired(left, right)
    yield from renamed
    for name in sorted({*left.tables, *right.tables}):
        old, new = left.tables.get(name), right.tables.get(name)
        if old is None or new is None:
            yield whole(Kind.TABLE, name, name, old, new, render_table)
        elif old.unsupported or (old is not new and old != new):  # canonical ones that are equal mostly are one
            yield from diff_tables(*_with_known_options(old, new))
    yield from _others(Kind.VIEW, left.views, right.views)
    yield from _others(Kind.TRIGGER, left.triggers, right.triggers)
    yield from _others(Kind.ROUTINE, left.routines, right.routines)
    yield from _others(Kind.EVENT, left.events, right.events)


def _with_known_options(old: Table, new: Table) -> tuple[Table, Table]:
    """The tables; where one names no engine, its dump was told to leave options out, and they are not compared."""
    if (old.engine is None) == (new.engine is None) or old.unsupported or new.unsupported:
        return old, new
    nothing = Table("")
    left_out = {field: getattr(nothing, field) for field in (*OPTIONS, "options")}
    return replace(old, **left_out), replace(new, **left_out)


def _paired(left: Schema, right: Schema) -> tuple[Schema, Schema, list[Difference]]:
    """Both schemas with one spelling for tables that only their case tells apart, and what is told of those."""
    pairs = case_pairs(left, right)
    if not pairs:
        return left, right, []
    matters = MATTERS if case_matters(left, right) else ""
    one = {pair: min(pair) for pair in pairs}
    renamed = [Difference(Change.RENAMED, Kind.TABLE, name, old, matters, old, new) for (old, new), name in one.items()]
    return (
        respelled(left, {old: name for (old, _), name in one.items()}),
        respelled(right, {new: name for (_, new), name in one.items()}),
        renamed,
    )


def _others(kind: Kind, left: Mapping[str, object], right: Mapping[str, object]) -> Iterator[Difference]:
    fields = OTHER_FIELDS[kind]
    for name in sorted({*left, *right}):
        old, new = left.get(name), right.get(name)
        table = getattr(old or new, "table", None) or None
        if old is None or new is None:
            yield whole(kind, table, name, old, new, lambda each: str(getattr(each, fields[0])))
        else:
            # A trigger that moved belongs to neither table more than to the other.
            table = table if getattr(new, "table", None) == table else None
            yield from attributes(kind, table, name, fields, old, new)
