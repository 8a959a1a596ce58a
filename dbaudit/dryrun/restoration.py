"""The copy of a dump that a dry-run works on: on a throwaway server, other dumps beside it, and how unlike it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbaudit.dryrun.inspection import Inspection
from dbaudit.dryrun.request import Request
from dbaudit.dryrun.siblings import Sibling, restore_siblings
from dbaudit.dump.restore import Restored, restore
from dbaudit.finding import Effect, Finding, Severity
from dbaudit.progress import Watch
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Account, Server
from dbaudit.server.version import ServerVersion, parse_version

# The schema that a dump without a name is restored into.
UNNAMED = "rehearsal"


@dataclass(frozen=True)
class Copy:
    """The dump on a throwaway server, with its siblings, and the account that sees them alone."""

    server: Server
    account: Account
    database: str
    restored: Restored
    siblings: tuple[Sibling, ...] = ()


@contextlib.contextmanager
def restored_copy(
    request: Request, inspection: Inspection, places: Places, space: Path, watch: Watch
) -> Iterator[Copy]:
    """The request's dump, restored; the server is stopped when the block is left."""
    index, entry = inspection.index, inspection.entry
    largest = max((table.end - table.start for table in entry.tables), default=0)
    needs = Needs(index.size, largest, observe=request.runner is not None, tables=len(entry.tables))
    origin = origin_of(inspection)
    with start(
        request.server, places=places, needs=needs, binary=request.server_binary, dump_version=origin, watch=watch
    ) as server:
        database = entry.name or UNNAMED
        restored = restore(index, server, {entry.name: database}, workers=request.workers, watch=watch)
        beside = restore_siblings(request.beside, database, server, space, request.workers, watch)
        account = server.restricted([database, *(each.database for each in beside)])
        yield Copy(server, account, database, restored, beside)


def origin_of(inspection: Inspection) -> ServerVersion | None:
    """The server that wrote the dump, None where it does not tell."""
    return parse_version(inspection.index.server_version) if inspection.index.server_version else None


def unlike(inspection: Inspection, copy: Copy) -> Iterator[Finding]:
    """That the server of the rehearsal is not the dump's, where it is another vendor or series."""
    origin, here = origin_of(inspection), copy.server.version
    if origin is not None and (origin.vendor, origin.series) == (here.vendor, here.series):
        return
    there = origin.name if origin else "a server whose version the dump does not tell"
    yield Finding(
        check="dry-run.not-the-same-server",
        severity=Severity.WARNING,
        effect=Effect.ADVICE,
        object=here.short,
        message=f"the steps ran on {copy.server.label}, the dump is from {there}: times and algorithms are not "
        "production's, and an error of one server may be none on the other",
        facts={"rehearsed_on": here.short, "dump": inspection.index.server_version},
        remedy="Rehearse on the server that production has: --server container:IMAGE or --server-binary.",
    )
