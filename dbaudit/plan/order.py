"""In which order the databases of a cloud are upgraded: data, `upgrade_order.json` beside the checks, by release.

A place is `service` or `service:role`; the cells of nova (`nova:cell`) are upgraded side by side. No order is guessed:
for a release without one, and for a service that its order does not name, the plan's own order holds, and is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbaudit import packs
from dbaudit.errors import DbauditError
from dbaudit.release import Release
from dbaudit.window import Stage

FILE = "upgrade_order.json"
CELL = "cell"


@dataclass(frozen=True, slots=True)
class Order:
    """Places in order, and who says so."""

    places: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What the order knows a database by."""

    label: str
    service: str
    role: str | None = None

    @property
    def name(self) -> str:
        """`nova:cell`, `cinder`."""
        return f"{self.service}:{self.role}" if self.role else self.service


def load_order(target: Release) -> Order:
    """The order of the upgrade to a release; an empty one where nobody told it."""
    path = packs.find(".", FILE)
    if path is None:
        return Order()
    try:
        found = json.loads(path.read_text("utf-8"))["orders"].get(target.name)
        return Order(tuple(found["order"]), found["source"]) if found else Order()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DbauditError(f"{path} is no order of upgrades: {error}", "see docs/plans.md") from None


def arrange(databases: Sequence[Place], order: Order) -> tuple[Stage, ...]:
    """The databases as stages, in order; cells of one service share a stage, every other database has its own."""
    ranked = sorted(databases, key=lambda each: _rank(each, order))  # stable: the plan's order decides between equals
    stages: list[tuple[str, list[Place]]] = []
    for each in ranked:
        if each.role == CELL and stages and stages[-1][0] == each.name:
            stages[-1][1].append(each)
        else:
            stages.append((each.name, [each]))
    return tuple(_stage(group) for _, group in stages)


def _stage(group: Sequence[Place]) -> Stage:
    first = group[0]
    name = f"{first.service} {first.role}{'s' if first.role == CELL else ''}" if first.role else first.service
    return Stage(first.service, tuple(each.label for each in group), first.role == CELL, name)


def _rank(place: Place, order: Order) -> int:
    for name in (place.name, place.service):
        if name in order.places:
            return order.places.index(name)
    return len(order.places)


def remarks(databases: Sequence[Place], order: Order, target: Release) -> Iterator[str]:
    """What a reader must know of the order."""
    if not order.places:
        if len(databases) > 1:
            yield f"no order of the upgrade to {target} is known: the plan's own holds; `order` in [plan] gives one"
        return
    yield f"order of the upgrade: {', '.join(order.places)} ({order.source})"
    lost = [each.label for each in databases if _rank(each, order) == len(order.places)]
    if lost:
        yield f"the order does not name {', '.join(lost)}: last, in the plan's order"
