"""Which tables a step may have changed, by all that was observed of it: so that only these have to be read again."""

from __future__ import annotations

from collections.abc import Mapping

from dbaudit.migration.definitions import changed_tables
from dbaudit.migration.events import Events
from dbaudit.migration.gauges import Gauges
from dbaudit.record import RowsRecord
from dbaudit.schema.read import LiveText


def tables_touched(
    events: Events | None, rows: Mapping[str, RowsRecord] | None, before: Gauges, after: Gauges,
    texts: tuple[LiveText | None, LiveText | None],
) -> frozenset[str] | None:  # fmt: skip
    """Their names in lower case; None where that cannot be told, so that it may be any. `texts` are the definitions
    before and after, where they were read."""
    old, new = before.tables, after.tables
    if events is None or rows is None or old is None or new is None or events.opaque or events.unkept:
        return None
    found = {name.lower() for name, counts in rows.items() if counts.changed}
    found |= {name.lower() for name in {*old, *new} if _number(old, name) != _number(new, name)}
    was, now = texts
    if was and now:
        found |= changed_tables(was, now)
    known = {name.lower() for name in (*old, *new)}
    for event in events.ddl:
        found |= known & {word.strip("`").lower() for word in _words(event.text)}
    return frozenset(found | _children(rows, before.cascades, after.cascades))


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c in "_$" else " " for c in text).split()


def _number(tables: Mapping[str, object], name: str) -> object:
    return getattr(tables.get(name), "number", None)


def _children(rows: Mapping[str, RowsRecord], *cascades: Mapping[tuple[str, str], frozenset[str]]) -> set[str]:
    """The tables that foreign keys may have changed in turn, which no counter shows: InnoDB does it by itself."""
    new = {(name.lower(), how) for name, counts in rows.items() for how in ("deleted", "updated")
           if getattr(counts, how)}  # fmt: skip
    found: set[str] = set()
    while new:
        children = {child for each in cascades for key in new for child in each.get(key, ())} - found
        found |= children
        new = {(child, how) for child in children for how in ("deleted", "updated")}
    return found
