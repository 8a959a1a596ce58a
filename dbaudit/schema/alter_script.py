"""The statements of `alter` as a script for the mysql client: forward, and the way back as comments.

What may lose data is commented out unless it is allowed. The script sets a strict sql_mode, in which a value that does
not fit is an error and not a cut value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dbaudit.schema.alter import alter
from dbaudit.schema.model import Schema
from dbaudit.schema.statement import Statement, Suggestion

# Strict, and zero dates in defaults as old schemas have them; no ANSI_QUOTES.
MODE = "STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
_FALLBACK = ";;"


def script(
    left: Schema,
    right: Schema,
    names: tuple[str, str],
    *,
    allow_loss: bool = False,
    renames: Sequence[tuple[Suggestion, Suggestion]] = (),
) -> str:
    """The script from left to right; `names` are how the sides are called in its comments.

    `renames` are suggestions, forward and back, that stand in it as comments.
    """
    forward, back = alter(left, right), alter(right, left)
    suggested = [*_suggested(each for each, _ in renames)], [*_suggested(each for _, each in renames)]
    lines = [f"-- From {names[0]} to {names[1]}.", *_summary(forward, allow_loss), *suggested[0], ""]
    if not forward and not back:
        return "\n".join([lines[0], "-- Nothing differs."]) + "\n"
    lines += [*statements(forward, allow_loss=allow_loss), f"-- The way back, from {names[1]} to {names[0]}."]
    lines += [
        *_summary(back, allow_loss),
        *suggested[1],
        "--",
        *(f"-- {line}".rstrip() for line in statements(back, allow_loss=allow_loss)),
    ]
    return "\n".join(lines).rstrip("-\n ") + "\n"


def statements(found: Iterable[Statement], *, allow_loss: bool) -> Iterator[str]:
    """The lines of a script that runs these statements."""
    yield f"SET @dbaudit_sql_mode = @@SESSION.sql_mode, SESSION sql_mode = '{MODE}';"
    yield ""
    for each in found:
        yield from (f"-- loses data: {loss}" for loss in each.loses)
        lines = _lines(each)
        commented = not each.possible or (each.loses and not allow_loss)
        yield from (f"-- {line}".rstrip() if commented else line for line in lines)
        yield ""
    yield "SET SESSION sql_mode = @dbaudit_sql_mode;"
    yield ""


def _lines(each: Statement) -> list[str]:
    if not each.possible:
        return each.sql.splitlines()
    if each.body:
        return [f"DELIMITER {_FALLBACK}", *f"{each.sql}{_FALLBACK}".splitlines(), "DELIMITER ;"]
    return f"{each.sql};".splitlines()


def _suggested(found: Iterable[Suggestion]) -> Iterator[str]:
    for each in found:
        yield f"-- {each.why}. Then, instead of the drop and the add below:"
        yield from (f"--   {line}" for line in f"{each.sql};".splitlines())


def _summary(found: Iterable[Statement], allow_loss: bool) -> Iterator[str]:
    losing = sum(bool(each.loses) for each in found)
    if losing:
        state = "NOT commented out" if allow_loss else "commented out; --allow-loss writes them as statements"
        yield f"-- {losing} of its statements may lose data: {state}."
