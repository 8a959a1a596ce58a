"""One database as a reconcile sees it, and what it is to become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dbaudit.cells.source import opened
from dbaudit.cells.store import Lookup, keep, things
from dbaudit.comparison.side import Side
from dbaudit.flavors import pointers
from dbaudit.flavors.embedded import Copy
from dbaudit.flavors.flavor import Definitions, read_definitions
from dbaudit.flavors.raw import FLAVORS, PROJECTS, SPECS, Raw, read_raw
from dbaudit.flavors.renumber import Member, Renumbering, Wish, renumber
from dbaudit.flavors.running import signs
from dbaudit.repair.edits import Edit, Edits
from dbaudit.repair.journal import SCHEMA
from dbaudit.repair.throttle import Throttle

if TYPE_CHECKING:
    from dbaudit.repair.target import Target

_Wrong = tuple[int, str | None, str | None]  # an instance's id, and the flavorids that it meant and means
# Columns of unique keys in which two rows may be swapped.
_THROUGH = {FLAVORS: ("name",), SPECS: ("instance_type_id",), PROJECTS: ("instance_type_id",)}


def unheld(_: Target) -> Throttle:
    """A throttle that never holds anything back."""
    return Throttle()


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: whose definitions count (`top`, or a cell's label or operand), and what may be deleted.

    `hold` gives the throttle of a database that is about to be written.
    """

    authority: str = "top"
    delete_extra: bool = False
    journal: str = SCHEMA
    now: str = ""
    hold: Callable[[Target], Throttle] = unheld

    @property
    def wish(self) -> Wish:
        """What a plan needs of it."""
        return Wish(self.delete_extra, self.now or datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"))


@dataclass(frozen=True, slots=True)
class Seen:
    """One database as it is: definitions row by row, and its instances in a file."""

    label: str
    path: Path
    raw: Raw
    definitions: Definitions
    used: Counter[str]
    resizing: tuple[str, ...]  # uuids with an open resize
    signs: tuple[str, ...]  # of services that run


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of one database. `moves` says that ids change; `unproven` are instances by uuid, with the reason."""

    label: str
    edits: Edits
    renumbered: dict[int, int]
    moves: bool
    left: tuple[str, ...]
    unproven: dict[str, str]
    refusals: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """The plan as JSON has it."""
        rows = Counter(edit.table for edit in self.edits.edits)
        return {
            "database": self.label,
            "renumbered": {str(old): new for old, new in sorted(self.renumbered.items())},
            "updates": dict(sorted(rows.items())),
            "inserts": [{"table": one.table, "values": dict(one.values)} for one in self.edits.inserts],
            "definitions": [
                {"table": edit.table, "id": edit.id, "before": dict(edit.was), "after": dict(edit.values)}
                for edit in self.edits.edits
                if "instance_type" in edit.table
            ],
            "left": list(self.left),
            "unproven": dict(self.unproven),
            "refused": list(self.refusals),
        }


def see(side: Side, label: str, path: Path) -> Seen:
    """Read a database; its instances go into the file `path`."""
    with opened(side) as source:
        keep(path, pointers.parts(source))
        raw, definitions, living = read_raw(source), read_definitions(source), tuple(signs(source))
    used: Counter[str] = Counter()
    resizing = []
    for carrier in _carriers(path):
        if carrier.live and (current := carrier.embedded.current) and current.values.get("flavorid"):
            used[str(current.values["flavorid"])] += 1
        if carrier.resizing:
            resizing.append(carrier.uuid)
    return Seen(label, path, raw, definitions, used, tuple(resizing), living)


def _carriers(path: Path) -> Iterator[pointers.Carrier]:
    for uuid, found in things(path):
        yield from pointers.carriers(uuid, found)


def plan_one(one: Seen, authority: Seen, every: Sequence[Seen], order: Order) -> Planned:
    """What becomes of one of the databases `every`."""
    taken = frozenset(id_ for each_one in every for id_ in each_one.raw.ids)
    if one is authority:
        found = Renumbering({}, one.definitions)
    else:
        mine, theirs = (Member(each_one.raw, each_one.definitions, each_one.used) for each_one in (authority, one))
        found = renumber(mine, theirs, taken, order.wish)
    definitions = tuple(found.edits(one.raw))
    moved, wrong = _instances(one, every, found)
    dangling = {id_ for id_, then, now in wrong.values() if then and not now}
    kept = found.keep(one.raw, authority.definitions, dangling, order.wish)
    unproven = {uuid: _said(*what, what[0] in kept) for uuid, what in wrong.items()}
    edits = Edits((*definitions, *moved), tuple(found.inserts), _THROUGH)
    moves = bool(found.ids or moved)
    refusals = tuple(_refusals(one, moves)) if len(edits) else ()
    return Planned(one.label, edits, dict(found.ids), moves, tuple(found.left), unproven, refusals)


def _instances(one: Seen, every: Sequence[Seen], found: Renumbering) -> tuple[list[Edit], dict[str, _Wrong]]:
    """The edits of what instances carry, and by uuid those whose id is wrong afterwards and that nothing proves."""
    moved: list[Edit] = []
    wrong: dict[str, _Wrong] = {}
    with ExitStack() as stack:
        others = [stack.enter_context(closing(Lookup(each.path))) for each in every if each is not one]
        for carrier in _carriers(one.path):
            own = list(pointers.edits(carrier, found.final, found.ids, _twin(carrier, others)))
            moved += own
            if carrier.live and not any(edit.table == "instances" for edit in own):
                means = pointers.lost(carrier, one.definitions, found.final)
                if means is not None:
                    wrong[carrier.uuid] = (int(carrier.type_id or 0), *means)
    return moved, wrong


def _twin(carrier: pointers.Carrier, others: Sequence[Lookup]) -> Copy | None:
    """What the same instance embeds in another database, where it embeds nothing here."""
    if not carrier.live or carrier.embedded.current is not None or carrier.embedded.broken:
        return None
    for other in others:
        for twin in pointers.carriers(carrier.uuid, other.find(carrier.uuid)):
            if twin.live and twin.embedded.current is not None:
                return twin.embedded.current
    return None


def _said(id_: int, then: str | None, now: str | None, kept: bool) -> str:
    if kept:
        return f"instance_type_id {id_} means {then} still, of which a deleted row stays under that id"
    return f"instance_type_id {id_} meant {then or 'no flavor'} and means {now or 'no flavor'} afterwards"


def _refusals(one: Seen, ids_change: bool) -> Iterator[str]:
    yield from one.signs
    if ids_change and one.resizing:
        some = ", ".join(one.resizing[:5])
        yield (
            f"{len(one.resizing)} instances have an open resize, whose ids are about to be used ({some}): "
            "confirm or revert them first"
        )
