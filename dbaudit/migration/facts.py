"""One step of a `steps.json` into typed facts; `catalogue` says what the keys mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dbaudit.migration.others import read_others
from dbaudit.migration.steps import (
    ColumnAdded,
    ColumnChanged,
    ColumnDropped,
    ColumnMoved,
    ColumnRenamed,
    DropByName,
    DropLookedUp,
    IndexAdded,
    IndexDropped,
    KeyAdded,
    KeyDropped,
    Origin,
    RowWork,
    StepFacts,
    TableAdded,
    Work,
)
from dbaudit.release import release
from dbaudit.schema.column import read_column
from dbaudit.schema.definition import read_foreign_key, read_index, read_table
from dbaudit.schema.model import Column

Entry = Mapping[str, Any]


def read_facts(entry: Entry) -> StepFacts:
    """Typed facts of one entry. Raises KeyError, ValueError or TypeError where it is not of the form."""
    name, _, number = entry["step"].rpartition(":")
    at = release(entry["release"])
    return StepFacts(
        repository=name,
        number=int(number),
        title=entry["title"],
        file=entry.get("file", ""),
        release=at,
        available=release(entry.get("available", at.name)),
        placeholder=entry.get("placeholder", False),
        idle=entry.get("idle", False),
        outside=entry.get("outside", False),
        tables_dropped=tuple(entry.get("drop_tables", ())),
        drops_by_name=tuple(DropByName(**drop) for drop in entry.get("by_name", ())),
        drops_looked_up=tuple(DropLookedUp(**drop) for drop in entry.get("looked_up", ())),
        others=read_others(entry),
        work=tuple(Work.read(line) for line in entry.get("work", ())),
        rows=_rows(entry.get("rows", {})),
        rerunnable=entry.get("rerunnable"),
        rerun_error=entry.get("rerun_error"),
        seconds=entry.get("seconds"),
        note=entry.get("note", ""),
        **_structure(entry),
    )


def _structure(entry: Entry) -> dict[str, Any]:
    """The fields that hold definitions."""

    def each(key: str) -> Iterable[Entry]:
        items: Iterable[Entry] = entry.get(key, ())
        return items

    return {
        "tables_added": tuple(
            TableAdded(
                read_table(item["sql"]),
                {name: _origins(names) for name, names in item.get("origins", {}).items()},
            )
            for item in each("add_tables")
        ),
        "columns_added": tuple(
            ColumnAdded(item["table"], _column(item["sql"]), item["after"]) for item in each("add_columns")
        ),
        "columns_dropped": tuple(ColumnDropped(item["table"], _column(item["sql"])) for item in each("drop_columns")),
        "columns_renamed": tuple(ColumnRenamed(**item) for item in each("rename_columns")),
        "columns_changed": tuple(
            ColumnChanged(item["table"], _column(item["before"]), _column(item["after"]))
            for item in each("change_columns")
        ),
        "columns_moved": tuple(ColumnMoved(**item) for item in each("move_columns")),
        "indexes_added": tuple(
            IndexAdded(item["table"], read_index(item["sql"]), _origins(item.get("origins", ())))
            for item in each("add_indexes")
        ),
        "indexes_dropped": tuple(
            IndexDropped(item["table"], read_index(item["sql"]), _origins(item.get("origins", ())))
            for item in each("drop_indexes")
        ),
        "keys_added": tuple(
            KeyAdded(item["table"], read_foreign_key(item["sql"]), _origins(item.get("origins", ())))
            for item in each("add_keys")
        ),
        "keys_dropped": tuple(KeyDropped(item["table"], read_foreign_key(item["sql"])) for item in each("drop_keys")),
    }


def _rows(entry: Entry) -> RowWork:
    return RowWork(
        writes=entry.get("writes"),
        why=entry.get("why", ""),
        changed={table: tuple(columns) for table, columns in entry.get("changed", {}).items()},
        one_by_one=entry.get("one_by_one", False),
    )


def _origins(names: Iterable[str]) -> frozenset[Origin]:
    return frozenset(Origin(name) for name in names)


def _column(sql: str) -> Column:
    read = read_column(sql)
    if read.unread or read.checks:
        raise ValueError(f"not a column: {sql!r}")
    return read.column
