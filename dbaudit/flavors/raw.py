"""The definitions of a database row by row, as text, with every column: what a reconcile copies and renumbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dbaudit.cells.source import Source

FLAVORS, SPECS, PROJECTS, MIGRATIONS = (
    "instance_types", "instance_type_extra_specs", "instance_type_projects", "migrations",
)  # fmt: skip
# Tables that name flavors by id, and by which columns; each has a shadow of archived rows.
REFERENCES: Mapping[str, tuple[str, ...]] = {
    SPECS: ("instance_type_id",),
    PROJECTS: ("instance_type_id",),
    MIGRATIONS: ("old_instance_type_id", "new_instance_type_id"),
}
SHADOWS = ("", "shadow_")
Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Raw:
    """Rows of each table by id."""

    rows: Mapping[str, Mapping[int, Row]]
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, table: str, column: str, value: int) -> Iterator[tuple[int, Row]]:
        """The rows of a table in which a column holds an id, by their own id."""
        return ((id_, row) for id_, row in sorted(self.rows.get(table, {}).items()) if row[column] == str(value))

    @property
    def ids(self) -> frozenset[int]:
        """Every id of a flavor that is taken, archived ones too."""
        return frozenset(id_ for shadow in SHADOWS for id_ in self.rows.get(shadow + FLAVORS, {}))


def read_raw(source: Source) -> Raw:
    """The definitions of a database, soft-deleted and archived rows too."""
    rows: dict[str, dict[int, Row]] = defaultdict(dict)
    columns: dict[str, frozenset[str]] = {}
    for name in (shadow + table for shadow in SHADOWS for table in (FLAVORS, *REFERENCES)):
        if name not in source.tables:
            continue
        columns[name] = source.tables[name]
        names: Sequence[str] = sorted(columns[name])
        for values in source.rows(name, names):
            row = dict(zip(names, values, strict=True))
            rows[name][int(row["id"] or 0)] = row
    return Raw(dict(rows), columns)
