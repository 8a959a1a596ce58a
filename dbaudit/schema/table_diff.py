"""The differences between two canonical tables of one name.

Columns are paired by name. Indexes, keys and CHECKs are paired by what they do, and what is left over by name: the
same index under another name is `renamed`. The order of columns is told, that of indexes and keys is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from dbaudit.schema.canon._charsets import default_collation, of_column
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.model import CheckConstraint, Column, ForeignKey, Index, Table
from dbaudit.schema.render import (
    render_check,
    render_column,
    render_foreign_key,
    render_index,
    render_parts,
)

TABLE_FIELDS = (
    "unsupported", "engine", "charset", "collation", "row_format", "comment", "partitions"
)  # fmt: skip
COLUMN_FIELDS = (
    "type", "null", "default", "on_update", "auto_increment", "charset", "collation", "comment", "generated",
    "stored", "invisible", "srid", "compressed",
)  # fmt: skip
INDEX_FIELDS = ("using", "parser", "comment", "visible", "block_size")
KEY_FIELDS = ("columns", "referred_schema", "referred_table", "referred_columns", "on_delete", "on_update")
CHECK_FIELDS = ("expression", "enforced")

_Object = TypeVar("_Object")
_Named = TypeVar("_Named", Index, ForeignKey, CheckConstraint)


def diff_tables(left: Table, right: Table) -> Iterator[Difference]:
    """The differences between two canonical tables, the table's own first."""
    name = left.name
    if any(table.unsupported and not table.columns for table in (left, right)):
        # Nothing of it could be read: that is one difference, and not one for each column of the other side.
        texts = left.unsupported, right.unsupported
        yield Difference(Change.CHANGED, Kind.TABLE, name, name, "unsupported", *texts)
        return
    yield from attributes(Kind.TABLE, name, name, TABLE_FIELDS, left, right)
    if left.unsupported and left.unsupported == right.unsupported:
        texts = left.unsupported, right.unsupported
        yield Difference(Change.CHANGED, Kind.TABLE, name, name, "unsupported", *texts)
    old, new = dict(left.options), dict(right.options)
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield Difference(Change.CHANGED, Kind.TABLE, name, name, key, old.get(key), new.get(key))
    yield from _columns(left, right)
    yield from _indexes(left, right)
    yield from _keys(left, right)
    yield from _checks(left, right)


def whole(
    kind: Kind,
    table: str | None,
    name: str,
    old: _Object | None,
    new: _Object | None,
    text: Callable[[_Object], str],
) -> Difference:
    """An object that is only on one side."""
    if old is not None:
        return Difference(Change.REMOVED, kind, table, name, left=text(old))
    assert new is not None
    return Difference(Change.ADDED, kind, table, name, right=text(new))


def attributes(
    kind: Kind, table: str | None, name: str, fields: Sequence[str], old: object, new: object
) -> Iterator[Difference]:
    """The differences in these fields of two values."""
    get = attrgetter(*fields)
    if old is new or get(old) == get(new):
        return
    from deepdiff import DeepDiff  # here: most runs find nothing that differs, and it takes long to import

    before, after = ({field: getattr(value, field) for field in fields} for value in (old, new))
    changed = DeepDiff(before, after).affected_root_keys
    for field in fields:
        if field in changed:
            yield Difference(Change.CHANGED, kind, table, name, field, _text(before[field]), _text(after[field]))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _columns(left: Table, right: Table) -> Iterator[Difference]:
    old = {column.name.lower(): column for column in left.columns}
    new = {column.name.lower(): column for column in right.columns}
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key), new.get(key)
        if before is after:
            continue
        if before is not None and after is not None:
            before, after = _with_charsets(left, before, right, after)
            yield from attributes(Kind.COLUMN, left.name, old[key].name, COLUMN_FIELDS, before, after)
        else:
            name = (old.get(key) or new[key]).name
            yield whole(Kind.COLUMN, left.name, name, before, after, render_column)
    order = [key for key in old if key in new], [key for key in new if key in old]
    if order[0] != order[1]:
        texts = ", ".join(old[key].name for key in order[0]), ", ".join(new[key].name for key in order[1])
        yield Difference(Change.REORDERED, Kind.TABLE, left.name, left.name, "columns", *texts)


def _with_charsets(left: Table, before: Column, right: Table, after: Column) -> tuple[Column, Column]:
    """Two columns with the charsets that they have, where one inherits what the other names.

    Where both inherit, a difference is the table's and is told there.
    """
    if before.charset == after.charset and before.collation == after.collation:
        return before, after
    return _with_charset(left, before), _with_charset(right, after)


def _with_charset(table: Table, column: Column) -> Column:
    charset, collation = of_column(table, column)
    plain = charset is None or collation == default_collation(charset)
    return replace(column, charset=charset, collation=None if plain else collation)


def _indexes(left: Table, right: Table) -> Iterator[Difference]:
    pairs, old, new = _pair(left.indexes, right.indexes, lambda index: (index.kind, index.parts))
    same, old, new = _pair(old, new, lambda index: index.name.lower())
    for before, after in (*pairs, *same):
        yield from _renamed(Kind.INDEX, left.name, before, after)
        yield from attributes(Kind.INDEX, left.name, _label(before, after), ("kind", *INDEX_FIELDS), before, after)
        if before.parts != after.parts:
            texts = render_parts(before.parts), render_parts(after.parts)
            yield Difference(Change.CHANGED, Kind.INDEX, left.name, before.name, "parts", *texts)
    # The server's own index of a foreign key shows up when only one side has the key: that is told as the key's.
    old = [index for index in old if not _of_lost_key(index, right, left)]
    new = [index for index in new if not _of_lost_key(index, left, right)]
    yield from (whole(Kind.INDEX, left.name, index.name, index, None, render_index) for index in old)
    yield from (whole(Kind.INDEX, left.name, index.name, None, index, render_index) for index in new)


def _of_lost_key(index: Index, other: Table, own: Table) -> bool:
    """Whether the other side has a foreign key over exactly these columns that this side lacks, or calls otherwise."""
    if any((key.columns, key.name.lower()) == (index.columns, index.name.lower()) for key in other.foreign_keys):
        return not index.unique  # the server named it after the key
    mine = {key.columns for key in own.foreign_keys}
    keys = {key.columns for key in other.foreign_keys} - mine
    return not index.unique and index.columns in keys


def _keys(left: Table, right: Table) -> Iterator[Difference]:
    def place(key: ForeignKey) -> tuple[object, ...]:
        return key.columns, key.referred_schema, key.referred_table, key.referred_columns

    pairs, old, new = _pair(left.foreign_keys, right.foreign_keys, place)
    by_columns, old, new = _pair(old, new, lambda key: key.columns)
    by_name, old, new = _pair(old, new, lambda key: key.name.lower() or id(key))
    # Keys that the server named are told by what they refer to, where nothing else is left of them.
    by_target, old, new = _pair(old, new, lambda key: id(key) if key.name else place(key)[1:])
    for before, after in (*pairs, *by_columns, *by_name, *by_target):
        yield from _renamed(Kind.FOREIGN_KEY, left.name, before, after)
        yield from attributes(Kind.FOREIGN_KEY, left.name, _label(before, after), KEY_FIELDS, before, after)
    yield from (whole(Kind.FOREIGN_KEY, left.name, key.name, key, None, render_foreign_key) for key in old)
    yield from (whole(Kind.FOREIGN_KEY, left.name, key.name, None, key, render_foreign_key) for key in new)


def _checks(left: Table, right: Table) -> Iterator[Difference]:
    pairs, old, new = _pair(left.checks, right.checks, lambda check: check.expression)
    same, old, new = _pair(old, new, lambda check: check.name.lower() or id(check))
    for before, after in (*pairs, *same):
        yield from _renamed(Kind.CHECK, left.name, before, after)
        yield from attributes(Kind.CHECK, left.name, _label(before, after), CHECK_FIELDS, before, after)
    yield from (whole(Kind.CHECK, left.name, check.name, check, None, render_check) for check in old)
    yield from (whole(Kind.CHECK, left.name, check.name, None, check, render_check) for check in new)


def _renamed(kind: Kind, table: str, old: _Named, new: _Named) -> Iterator[Difference]:
    if old.name.lower() != new.name.lower():
        yield Difference(Change.RENAMED, kind, table, old.name, left=old.name, right=new.name)


def _label(old: _Named, new: _Named) -> str:
    """The name that both have; of two names the first in the alphabet, so that both directions say the same."""
    return min(filter(None, (old.name, new.name)), default="")


def _pair(
    left: Iterable[_Named], right: Iterable[_Named], key: Callable[[_Named], object]
) -> tuple[list[tuple[_Named, _Named]], list[_Named], list[_Named]]:
    """Pairs of equal keys, and what is left over on each side. Among equals, the same names go together."""
    pairs: list[tuple[_Named, _Named]] = []
    old, new = list(left), list(right)
    for by in (lambda each: (key(each), each.name.lower()), key):
        places: dict[object, list[_Named]] = {}
        for each in new:
            places.setdefault(by(each), []).append(each)
        single = []
        for each in old:
            if found := places.get(by(each)):
                pairs.append((each, found.pop(0)))
            else:
                single.append(each)
        old, new = single, [each for each in new if any(each is rest for rest in places[by(each)])]
    return pairs, old, new
