"""What must survive and did not: things that are nowhere (3, 14, 15), and values that did not arrive (14, 18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dbaudit.finding import Step
from dbaudit.proof.change import Change
from dbaudit.proof.loss import Loss
from dbaudit.proof.manifest import Item, Manifest
from dbaudit.proof.survivors import ThingKind


def things_lost(change: Change) -> Iterator[Loss]:
    """Losses of every kind of thing, by the table or column in which the things were."""
    told = {
        table.before.name: {table.rows[0].keys[place] for place in table.vanished}
        for table in change.tables
        if table.rows and not change.covered(table.before.name)
    }
    for kind in change.survivors.kinds:
        old, new = change.before.kept.get(kind.name), change.after.kept.get(kind.name)
        if old is None or new is None or old is new:
            continue
        gone: dict[str, list[tuple[str, Item]]] = {}
        for digest, item in old.items.items():
            if digest not in new.items and item.row not in told.get(item.object.partition(".")[0], ()):
                gone.setdefault(item.object, []).append((digest, item))
        for place, items in sorted(gone.items()):
            if not _told_by_rows(change, place):
                yield _gone(change, kind, place, items, new.items)
        yield from _changed(change, kind, old.items, new.items)


def _gone(
    change: Change, kind: ThingKind, place: str, items: list[tuple[str, Item]], after: Mapping[str, Item]
) -> Loss:
    homes = {item.object for item in after.values()}
    moved = place not in homes and bool(homes)
    skipped = all(not item.live for _, item in items)
    number = 15 if skipped else 14 if moved or "." in place else 3
    designed = kind.designed.get(place)
    return Loss(
        number, place, f"{len(items):,} of the {kind.name} in `{place}` are not found any more", len(items),
        tuple(item.name for _, item in items), tuple(digest for digest, _ in items),
        expected=designed is not None, step=designed.step if designed else _step(change, place),
        facts={"kind": kind.name}, evidence=(designed.why,) if designed else (),
    )  # fmt: skip


def _told_by_rows(change: Change, place: str) -> bool:
    """Whether the place is a table whose rows are compared one by one: what is gone from it is told there."""
    own = change.before.tables.get(place)
    if own is None or own.rows is None or change.covered(place):
        return False
    return all(table.rows is not None for table in change.tables if table.before.name == place)


def _step(change: Change, place: str) -> Step | None:
    drops = change.design.drops.get(place)
    return drops or change.design.deleting(place.partition(".")[0])


def _changed(change: Change, kind: ThingKind, old: Mapping[str, Item], new: Mapping[str, Item]) -> Iterator[Loss]:
    """Values of things that are still there; by where the thing was, and by field."""
    bad: dict[tuple[str, str], list[str]] = {}
    for digest, item in old.items():
        other = new.get(digest)
        for name, value in item.fields.items() if other else ():
            if other and name in other.fields and value is not None and other.fields[name] != value:
                bad.setdefault((item.object, name), []).append(digest)
    for (place, name), digests in sorted(bad.items()):
        became = {new[digest].fields[name] for digest in digests}
        every = {item.fields.get(name) for item in new.values()}
        different = len({item.fields.get(name) for item in old.values()}) > 1
        held = [each for each in kind.columns(place, name) if _has(change.before, *each)]
        if any(_has(change.after, *each) and not change.covered(*each) for each in held):
            continue  # in its old place a value may be changed; what shows damage is found there
        number = 18 if different and len(became) == len(every) == 1 else 14
        label = ".".join(held[0]) if held else place
        designed = kind.designed.get(label)
        yield Loss(
            number, label, f"the {name} of {len(digests):,} of the {kind.name} of `{place}` did not arrive",
            len(digests), tuple(old[digest].name for digest in digests), tuple(digests),
            expected=designed is not None, step=designed.step if designed else change.design.drops.get(label),
            facts={"kind": kind.name, "now_in": sorted({new[digest].object for digest in digests})},
            evidence=(designed.why,) if designed else (),
        )  # fmt: skip


def _has(manifest: Manifest, table: str, column: str) -> bool:
    profile = manifest.tables.get(table)
    return profile is not None and profile.column(column) is not None
