"""Where in a dump something stands, for people: byte, line, and the file of a mydumper directory."""

from __future__ import annotations

from dbaudit.dump.entries import DumpIndex
from dbaudit.dump.filter import excerpt
from dbaudit.dump.loader import LoadError
from dbaudit.dump.source import CHUNK, DamagedArchive
from dbaudit.errors import DbauditError
from dbaudit.server.server import Server

# The connection is gone: what the server's log says matters more than the statement.
_GONE = frozenset({0, 2006, 2013, 2055})
_FULL = frozenset({1021, 1114, 1026, 3})


def where(index: DumpIndex, offset: int) -> str:
    """`byte 12345 (line 67)`; the file is read again up to there, so this is for errors only."""
    starts = [start for start in index.starts if start <= offset]
    part, start = index.dump.parts[len(starts) - 1], starts[-1]
    lines, left = 1, offset - start
    try:
        with part.open() as stream:
            while left > 0 and (data := stream.read(min(CHUNK, left))):
                lines += data.count(b"\n")
                left -= len(data)
    except DamagedArchive:
        return f"byte {offset}"
    if index.dump.mydumper:
        return f"byte {offset - start} (line {lines}) of {part.path.name}"
    return f"byte {offset} (line {lines})"


def failure(index: DumpIndex, server: Server, error: LoadError) -> DbauditError:
    """What to tell when the server refused a statement, or went away."""
    if error.code in _GONE | _FULL:
        return server.failure(error.error)
    task = error.task
    said = error.error.args[-1] if error.error.args else error.error
    table = f", table {task.table}" if task.table else ""
    return DbauditError(
        f"{server.label} refuses a statement of {index.dump.name} at {where(index, task.offset)}{table}: "
        f"({error.code}) {said}: {excerpt(task.sql)}",
        "a server of the dump's own vendor and version may take it: --server container, or --server-binary",
    )
