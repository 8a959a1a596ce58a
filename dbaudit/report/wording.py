"""How reports for people write counts, bytes, spans of time, and text that came from a dump or a tool."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text


def plural(count: int, one: str, many: str = "") -> str:
    """`1 step`, `2 steps`, `1,200 steps`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Bytes for people, in decimal units."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def line(text: str, style: str = "") -> Text:
    """Text that folds; control characters are spelled out."""
    return Text(printable(text), style=style, overflow="fold")


def printable(text: str) -> str:
    """The text with control characters spelled out: names in a dump and what tools print may hold any."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def between(seconds: Sequence[float]) -> str:
    """From the least to the most that it may take."""
    low, high = seconds
    return f"{low:,.2f} to {high:,.2f} s"
