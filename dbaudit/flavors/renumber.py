"""Definitions made equal to those of an authority: ids, values, extra specs, access lists; the plan of one database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dbaudit.flavors.definitions import paired
from dbaudit.flavors.flavor import ATTRIBUTES, Definitions, Flavor, folded
from dbaudit.flavors.raw import FLAVORS, PROJECTS, REFERENCES, SHADOWS, SPECS, Raw, Row
from dbaudit.repair.edits import Edit, Insert

_ONLY = "which is not at the authority and stays: only --delete-extra deletes it"


@dataclass(frozen=True, slots=True)
class Wish:
    """What may be done: `now` is the instant of soft deletes (UTC, as nova writes times)."""

    delete_extra: bool
    now: str


@dataclass
class Renumbering:
    """What becomes of the definitions of one database.

    `ids` maps old to new ids; `final` are the definitions afterwards; `left` says what stays unequal, and why.
    """

    ids: Mapping[int, int]
    final: Definitions
    changes: dict[tuple[str, int], dict[str, str | None]] = field(default_factory=lambda: defaultdict(dict))
    inserts: list[Insert] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def edits(self, raw: Raw) -> Iterator[Edit]:
        """The edits of rows of definitions, with the values before."""
        for (table, id_), values in sorted(self.changes.items()):
            row = raw.rows[table][id_]
            changed = {name: value for name, value in values.items() if row[name] != value}
            if changed:
                yield Edit(table, id_, {name: row[name] for name in changed}, changed)

    def keep(self, raw: Raw, authority: Definitions, ids: Iterable[int], wish: Wish) -> frozenset[int]:
        """Leave a deleted row under ids that no flavor has afterwards, for instances that nothing proves the flavor of.

        nova reads an instance's flavor by its id, deleted ones too. Gives the ids; not where a later reconcile would
        take that row for the authority's own deleted one of the flavorid.
        """
        kept = []
        for id_ in sorted(ids):
            row = raw.rows.get(FLAVORS, {}).get(id_)
            if row is None or id_ in self.final.by_id:
                continue
            flavorid = str(row["flavorid"])
            deleted = [len([each for each in side.of(flavorid) if not each.live]) for side in (authority, self.final)]
            if deleted[0] == deleted[1] + 1:
                continue
            values = {**row, "deleted": str(id_), "deleted_at": row["deleted_at"] or wish.now}
            self.inserts.append(Insert(FLAVORS, values))
            flavor = replace(next(each for each in self.final.of(flavorid)), id=id_, live=False)
            self.final = Definitions({**self.final.by_id, id_: flavor})
            kept.append(id_)
        return frozenset(kept)


@dataclass(frozen=True, slots=True)
class Member:
    """A database: its definitions in both forms, and how many live instances embed each flavorid."""

    raw: Raw
    definitions: Definitions
    used: Mapping[str, int]


def renumber(authority: Member, member: Member, taken: Iterable[int], wish: Wish) -> Renumbering:
    """The plan for `member`; `taken` are ids of flavors anywhere, who stands in the way of another gets a new one."""
    pairs = list(_pairs(authority.definitions, member.definitions))
    taken_by = {} if wish.delete_extra else _staying(pairs, member.definitions)
    wanted = list(_missing(authority.definitions, member))
    missing = [flavor for flavor in wanted if _rival(flavor, taken_by) is None]
    ids = _ids(pairs, missing, member.raw, max(taken, default=0) + 1)
    found = Renumbering(ids, Definitions({}))
    final = {ids.get(id_, id_): replace(each, id=ids.get(id_, id_)) for id_, each in member.definitions.by_id.items()}
    _references(member.raw, ids, found)
    for flavor in wanted:
        if (rival := _rival(flavor, taken_by)) is not None:
            found.left.append(f"{_named(flavor)} is not made: {_named(rival)} has its name, {_ONLY}")
    for here, there in pairs:
        _align(authority.raw, member.raw, here, there, found, taken_by)
        final[here.id] = replace(here, specs=there.specs, access=there.access)
        if here.live:
            _specs(authority.raw, member.raw, here, there, found, wish)
            _projects(authority.raw, member.raw, here, there, found, wish)
    for flavor in missing:
        _insert(authority.raw, member.raw, flavor, found)
        final[flavor.id] = flavor
    _extra(pairs, member, found, wish)
    found.final = Definitions(final)
    return found


def _pairs(mine: Definitions, theirs: Definitions) -> Iterator[tuple[Flavor, Flavor]]:
    for flavorid in dict.fromkeys(each.flavorid for _, each in sorted(mine.by_id.items())):
        yield from paired(mine, theirs, flavorid)


def _missing(mine: Definitions, member: Member) -> Iterator[Flavor]:
    """Live flavors that are not live there, and deleted ones that are not there at all and are in use."""
    for _, flavor in sorted(mine.by_id.items()):
        rows, current = member.definitions.of(flavor.flavorid), mine.current(flavor.flavorid)
        if flavor.live:
            if current is flavor and not any(each.live for each in rows):
                yield flavor
        elif not rows and current is None and member.used.get(flavor.flavorid):
            yield flavor


def _ids(
    pairs: Iterable[tuple[Flavor, Flavor]], missing: Iterable[Flavor], raw: Raw, free: int
) -> dict[int, int]:  # fmt: skip
    """Old to new ids, where they differ: to those of the authority; who stands in the way gets a free one."""
    wanted = {there.id: here.id for here, there in pairs}
    targets = {*wanted.values(), *(flavor.id for flavor in missing)}
    for id_ in sorted(raw.ids - set(wanted)):
        if id_ in targets:
            wanted[id_] = free
            free += 1
    return {old: new for old, new in wanted.items() if old != new}


def _references(raw: Raw, ids: Mapping[int, int], found: Renumbering) -> None:
    """The rows that carry these ids: definitions themselves and all that names them, archived rows too."""
    for shadow in SHADOWS:
        for id_, row in raw.rows.get(shadow + FLAVORS, {}).items():
            if id_ in ids:
                found.changes[shadow + FLAVORS, id_]["id"] = str(ids[id_])
                if row["deleted"] == str(id_):
                    found.changes[shadow + FLAVORS, id_]["deleted"] = str(ids[id_])
        for table, columns in REFERENCES.items():
            for id_, row in raw.rows.get(shadow + table, {}).items():
                for column in columns:
                    value = row.get(column)
                    if value is not None and int(value) in ids:
                        found.changes[shadow + table, id_][column] = str(ids[int(value)])


def _staying(pairs: Iterable[tuple[Flavor, Flavor]], theirs: Definitions) -> dict[str, Flavor]:
    """Live flavors that the authority has not and that nobody deletes, by name and flavorid as collations see them."""
    matched = {there.id for _, there in pairs}
    extra = [flavor for flavor in theirs.live() if flavor.id not in matched]
    return {folded(text): flavor for flavor in extra for text in (flavor.name, flavor.flavorid)}


def _rival(flavor: Flavor, taken_by: Mapping[str, Flavor]) -> Flavor | None:
    """The flavor that keeps another from having its name or flavorid; a deleted one is in nobody's way."""
    if not flavor.live:
        return None
    return next((taken_by[text] for text in map(folded, (flavor.name, flavor.flavorid)) if text in taken_by), None)


def _named(flavor: Flavor) -> str:
    return f"flavor {flavor.name} ({flavor.flavorid})"


def _align(
    mine: Raw, theirs: Raw, here: Flavor, there: Flavor, found: Renumbering, taken_by: Mapping[str, Flavor]
) -> None:
    """The attributes of a row that both have."""
    for name in ATTRIBUTES:
        if name == "name" and here.name != there.name and (rival := _rival(here, taken_by)) is not None:
            found.left.append(f"{_named(there)} is not renamed: {_named(rival)} has the name {here.name}, {_ONLY}")
        elif here.values[name] != there.values[name] and name in theirs.columns[FLAVORS]:
            found.changes[FLAVORS, there.id][name] = mine.rows[FLAVORS][here.id][name]


def _specs(mine: Raw, theirs: Raw, here: Flavor, there: Flavor, found: Renumbering, wish: Wish) -> None:
    wanted = {str(row["key"]): row for _, row in mine.of(SPECS, "instance_type_id", here.id) if row["deleted"] == "0"}
    present: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for id_, row in theirs.of(SPECS, "instance_type_id", there.id):
        if row["deleted"] == "0":
            present[str(row["key"])].append((id_, row))
    for key, row in wanted.items():
        if key not in present:
            _copy(SPECS, row, theirs, found, instance_type_id=str(here.id))
        elif present[key][-1][1]["value"] != row["value"]:
            found.changes[SPECS, present[key][-1][0]]["value"] = row["value"]
    for key, rows in present.items():
        for id_, _ in rows if key not in wanted else rows[:-1]:
            _delete(SPECS, id_, found, wish, f"extra spec {key} of flavor {there.name} ({there.flavorid})")


def _projects(mine: Raw, theirs: Raw, here: Flavor, there: Flavor, found: Renumbering, wish: Wish) -> None:
    wanted = {
        row["project_id"]: row for _, row in mine.of(PROJECTS, "instance_type_id", here.id) if row["deleted"] == "0"
    }
    present: dict[str | None, list[int]] = defaultdict(list)
    for id_, row in theirs.of(PROJECTS, "instance_type_id", there.id):
        if row["deleted"] == "0":
            present[row["project_id"]].append(id_)
    for project, row in wanted.items():
        if project not in present:
            _copy(PROJECTS, row, theirs, found, instance_type_id=str(here.id))
    for project, ids in present.items():
        for id_ in ids if project not in wanted else ids[:-1]:
            _delete(PROJECTS, id_, found, wish, f"access of project {project} to {there.name} ({there.flavorid})")


def _insert(mine: Raw, theirs: Raw, flavor: Flavor, found: Renumbering) -> None:
    """A flavor that is not there, under the id that it has at the authority, with its live specs and access."""
    _copy(FLAVORS, mine.rows[FLAVORS][flavor.id], theirs, found, id=str(flavor.id))
    for table in (SPECS, PROJECTS):
        for _, row in mine.of(table, "instance_type_id", flavor.id):
            if row["deleted"] == "0":
                _copy(table, row, theirs, found)


def _copy(table: str, row: Row, theirs: Raw, found: Renumbering, **values: str) -> None:
    names = [name for name in row if name in theirs.columns.get(table, ()) and (name != "id" or "id" in values)]
    found.inserts.append(Insert(table, {name: values.get(name, row[name]) for name in names}))


def _extra(pairs: Iterable[tuple[Flavor, Flavor]], member: Member, found: Renumbering, wish: Wish) -> None:
    """Live flavors that the authority has not, or has fewer times."""
    matched = {there.id for _, there in pairs}
    for flavor in member.definitions.live():
        if flavor.id in matched:
            continue
        new = found.ids.get(flavor.id, flavor.id)
        if _delete(FLAVORS, flavor.id, found, wish, f"flavor {flavor.name} ({flavor.flavorid})", new):
            for table in (SPECS, PROJECTS):
                for id_, row in member.raw.of(table, "instance_type_id", flavor.id):
                    if row["deleted"] == "0":
                        _delete(table, id_, found, wish, "")


def _delete(
    table: str, id_: int, found: Renumbering, wish: Wish, what: str, deleted: int | None = None
) -> bool:  # fmt: skip
    if not wish.delete_extra:
        found.left.append(f"{what} is not at the authority, and stays: only --delete-extra deletes it")
        return False
    found.changes[table, id_] |= {"deleted": str(deleted or id_), "deleted_at": wish.now}
    return True
