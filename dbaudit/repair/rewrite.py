"""Rows given their new values, where ids and names may change places: the statements of `prepared`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sized
from typing import Any

from dbaudit.repair.edits import OWN_ID, Edit, Edits, Value
from dbaudit.schema.text import name as quoted

AT_ONCE = 1_000  # ids in one statement


def rewrite(cursor: Any, edits: Edits, numbers: Collection[tuple[str, str]]) -> None:
    """Every edit; ids that are swapped first go to the negative numbers, and names to such that nobody uses."""
    moved: dict[tuple[str, str], list[Edit]] = defaultdict(list)
    for edit in edits.edits:
        for column in ("id", *edits.through.get(edit.table, ())):
            if column in edit.values:
                moved[edit.table, column].append(edit)
    away: dict[str, set[int]] = defaultdict(set)
    for (table, column), there in sorted(moved.items(), key=lambda each: each[0][1] != "id", reverse=True):
        for part in parts([edit.id for edit in there]):
            name = quoted(column)
            # `deleted` first: it is compared with the id before that moves.
            away_ = f"-{name}" if (table, column) in numbers else "CONCAT('dbaudit ', id)"
            also = "deleted = IF(deleted = id, -id, deleted), " if column == "id" else ""
            cursor.execute(
                f"UPDATE {quoted(table)} SET {also}{name} = {away_} WHERE id IN ({marks(part)})", tuple(part)
            )
            away[table].update(part if column == "id" else ())
    same: dict[tuple[str, tuple[tuple[str, Value], ...]], list[int]] = defaultdict(list)
    for edit in edits.edits:
        at = -edit.id if edit.id in away[edit.table] else edit.id
        same[edit.table, tuple(edit.values.items())].append(at)
    # What is deleted goes first: it leaves its name to another.
    for (table, values), found in sorted(same.items(), key=lambda each: "deleted" not in dict(each[0][1])):
        sets = ", ".join(f"{quoted(column)} = {'id' if value == OWN_ID else '%s'}" for column, value in values)
        given = [value for _, value in values if value != OWN_ID]
        for part in parts(found):
            cursor.execute(f"UPDATE {quoted(table)} SET {sets} WHERE id IN ({marks(part)})", (*given, *part))


def farthest(edits: Edits) -> Mapping[str, int]:
    """The largest id that a row is moved to, by table.

    AUTO_INCREMENT follows an INSERT everywhere. MySQL 5.6 lets it not follow an UPDATE: the next row that is made there
    would get an id that is taken.
    """
    found: dict[str, int] = {}
    for edit in edits.edits:
        if (id_ := edit.values.get("id")) is not None:
            found[edit.table] = max(found.get(edit.table, 0), int(id_))
    return found


def parts(ids: Iterable[int]) -> list[list[int]]:
    """The ids in order, as many as one statement takes at a time."""
    found = sorted(set(ids))
    return [found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE)]


def marks(values: Sized) -> str:
    """The places of values in a statement."""
    return ", ".join(["%s"] * len(values))
