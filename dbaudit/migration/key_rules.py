"""Whether a foreign key can be made, and what stands in the way of dropping what one needs.

InnoDB wants both tables InnoDB, the parent's columns first in an index, the same type, and for text the same charset
and collation: a difference of collation alone is refused (1215 on MySQL 5.6, 1005 errno 150 on MariaDB, 3780 on 8+).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from dbaudit.check import Clash, Trouble
from dbaudit.schema.model import Column, ForeignKey, Index, IndexKind, IndexPart, Schema, Table

Refusal = Callable[[str], Clash]
REFUSED = "1215 Cannot add foreign key constraint"
_TEXT = re.compile(r"(?:var)?char|(?:tiny|medium|long)?text|enum|set", re.IGNORECASE)
_SIZE = re.compile(r"^(\w+)(?:\([^)]*\))?(.*)$")
# The collation that a charset has by itself, where the server's text leaves it out.
_DEFAULT = {"utf8": "utf8_general_ci", "latin1": "latin1_swedish_ci", "ascii": "ascii_general_ci"}


def clashes(schema: Schema, child: Table, key: ForeignKey, work: str, *, named: bool) -> Iterator[Clash]:
    """Why the server will refuse `key` on `child`; nothing where it will not.

    The name must be free in the whole database; `named` says that the script chose it, else the server does.
    """

    def refused(detail: str) -> Clash:
        return Clash(Trouble.FOREIGN_KEY, f"{child.name}({', '.join(key.columns)})", work, REFUSED, detail)

    if not _innodb(child):
        return  # other engines take the clause and forget it
    # A name that the server chooses is free within its own table, and may be taken by another.
    own = None if named else child.name
    owners = [t.name for t in schema.tables.values() if t.name != own and t.foreign_key(key.name) and _innodb(t)]
    if owners:
        error = "1022 Can't write; duplicate key in table"
        yield Clash(Trouble.EXISTS, f"{owners[0]}.{key.name}", work, error, "the name of a foreign key is taken")
        return
    parent = child if key.referred_table == child.name else schema.tables.get(key.referred_table)
    if parent is None:
        yield refused(f"there is no table {key.referred_table}")
        return
    if not _innodb(parent):
        yield refused(f"{parent.name} is {parent.engine}, not InnoDB")
        return
    if not any(index.columns[: len(key.referred_columns)] == key.referred_columns for index in parent.indexes):
        yield refused(f"no index of {parent.name} starts with ({', '.join(key.referred_columns)})")
        return
    for own, other in zip(key.columns, key.referred_columns, strict=True):
        yield from _columns(child, own, parent, other, refused, work)


def _columns(child: Table, own: str, parent: Table, other: str, refused: Refusal, work: str) -> Iterator[Clash]:
    left, right = child.column(own), parent.column(other)
    if right is None:
        yield refused(f"there is no column {parent.name}.{other}")
    elif left is None:
        return  # seen where the column itself is missing
    elif _TEXT.match(left.type) and _TEXT.match(right.type):
        yield from _text(child, left, parent, right, refused, work)
    elif _base(left.type) != _base(right.type):
        yield refused(f"{child.name}.{own} is {left.type}, {parent.name}.{other} is {right.type}")


def _text(child: Table, left: Column, parent: Table, right: Column, refused: Refusal, work: str) -> Iterator[Clash]:
    ours, theirs = collation(child, left), collation(parent, right)
    if ours == theirs:
        return
    if ours is None or theirs is None:
        object_ = f"{child.name} -> {parent.name}"
        yield Clash(Trouble.CHARSET_UNKNOWN, object_, work, REFUSED, theirs or ours or "")
        return
    yield refused(f"{child.name}.{left.name} is {ours}, {parent.name}.{right.name} is {theirs}")


def collation(table: Table, column: Column) -> str | None:
    """The collation that a column has, its own or inherited; None where it is the database's default and not known."""
    for charset, name in ((column.charset, column.collation), (table.charset, table.collation)):
        if name:
            return _plain(name)
        if charset:
            plain = _plain(charset)
            return _DEFAULT.get(plain, f"{plain} (its default collation)")
    return None


def users(schema: Schema, table: Table, column: str) -> tuple[str, ...]:
    """The foreign keys, as `table.name`, that would lose `table.column`."""
    own = [f"{table.name}.{key.name}" for key in table.foreign_keys if column in key.columns]
    return (*own, *_referring(schema, table, lambda key: column in key.referred_columns))


def left_without_index(schema: Schema, table: Table, index: Index) -> tuple[str, ...]:
    """The foreign keys, as `table.name`, that have no other index once this one is gone."""
    rest = [each for each in table.indexes if each is not index]

    def bare(columns: tuple[str, ...]) -> bool:
        served = index.columns[: len(columns)] == columns
        return served and not any(each.columns[: len(columns)] == columns for each in rest)

    own = [f"{table.name}.{key.name}" for key in table.foreign_keys if bare(key.columns)]
    return (*own, *_referring(schema, table, lambda key: bare(key.referred_columns)))


def referring(schema: Schema, table: Table) -> tuple[str, ...]:
    """The foreign keys of other tables, as `table.name`, that refer to this one."""
    own = f"{table.name}."
    return tuple(name for name in _referring(schema, table, lambda _: True) if not name.startswith(own))


def implicit_index(key: ForeignKey) -> Index:
    """The index that the server makes for a foreign key whose columns have none."""
    return Index(key.name, IndexKind.PLAIN, tuple(IndexPart(column) for column in key.columns))


def _referring(schema: Schema, table: Table, wanted: Callable[[ForeignKey], bool]) -> tuple[str, ...]:
    return tuple(
        f"{other.name}.{key.name}"
        for other in schema.tables.values()
        for key in other.foreign_keys
        if key.referred_table == table.name and wanted(key)
    )


def _innodb(table: Table) -> bool:
    """Whether the table is InnoDB; one that names no engine gets the default, which is InnoDB."""
    return table.engine is None or table.engine.lower() == "innodb"


def _plain(name: str) -> str:
    return re.sub(r"^utf8mb3", "utf8", name.lower())


def _base(type_: str) -> str:
    """The type without its display width: `int(11) unsigned` and `int unsigned` are one."""
    match = _SIZE.match(type_.lower())
    return f"{match[1]}{match[2]}" if match else type_.lower()
