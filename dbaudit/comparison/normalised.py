"""What was treated as equal, and by which rule: the comparison once more with one rule left out at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dbaudit.schema.canon import rules, spelled
from dbaudit.schema.diff import differences
from dbaudit.schema.difference import Change, Difference
from dbaudit.schema.model import Schema

SEVERAL = "several rules"


@dataclass(frozen=True, slots=True)
class Normalised:
    """Two spellings that a rule makes one; `objects` are those that differ in no more than that, in order."""

    rule: str
    why: str
    kind: str
    attribute: str
    left: str | None
    right: str | None
    objects: tuple[str, ...]


def normalised(left: Schema, right: Schema) -> tuple[Normalised, ...]:
    """The spellings that were treated as equal, by rule; those that only several rules together explain come last."""
    left, right = _differing(left, right)
    plain = set(differences(spelled(left, rules()), spelled(right, rules())))
    found: dict[tuple[str, str, str, str, str | None, str | None], list[str]] = {}
    seen: set[tuple[object, ...]] = set()
    for rule in rules():
        others = [each for each in rules() if each is not rule]
        for each in differences(spelled(left, others), spelled(right, others)):
            if each not in plain:
                _keep(found, seen, rule.name, rule.why, each)
    for each in differences(left, right):
        if each not in plain and _place(each) not in seen:
            _keep(found, seen, SEVERAL, "spelled in two ways, each of which is a rule's.", each)
    return tuple(Normalised(*key, tuple(objects)) for key, objects in found.items())


def _keep(
    found: dict[tuple[str, str, str, str, str | None, str | None], list[str]],
    seen: set[tuple[object, ...]],
    rule: str,
    why: str,
    each: Difference,
) -> None:
    seen.add(_place(each))
    # A whole object that is there or not is told by its text; the same for many objects is told once.
    whole = each.change in (Change.ADDED, Change.REMOVED)
    texts = (each.left, each.right) if not whole else (_head(each.left), _head(each.right))
    key = (rule, why, str(each.kind), each.attribute or str(each.change), *texts)
    name = each.name or each.left or each.right or ""
    found.setdefault(key, []).append(f"{each.table}.{name}" if each.table and each.table != name else name)


def _head(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split())[:60]


def _place(each: Difference) -> tuple[object, ...]:
    return each.kind, each.table, each.name, each.attribute


def _differing(left: Schema, right: Schema) -> tuple[Schema, Schema]:
    """The schemas without the tables that are spelled alike, or are on one side alone."""

    def kept() -> Iterator[str]:
        for name, table in left.tables.items():
            other = right.tables.get(name)
            if other is not None and other != table:
                yield name

    names = set(kept())
    return (
        replace(left, tables={name: left.tables[name] for name in names}),
        replace(right, tables={name: right.tables[name] for name in names}),
    )
