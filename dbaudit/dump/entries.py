"""What an index of a dump holds: databases, their tables with places and counts, and the definitions beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbaudit.dump.source import Dump
from dbaudit.errors import DbauditError, UsageError

_CHARSET = re.compile(r"(?:CHARACTER SET|CHARSET)\s*=?\s*(\w+)", re.I)


@dataclass(frozen=True, slots=True)
class Definition:
    """A view, trigger, routine or event: its name and its CREATE statement, versioned comments unwrapped."""

    name: str
    sql: str
    start: int = 0


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table: [start, end) spans its CREATE TABLE and its data, in bytes of the decompressed dump.

    `create` is its CREATE TABLE, empty in a dump of only data. `data_bytes` is the size of its INSERT statements.
    `rows` is None at depth layout, and where the dump fills the table by INSERT ... SELECT.
    """

    name: str
    create: str
    start: int
    end: int
    data_bytes: int
    rows: int | None

    @property
    def charset(self) -> str | None:
        """The table's default charset as its CREATE TABLE names it."""
        found = _CHARSET.findall(self.create.rpartition("\n)")[2])
        return found[-1].lower() if found else None


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """A database of a dump. `name` is None when the dump does not tell it.

    `explicit` says that the dump itself creates or selects the database; `charset` and `collation` are known only
    from a CREATE DATABASE.
    """

    name: str | None
    explicit: bool
    charset: str | None
    collation: str | None
    tables: tuple[TableEntry, ...]
    views: tuple[Definition, ...] = ()
    triggers: tuple[Definition, ...] = ()
    routines: tuple[Definition, ...] = ()
    events: tuple[Definition, ...] = ()

    def table(self, name: str) -> TableEntry | None:
        """The table of that name, None when there is none."""
        return next((table for table in self.tables if table.name == name), None)


@dataclass(frozen=True, slots=True)
class DumpIndex:
    """What a dump holds and where.

    `tool` is mysqldump, mariadb-dump or mydumper; versions are as the header has them. `complete` is False when the
    file was cut or its writer failed, `defect` says how that shows. `size` counts decompressed bytes.
    """

    dump: Dump
    tool: str | None
    client_version: str | None
    server_version: str | None
    charset: str | None
    gtid: str | None
    complete: bool
    last_whole_table: str | None
    size: int
    databases: tuple[DatabaseEntry, ...]
    defect: str = ""
    starts: tuple[int, ...] = (0,)  # offset of each part of the dump
    at: str | None = None  # when mysqldump ended or mydumper began, by the clock of its host
    one_instant: bool = False  # it says its place in the binary log: it was taken in one transaction, or under locks

    def database(self, name: str | None) -> DatabaseEntry:
        """The database called `name`; for None the only one. UsageError lists the choices."""
        choices = ", ".join(entry.name or "(not named)" for entry in self.databases)
        if name is None and len(self.databases) == 1:
            return self.databases[0]
        if name is None:
            if not self.databases:
                raise DbauditError(f"{self.dump.name} holds no table", "was it written with --no-create-info?")
            raise UsageError(
                f"{self.dump.name} holds {len(self.databases)} databases: {choices}",
                "choose one with --database NAME",
            )
        for entry in self.databases:
            if entry.name == name or (entry.name is None and len(self.databases) == 1):
                return entry
        raise UsageError(f"{self.dump.name} holds no database {name}", f"it holds: {choices}")


def require_complete(index: DumpIndex) -> None:
    """Raise DbauditError for a dump that was cut, naming the last table that is whole."""
    if index.complete:
        return
    last = index.last_whole_table
    upto = f"the last whole table is {last}" if last else "not one table of it is whole"
    raise DbauditError(
        f"{index.dump.name} is not complete: {index.defect}; {upto}",
        "dump again, and look at the exit code and messages of the command that writes it",
    )
