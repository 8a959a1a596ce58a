"""A flavor's definition as a database has it, found by its `flavorid`; the integer id is only its local name."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dbaudit.cells.instant import newest
from dbaudit.cells.source import Source

# What a flavor is, besides its keys; in the order of the table.
ATTRIBUTES = (
    "name", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap", "rxtx_factor", "vcpu_weight", "disabled",
    "is_public",
)  # fmt: skip
TIMES = ("created_at", "updated_at", "deleted_at")
LIVE = "0"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where definitions stand: the tables, and the column by which the others name the flavor."""

    flavors: str
    specs: str
    projects: str
    reference: str


CLASSIC = Layout("instance_types", "instance_type_extra_specs", "instance_type_projects", "instance_type_id")
API = Layout("flavors", "flavor_extra_specs", "flavor_projects", "flavor_id")


@dataclass(frozen=True, slots=True)
class Flavor:
    """One row of definitions with its extra specs and access list, live rows of these only.

    `specs` and `access` keep every value of a key that stands there more than once.
    """

    id: int
    flavorid: str
    live: bool
    values: Mapping[str, str | None]
    specs: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    access: tuple[str, ...] = ()
    newest: str | None = None
    times: tuple[str | None, ...] = (None, None, None)  # TIMES of its own row

    @property
    def name(self) -> str:
        """Its name; empty where it has none."""
        return self.values["name"] or ""


@dataclass(frozen=True)
class Definitions:
    """All definitions of one database; each instance asks for its own, so they are found by flavorid at once."""

    by_id: Mapping[int, Flavor]
    known: bool = True  # the database has the table

    def live(self) -> Iterator[Flavor]:
        """Those not deleted, by id."""
        return (each for _, each in sorted(self.by_id.items()) if each.live)

    def of(self, flavorid: str) -> list[Flavor]:
        """Every row of a flavorid, by id."""
        return self._by_flavorid.get(flavorid, [])

    def current(self, flavorid: str) -> Flavor | None:
        """The live row of a flavorid; of several the newest, as Havana's migrations keep it."""
        return next((each for each in reversed(self.of(flavorid)) if each.live), None)

    def found(self, flavorid: str) -> Flavor | None:
        """The row that nova finds for a flavorid, as the collation compares: a live one, else that deleted first."""
        rows = self._by_folded.get(folded(flavorid), [])
        return next((each for each in rows if each.live), rows[0] if rows else None)

    @cached_property
    def _by_flavorid(self) -> Mapping[str, list[Flavor]]:
        return self._grouped(str)

    @cached_property
    def _by_folded(self) -> Mapping[str, list[Flavor]]:
        return self._grouped(folded)

    def _grouped(self, key: Callable[[str], str]) -> Mapping[str, list[Flavor]]:
        groups: dict[str, list[Flavor]] = defaultdict(list)
        for _, each in sorted(self.by_id.items()):
            groups[key(each.flavorid)].append(each)
        return dict(groups)

    def flavorid(self, id_: str | None) -> str | None:
        """What an integer id means here."""
        found = self.by_id.get(int(id_)) if id_ is not None and id_.lstrip("-").isdigit() else None
        return found.flavorid if found else None


def read_definitions(source: Source, layout: Layout = CLASSIC) -> Definitions:
    """The definitions of a database, soft-deleted ones too."""
    specs: dict[int, dict[str, list[str | None]]] = defaultdict(lambda: defaultdict(list))
    access: dict[int, list[str]] = defaultdict(list)
    touched: dict[int, str | None] = defaultdict(lambda: None)
    for id_, key, value, deleted, *times in source.rows(
        layout.specs, (layout.reference, "key", "value", "deleted", *TIMES)
    ):
        touched[_int(id_)] = newest(touched[_int(id_)], *times)
        if is_live(deleted, source, layout.specs):
            specs[_int(id_)][key or ""].append(value)
    for id_, project, deleted, *times in source.rows(
        layout.projects, (layout.reference, "project_id", "deleted", *TIMES)
    ):
        touched[_int(id_)] = newest(touched[_int(id_)], *times)
        if is_live(deleted, source, layout.projects):
            access[_int(id_)].append(project or "")
    found = {}
    for id_, flavorid, deleted, *rest in source.rows(
        layout.flavors, ("id", "flavorid", "deleted", *ATTRIBUTES, *TIMES)
    ):
        number, values, times = _int(id_), rest[: len(ATTRIBUTES)], rest[len(ATTRIBUTES) :]
        found[number] = Flavor(
            number, flavorid or "", is_live(deleted, source, layout.flavors),
            {name: number_text(value) if name != "name" else value
             for name, value in zip(ATTRIBUTES, values, strict=True)},
            {key: tuple(each) for key, each in specs[number].items()}, tuple(sorted(access[number])),
            newest(touched[number], *times), tuple(times),
        )  # fmt: skip
    return Definitions(found, layout.flavors in source.tables)


def is_live(deleted: str | None, source: Source, table: str) -> bool:
    """Whether a row is live: 0 (or '' where ids are text); NULL is neither; a table without the column keeps none."""
    return deleted in (LIVE, "") or (deleted is None and "deleted" not in source.tables.get(table, ()))


def number_text(value: str | None) -> str | None:
    """A number in one spelling (`1.0` and `1` are `1`); what is none stays as it is."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if number.is_integer() else repr(number)


def folded(text: str) -> str:
    """A text as utf8_general_ci sees it: without case, accents and blanks at its end."""
    plain = unicodedata.normalize("NFD", text.rstrip(" "))
    return "".join(each for each in plain if not unicodedata.combining(each)).casefold()


def _int(value: str | None) -> int:
    return int(value or 0)
