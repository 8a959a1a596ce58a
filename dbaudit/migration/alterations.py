"""How each ALTER of a step was done: by which algorithm, under which lock, and whether the table was written anew.

It is told from the stages that a statement went through: `copy to tmp table` is COPY; InnoDB's `alter table (...)` is
INPLACE, with `log apply table` where the table was written anew. A change that only touched the dictionary has no
such stage: whether the server calls that INSTANT shows where its counter of instant changes rose by just as many. What
cannot be told so is not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dbaudit.migration.events import Event, Events
from dbaudit.migration.gauges import Gauges
from dbaudit.record import NOT_OBSERVED, DdlRecord
from dbaudit.server.version import ServerVersion

_ALTERS = ("alter_table", "create_index", "drop_index", "optimize")


def describe_ddl(
    events: Events, before: Gauges, after: Gauges, version: ServerVersion, locks: Mapping[tuple[int, int], str]
) -> tuple[DdlRecord, ...]:
    """Each DDL statement with how it was done, by the stages, the numbers of tables and the counters."""
    plain = Counter(e.table.lower() for e in events.ddl if _plain(e, events.stages))
    return tuple(_described(event, events, before, after, version, locks, plain) for event in events.ddl)


def _plain(event: Event, stages: Mapping[tuple[int, int], frozenset[str]]) -> bool:
    """Whether it was an ALTER in place that left no stage of building anything."""
    names = stages.get(event.key, frozenset())
    return (
        event.kind in _ALTERS and event.error is None and "stage/sql/altering table" in names
        and not any(name.startswith("stage/innodb/alter") for name in names)
    )  # fmt: skip


def _described(
    event: Event, events: Events, before: Gauges, after: Gauges, version: ServerVersion,
    locks: Mapping[tuple[int, int], str], plain: Counter[str],
) -> DdlRecord:  # fmt: skip
    names = events.stages.get(event.key, frozenset())
    algorithm, rebuilt = NOT_OBSERVED, None
    if event.kind not in _ALTERS:
        algorithm = ""
    elif "stage/sql/copy to tmp table" in names:
        algorithm, rebuilt = "COPY", True
    elif any(name.startswith("stage/innodb/alter") for name in names):
        algorithm, rebuilt = "INPLACE", "stage/innodb/alter table (log apply table)" in names
    elif _plain(event, events.stages):
        algorithm, rebuilt = _in_place(event, events, before, after, version, plain)
    elif "stage/sql/rename" in names:
        rebuilt = False
    lock = locks.get(event.key, NOT_OBSERVED) if algorithm else ""
    if algorithm == "COPY" and lock != "EXCLUSIVE" and not version.at_least(mariadb=(11, 2)):
        lock = "SHARED"  # these servers have no other way to copy a table
    return DdlRecord(event.table, event.text, algorithm, lock, event.seconds, rebuilt, event.error)


def _in_place(
    event: Event, events: Events, before: Gauges, after: Gauges, version: ServerVersion, plain: Counter[str]
) -> tuple[str, bool | None]:
    """INSTANT, INPLACE, or either of the two; and whether the table has another number, so that it was rebuilt."""
    name = event.table.lower()
    own = {table.lower(): state for table, state in (before.tables or {}).items()}.get(name)
    new = {table.lower(): state for table, state in (after.tables or {}).items()}.get(name)
    others = [e for e in events.ddl if e.table.lower() == name and e.key != event.key]
    rebuilt = None
    if own and new:
        rebuilt = False if own.number == new.number else (None if others else True)
    if not version.at_least(mysql=(8, 0, 12), mariadb=(10, 3)):
        return "INPLACE", rebuilt  # there is no INSTANT there
    if rebuilt:
        return "INPLACE", True
    if own and new and own.versions is not None and new.versions is not None and rebuilt is False:
        if new.versions - own.versions == plain[name]:
            return "INSTANT", False
    elif before.instant is not None and after.instant is not None and after.instant - before.instant == plain.total():
        return "INSTANT", False
    return "INPLACE or INSTANT", rebuilt
