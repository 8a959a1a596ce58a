"""What must survive an upgrade, declared per service in checks/<service>/survivors.json, and reading it from rows.

A kind of thing (volumes, credentials, grants) has encodings: where releases keep it. A thing is found by its natural
key in any of them, so that it is the same after it has moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from dbaudit import packs
from dbaudit.errors import DbauditError
from dbaudit.finding import Step, step
from dbaudit.proof.manifest import Item
from dbaudit.proof.source import Row, Source, parsed, read_source
from dbaudit.proof.token import digest
from dbaudit.schema.model import Table

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Each:
    """A list or object in a column's JSON, each entry of which is a thing; `leaving` out some names of an object."""

    column: str
    path: tuple[str, ...] = ()
    leaving: frozenset[str] = frozenset()

    def entries(self, row: Row) -> Iterator[Any]:
        """The entries of a row: of an object as (name, value)."""
        found = parsed(row[self.column])
        for part in self.path:
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, dict):
            yield from ((name, value) for name, value in found.items() if name not in self.leaving)
        elif isinstance(found, list):
            yield from found


@dataclass(frozen=True, slots=True)
class Encoding:
    """One way in which a release keeps a kind of thing: a row, or an entry, of `table` each.

    `where` limits the rows to some values of a column; None among them is NULL or empty. `needs` are columns that tell
    this way from a later one that keeps something else in the same table.
    """

    table: str
    object: str
    key: tuple[Source, ...]
    name: tuple[Source, ...]
    fields: Mapping[str, tuple[Source, ...]]
    where: Mapping[str, frozenset[str | None]] = field(default_factory=dict)
    each: Each | None = None
    needs: tuple[str, ...] = ()
    given: tuple[Source, ...] = ()

    def usable(self, table: Table) -> bool:
        """Whether the table has what finds and names the things."""
        needed = [source.column for source in (*self.key, *self.name, *self.given)]
        needed += [*self.where, *self.needs, self.each.column if self.each else None]
        return all(name is None or table.column(name) for name in needed)

    def columns(self, table: Table) -> tuple[str, ...]:
        """The columns that are read, `deleted` among them."""
        wanted = [source.column for source in (*self.key, *self.name, *self.given)]
        wanted += [source.column for sources in self.fields.values() for source in sources]
        wanted += [*self.where, self.each.column if self.each else None, "deleted"]
        return tuple(dict.fromkeys(name for name in wanted if name is not None and table.column(name)))

    def items(self, row: Row, key: bytes) -> Iterator[tuple[str, Item]]:
        """The things in a row, by the hash of their natural key. One whose key has a NULL is none."""
        if any((row[column] or None) not in values for column, values in self.where.items()):
            return
        for entry in self.each.entries(row) if self.each else (None,):
            natural = [source.value(row, entry) for source in self.key]
            if None in (*natural, *(source.value(row, entry) for source in self.given)):
                continue
            found = {
                name: tuple(source for source in sources if source.column is None or source.column in row)
                for name, sources in self.fields.items()
            }
            values = {
                name: next((v for s in sources if (v := s.value(row, entry)) is not None), None)
                for name, sources in found.items()
                if sources
            }
            hashes = {name: None if value is None else digest(value, key) for name, value in values.items()}
            label = " ".join(source.value(row, entry) or "-" for source in self.name)
            live = row.get("deleted") in (None, "", "0")
            yield digest(json.dumps(natural), key), Item(label, self.object, hashes, live)


@dataclass(frozen=True, slots=True)
class Designed:
    """That upstream loses some things by design: which step does it, and why."""

    step: Step
    why: str


@dataclass(frozen=True, slots=True)
class ThingKind:
    """A kind of thing. `designed` is by the object from which upstream loses some of them by design."""

    name: str
    encodings: tuple[Encoding, ...]
    designed: Mapping[str, Designed] = field(default_factory=dict)

    def columns(self, place: str, name: str) -> tuple[tuple[str, str], ...]:
        """The tables and columns that hold a field of the things of a place, in order of preference."""
        found = [(each.table, each.fields.get(name, ())) for each in self.encodings if each.object == place]
        return tuple((table, source.column) for table, sources in found for source in sources if source.column)


@dataclass(frozen=True, slots=True)
class Survivors:
    """What is declared of a service: kinds of things, columns that name rows, columns whose values are secret even as
    names, and what the things account for (`covers`): tables, or columns, which are then not compared one by one."""

    kinds: tuple[ThingKind, ...] = ()
    natural: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()
    covers: frozenset[str] = frozenset()

    def kind(self, name: str) -> ThingKind | None:
        """The kind of that name."""
        return next((kind for kind in self.kinds if kind.name == name), None)


@cache
def load_survivors(service: str | None) -> Survivors:
    """What is declared of a service; nothing for one without a declaration."""
    path = packs.find(service, "survivors.json") if service else None
    if path is None:
        return Survivors()
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.get("format") != FORMAT:
        raise DbauditError(f"{path}: format {data.get('format')!r}", f"this dbaudit reads format {FORMAT}")
    return read_survivors(data)


def read_survivors(data: Mapping[str, Any]) -> Survivors:
    """Survivors from their JSON form."""
    return Survivors(
        tuple(
            ThingKind(each["name"], tuple(_encoding(one) for one in each["encodings"]), _designed(each))
            for each in data.get("kinds", ())
        ),
        {table: tuple(columns) for table, columns in data.get("natural", {}).items()},
        frozenset(data.get("secret", ())),
        frozenset(data.get("covers", ())),
    )


def _designed(data: Mapping[str, Any]) -> dict[str, Designed]:
    found = {}
    for place, said in data.get("designed", {}).items():
        repository, _, version = said["step"].partition(":")
        found[place] = Designed(step(repository, version), said["why"])
    return found


def _encoding(data: Mapping[str, Any]) -> Encoding:
    each = None
    if "each" in data:
        column, _, path = data["each"].partition(":")
        each = Each(column, tuple(path.split("/")) if path else (), frozenset(data.get("leaving", ())))
    key = _sources(data["key"])
    return Encoding(
        table=data["table"],
        object=data.get("object", data["table"]),
        key=key,
        name=_sources(data["name"]) if "name" in data else key,
        fields={name: _sources([of] if isinstance(of, str) else of) for name, of in data.get("fields", {}).items()},
        where={column: frozenset(values) for column, values in data.get("where", {}).items()},
        each=each,
        needs=tuple(data.get("needs", ())),
        given=_sources(data.get("given", ())),
    )


def _sources(texts: Iterable[str]) -> tuple[Source, ...]:
    return tuple(read_source(text) for text in texts)
