"""Hold two manifests against each other: every loss as a finding, and what could not be told as skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dbaudit.errors import DbauditError
from dbaudit.finding import Finding, Skipped
from dbaudit.proof import lost_keys, lost_rows, lost_tables, lost_things, lost_values
from dbaudit.proof.change import Change
from dbaudit.proof.design import Design, design_between
from dbaudit.proof.loss import Loss
from dbaudit.proof.manifest import Manifest
from dbaudit.proof.survivors import Survivors, load_survivors

RULES: Sequence[Callable[[Change], Iterator[Loss]]] = (
    lost_things.things_lost,
    lost_tables.tables_dropped,
    lost_tables.columns_dropped,
    lost_rows.rows_gone,
    lost_rows.soft_deleted,
    lost_values.values_changed,
    lost_keys.keys_equal,
    lost_keys.counters_reset,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Losses in order of their class, what could not be compared, and how many values of which columns changed."""

    losses: tuple[Loss, ...]
    skipped: tuple[Skipped, ...]
    changed: tuple[tuple[str, int], ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The losses as reports have them."""
        return tuple(loss.finding for loss in self.losses)


def compare(
    before: Manifest, after: Manifest, *, survivors: Survivors | None = None, design: Design | None = None
) -> Comparison:
    """What the database lost between two manifests.

    Without `survivors` and `design` those of the service are taken. Raises DbauditError where the manifests have
    different keys: the second must be made `like` the first.
    """
    if before.key != after.key:
        raise DbauditError("the two manifests cannot be compared: their hashes have different keys")
    if before.service and after.service and before.service != after.service:
        raise DbauditError(
            f"the manifest is of a {before.service} database, and {after.operand} is one of {after.service}",
            "name the database whose manifest was taken, after its upgrade",
        )
    change = Change(
        before,
        after,
        load_survivors(before.service) if survivors is None else survivors,
        design_between(before.service, before.versions, after.versions) if design is None else design,
    )
    losses = [loss for rule in RULES for loss in rule(change)]
    losses.sort(key=lambda loss: (loss.expected, loss.number, loss.object))
    return Comparison(tuple(losses), tuple(_skipped(change)), tuple(_changed(change)))


def _skipped(change: Change) -> Iterator[Skipped]:
    for table in change.tables:
        if table.rows is None and (table.before.count or table.after.count):
            large = table.before.rows is None or table.after.rows is None
            why = "has more rows than are kept one by one" if large else "identifies its rows by other columns now"
            yield Skipped("proof.rows", f"{table.before.name} {why}: only counts and sums were compared")


def _changed(change: Change) -> Iterator[tuple[str, int]]:
    """Columns whose values differ, lost or not, and in how many rows."""
    for table in change.tables:
        for own, other in table.shared:
            count = sum(1 for _ in table.cells(own, other))
            if count:
                yield f"{table.before.name}.{own.name}", count
