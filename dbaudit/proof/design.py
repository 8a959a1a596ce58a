"""What upstream's steps mean to drop and which tables they work on, from the step catalogue: what losses are expected,
and which step they can be blamed on where there is no manifest after every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbaudit.finding import Step, step
from dbaudit.migration.catalogue import load_catalogue
from dbaudit.migration.steps import StepFacts


@dataclass(frozen=True, slots=True)
class Design:
    """Steps by what they drop (`table`, `table.column`), and by the table whose rows they delete or change.

    `uniques` are those by the table that gets a unique key, where duplicates, if there are some, are deleted or
    soft-deleted first.
    """

    drops: Mapping[str, Step] = field(default_factory=dict)
    deletes: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    updates: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    uniques: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)

    def deleting(self, table: str) -> Step | None:
        """The step that deletes rows of a table, where it is one."""
        return _only(self.deletes.get(table, ()))

    def updating(self, table: str) -> Step | None:
        """The step that changes rows of a table, where it is one."""
        return _only(self.updates.get(table, ())) or _only(self.uniques.get(table, ()))


def _only(steps: tuple[Step, ...]) -> Step | None:
    return steps[0] if len(steps) == 1 else None


def design_of(steps: Iterable[StepFacts]) -> Design:
    """What these steps mean to do."""
    drops: dict[str, Step] = {}
    deletes: dict[str, list[Step]] = {}
    updates: dict[str, list[Step]] = {}
    uniques: dict[str, list[Step]] = {}
    for facts in steps:
        at = step(facts.repository, facts.number)
        for added in facts.indexes_added:
            if added.index.unique and facts.rows.writes and at not in uniques.setdefault(added.table, []):
                uniques[added.table].append(at)
        drops |= dict.fromkeys(facts.tables_dropped, at)
        drops |= {f"{dropped.table}.{dropped.column.name}": at for dropped in facts.columns_dropped}
        for work in facts.work:
            if work.action == "rows":
                of = deletes if work.what == "delete" else updates
                if at not in of.setdefault(work.table, []):
                    of[work.table].append(at)
    by_table = ({table: tuple(steps) for table, steps in found.items()} for found in (deletes, updates, uniques))
    return Design(drops, *by_table)


def design_between(service: str | None, before: Mapping[str, int | str], after: Mapping[str, int | str]) -> Design:
    """What the catalogue says of the steps from one set of versions to another; nothing where there is no catalogue."""
    catalogue = load_catalogue(service) if service else None
    if catalogue is None:
        return Design()
    return design_of(
        each for each in (*catalogue.steps, *catalogue.outside)
        if _number(before.get(each.repository)) < each.number <= _number(after.get(each.repository))
    )  # fmt: skip


def _number(version: int | str | None) -> int:
    return version if isinstance(version, int) else 0
