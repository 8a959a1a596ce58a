"""One schema into another: statements in an order in which they apply.

Foreign keys go first and come last, so that nothing else has to mind them; tables are made without them. Nothing is run
here. Whether a statement may lose rows or values is said beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from dbaudit.schema.canon import canonical, canonical_table
from dbaudit.schema.canon._charsets import default_collation
from dbaudit.schema.explicit import explicit_table
from dbaudit.schema.model import ForeignKey, Schema, Table
from dbaudit.schema.pairing import case_pairs, respelled
from dbaudit.schema.render import (
    render_event,
    render_foreign_key,
    render_routine,
    render_table,
    render_trigger,
    render_view,
)
from dbaudit.schema.statement import About, Act, Statement
from dbaudit.schema.table_alter import TableChange
from dbaudit.schema.text import name


def alter(left: Schema, right: Schema) -> tuple[Statement, ...]:
    """The statements that make the left schema the right one; none where nothing differs."""
    return tuple(_Plan(left, right).statements())


class _Plan:
    """The two schemas, raw and canonical, and the tables that are changed."""

    def __init__(self, left: Schema, right: Schema) -> None:
        self._renamed = dict(case_pairs(left, right)) if left.lower_case_table_names in (None, 0) else {}
        left = replace(respelled(left, dict(case_pairs(left, right))), views=left.views)
        self._left, self._right = left, right
        self._old, self._new = canonical(left), canonical(right)
        self._changes = {
            key: TableChange(table, right.tables[key])
            for key, table in left.tables.items()
            if key in right.tables
            and self._old.tables[key] != self._new.tables[key]
            and not (table.unsupported or right.tables[key].unsupported)
        }

    def statements(self) -> Iterator[Statement]:
        """Everything in order."""
        yield from self._remarks()
        yield from self._database()
        yield from self._others_dropped()
        dropped, added = self._foreign_keys()
        for old, new in self._renamed.items():
            yield Statement(f"RENAME TABLE {name(old)} TO {name(new)}")
        yield from dropped
        for key in sorted(self._right.tables.keys() - self._left.tables.keys()):
            table = explicit_table(replace(self._right.tables[key], foreign_keys=()))
            yield Statement(render_table(table), about=About(Act.CREATE_TABLE, table))
        for _, change in sorted(self._changes.items()):
            yield from _altered(change)
        yield from self._tables_dropped()
        yield from added
        yield from self._others_added()

    def _remarks(self) -> Iterator[Statement]:
        for key in sorted(self._left.tables.keys() & self._right.tables.keys()):
            for side, table in (("left", self._left.tables[key]), ("right", self._right.tables[key])):
                if table.unsupported:
                    text = f"table {key} cannot be changed for certain; {side} side: {table.unsupported}"
                    yield Statement(" ".join(text.split()), possible=False)

    def _database(self) -> Iterator[Statement]:
        old, new = self._old, self._new
        known = old.charset is not None and new.charset is not None
        if known and (old.charset, old.collation) != (new.charset, new.collation):
            collation = new.collation or default_collation(str(new.charset))
            yield Statement(f"ALTER DATABASE CHARACTER SET {new.charset} COLLATE {collation}")

    def _foreign_keys(self) -> tuple[list[Statement], list[Statement]]:
        """Foreign keys to drop before everything else, and to add after it."""
        dropped, added = [], []
        for key in sorted(self._right.tables):
            table = self._right.tables[key]
            old = self._left.tables.get(key)
            keep = [] if old is None else self._kept(old, table)
            if old is not None:
                for each in old.foreign_keys:
                    if not any(each is one for one, _ in keep):
                        dropped.append(_drop_key(key, each, self._held_by(old, each, table)))
            for new in table.foreign_keys:
                if not any(new is two for _, two in keep):
                    added.append(_add_key(table, new, self._loss_behind(key, new)))
        return dropped, added

    def _kept(self, old: Table, new: Table) -> list[tuple[ForeignKey, ForeignKey]]:
        """Pairs of foreign keys that are the same, and that nothing else disturbs."""
        left = list(zip(old.foreign_keys, self._old.tables[old.name].foreign_keys, strict=True))
        right = list(zip(new.foreign_keys, self._new.tables[new.name].foreign_keys, strict=True))
        pairs = []
        for raw, plain in left:
            same = next((each for each in right if each[1] == plain), None)
            if same is not None and not self._disturbed(old.name, raw):
                right.remove(same)
                pairs.append((raw, same[0]))
        return pairs

    def _disturbed(self, table: str, key: ForeignKey) -> bool:
        """Whether a column or index under the key, on either side of it, is changed."""
        own = self._changes.get(table)
        if own is not None and own.touched & {column.lower() for column in key.columns}:
            return True
        other = self._changes.get(key.referred_table) if key.referred_schema is None else None
        return other is not None and bool(other.touched & {column.lower() for column in key.referred_columns})

    def _loss_behind(self, table: str, key: ForeignKey) -> tuple[str, ...]:
        """What is lost before the key can be made: a losing change of a column that it stands on."""
        found: list[str] = []
        for name_, columns in ((table, key.columns), (key.referred_table, key.referred_columns)):
            change = self._changes.get(name_)
            wanted = {column.lower() for column in columns}
            for clauses, losing in change.statements if change else ():
                if losing and any(wanted & {column.lower() for column in clause.columns} for clause in clauses):
                    found.extend(each for clause in clauses for each in clause.loses)
        return tuple(dict.fromkeys(found))

    def _held_by(self, old: Table, key: ForeignKey, new: Table) -> tuple[str, ...]:
        """What is lost by what the key is dropped for; nothing where the key itself goes."""
        plain = canonical_table(replace(old, foreign_keys=(key,))).foreign_keys[0]
        stays = plain in self._new.tables[new.name].foreign_keys
        return self._loss_behind(old.name, key) if stays else ()

    def _tables_dropped(self) -> Iterator[Statement]:
        """Tables that the right side has not, those that refer to others first."""
        gone = {key: self._left.tables[key] for key in sorted(self._left.tables.keys() - self._right.tables.keys())}
        while gone:
            held = {
                each.referred_table
                for key, table in gone.items()
                for each in table.foreign_keys
                if each.referred_table != key
            }
            free = [key for key in gone if key not in held]
            for key in free or list(gone)[:1]:
                table = gone.pop(key)
                loss = (f"drops table {key} with its rows",)
                if not free:  # a ring of references
                    yield from (
                        _drop_key(each.name, k, loss)
                        for each in gone.values()
                        for k in each.foreign_keys
                        if k.referred_table == table.name
                    )
                yield Statement(f"DROP TABLE {name(key)}", loss, about=About(Act.DROP_TABLE, table))

    def _others_dropped(self) -> Iterator[Statement]:
        for kind, old, new, _ in self._kinds(reverse=True):
            for key in sorted(old):
                if old[key] != new.get(key):
                    routine = kind == "ROUTINE"
                    what = f"{key.split(' ', 1)[0]} {name(key.split(' ', 1)[1])}" if routine else f"{kind} {name(key)}"
                    yield Statement(f"DROP {what}")

    def _others_added(self) -> Iterator[Statement]:
        for kind, old, new, render in self._kinds(reverse=False):
            keys = [key for key in sorted(new) if old.get(key) != new[key]]
            if kind == "VIEW":
                keys = _views_in_order(self._new, keys)
            for key in keys:
                yield Statement(render(new[key]), body=kind != "VIEW")

    def _kinds(
        self, *, reverse: bool
    ) -> Iterator[tuple[str, Mapping[str, object], Mapping[str, object], Callable[[object], str]]]:
        """The kinds of objects that are no tables, in the order in which they can be made."""
        old, new = self._old, self._new
        kinds: list[tuple[str, Mapping[str, object], Mapping[str, object], Callable[..., str]]] = [
            ("ROUTINE", old.routines, new.routines, render_routine),
            ("VIEW", old.views, new.views, render_view),
            ("TRIGGER", old.triggers, new.triggers, render_trigger),
            ("EVENT", old.events, new.events, render_event),
        ]
        yield from reversed(kinds) if reverse else kinds


def _views_in_order(schema: Schema, keys: list[str]) -> list[str]:
    """Views after the views that they read."""
    order: list[str] = []
    left = list(keys)
    while left:
        free = [key for key in left if not any(name(o) in schema.views[key].select for o in left if o != key)] or left
        order += free
        left = [key for key in left if key not in free]
    return order


def _drop_key(table: str, key: ForeignKey, loses: tuple[str, ...] = ()) -> Statement:
    if not key.name:
        text = f"the foreign key of {table} over {', '.join(key.columns)} is to be dropped; its name is not known"
        return Statement(text, possible=False)
    about = About(Act.DROP_KEY, Table(table), key)
    return Statement(f"ALTER TABLE {name(table)} DROP FOREIGN KEY {name(key.name)}", loses, about=about)


def _add_key(table: Table, key: ForeignKey, loses: tuple[str, ...]) -> Statement:
    """A key without a name of its own gets one from the server again."""
    plain = canonical_table(replace(table, foreign_keys=(key,))).foreign_keys[0]
    key = replace(key, name=plain.name)
    sql = f"ALTER TABLE {name(table.name)} ADD {render_foreign_key(key)}"
    return Statement(sql, loses, about=About(Act.ADD_KEY, table, key))


def _altered(change: TableChange) -> Iterator[Statement]:
    """The ALTER TABLE statements of a table; partitions go before its columns change and come after."""
    head = f"ALTER TABLE {name(change.right.name)}"
    old, new = canonical_table(change.left).partitions, canonical_table(change.right).partitions
    lossy: tuple[str, ...] = ()
    if old is not None and old != new:
        yield Statement(f"{head} REMOVE PARTITIONING")
    for clauses, losing in change.statements:
        loses = tuple(dict.fromkeys(each for clause in clauses for each in clause.loses))
        lossy = loses if losing else lossy
        about = About(Act.ALTER_TABLE, change.right, clauses=tuple(clauses))
        yield Statement(f"{head}\n  " + ",\n  ".join(clause.sql for clause in clauses), loses, about=about)
    if new is not None and old != new:
        yield Statement(f"{head}\n{change.right.partitions}", lossy)
