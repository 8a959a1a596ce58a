"""Cut a walk into ranges that two connections can take without meeting: neighbours would wait for each other's locks.

Where to cut is guessed from the ends alone, as if what lies between were even; a bad guess costs time, nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dbaudit.schema.text import name as quoted
from dbaudit.tokens.survey import Survey, Way
from dbaudit.tokens.walk import ExpiryWalk, KeyWalk, Walk

# Below this many rows a second connection does not pay.
_WORTH = 20_000
_HEX = set("0123456789abcdef")
_DIGITS = 8  # characters of a text key that are looked at: more cannot be told apart by so few cuts


def split(cursor: Any, seen: Survey, connections: int, shares: int) -> list[Walk]:
    """Walks that together cover the table as it is now, in an order in which consecutive ones are not neighbours."""
    family = seen.family
    if connections == 1 or max(seen.rows, seen.dead or 0) < _WORTH:
        return [ExpiryWalk(family) if seen.way is Way.BY_EXPIRY else KeyWalk(family, high=_last(cursor, seen))]
    count = connections * shares
    if seen.way is Way.BY_EXPIRY:
        assert family.expiry
        times = [None, *_cuts(cursor, seen, family.expiry.column, count, f"WHERE {family.dead}"), None]
        walks: list[Walk] = [ExpiryWalk(family, *pair) for pair in itertools.pairwise(times)]
    else:
        keys = [None, *_keys(cursor, seen, count), _last(cursor, seen)]
        walks = [KeyWalk(family, *pair) for pair in itertools.pairwise(keys)]
    half = (len(walks) + 1) // 2
    return [each for pair in zip(walks[:half], [*walks[half:], None], strict=False) for each in pair if each]


def _last(cursor: Any, seen: Survey) -> tuple[Any, ...] | None:
    """The last key, at which the walks end: rows that a faster writer puts behind it are the next run's."""
    columns = [quoted(each) for each in seen.family.key]
    order = ", ".join(f"{each} DESC" for each in columns)
    cursor.execute(f"SELECT {', '.join(columns)} FROM {seen.family.name} ORDER BY {order} LIMIT 1")
    return tuple(row) if (row := cursor.fetchone()) else None


def _keys(cursor: Any, seen: Survey, count: int) -> list[tuple[Any, ...]]:
    """Real keys near the cuts, so that text of any collation is in the server's own order; only simple keys are cut."""
    family = seen.family
    if len(family.key) > 1:
        return []
    column, found = quoted(family.key[0]), []
    for cut in _cuts(cursor, seen, family.key[0], count, ""):
        cursor.execute(f"SELECT {column} FROM {family.name} WHERE {column} >= %s ORDER BY {column} LIMIT 1", (cut,))
        if (row := cursor.fetchone()) and row not in found:
            found.append(row)
    return found


def _cuts(cursor: Any, seen: Survey, column: str, count: int, where: str) -> list[Any]:
    """Values that cut a column's range into so many even parts, the ends left out; none where it cannot be told."""
    cursor.execute(f"SELECT MIN({quoted(column)}), MAX({quoted(column)}) FROM {seen.family.name} {where}")
    least, most = cursor.fetchone()
    if least is None or isinstance(least, bytes) or least == most:
        return []
    found = _between(str(least), str(most), [number / count for number in range(1, count)])
    return sorted(set(found), key=found.index)


def _between(least: str, most: str, at: Sequence[float]) -> list[Any]:
    if least.lstrip("-").isdigit() and most.lstrip("-").isdigit() and len(most) < 19:
        low, high = int(least), int(most)
        return [low + int((high - low) * each) for each in at]
    try:
        begin, end = datetime.fromisoformat(least), datetime.fromisoformat(most)
        return [(begin + (end - begin) * each).isoformat(" ", "seconds") for each in at]
    except ValueError:
        pass
    if set(least.lower()) | set(most.lower()) <= _HEX:
        low, high = (int(each[:_DIGITS].ljust(_DIGITS, "0"), 16) for each in (least, most))
        return [f"{low + int((high - low) * each):0{_DIGITS}x}" for each in at]
    return []
