"""The end of a server's log, as it is shown when something went wrong."""

from __future__ import annotations

from pathlib import Path

# Lines that are looked at for errors further up: MySQL 5.6 writes fifty about its plugins after the one that matters.
_WINDOW = 200
# Bytes that a line may have on average; more only means that fewer lines are looked at.
_LINE = 400
_ERRORS = 5


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, which may be long, after the last errors above them; empty if it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _WINDOW * _LINE))
            return select(stream.read().decode(errors="replace"), lines)
    except OSError:
        return ""


def select(text: str, lines: int) -> str:
    """The last `lines` of `text`, after the last errors above them."""
    window = text.splitlines()[-max(_WINDOW, lines) :]
    errors = [line for line in window[:-lines] if "[ERROR]" in line][-_ERRORS:]
    return "\n".join([*errors, *window[-lines:]])
