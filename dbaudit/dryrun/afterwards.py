"""What is done when the steps have run: the server kept, the way back timed, what the tools printed put away."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dbaudit.dump.entries import DumpIndex
from dbaudit.dump.restore import restore
from dbaudit.errors import DbauditError
from dbaudit.migration.output import cut_output
from dbaudit.progress import Watch
from dbaudit.result import StepResult
from dbaudit.server.server import Server

# The schema that the dump is restored into once more.
_AGAIN = "dbaudit_rollback"


@dataclass(frozen=True, slots=True)
class Afterwards:
    """Keys of the report and sentences for people."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def time_rollback(server: Server, index: DumpIndex, name: str | None, workers: int, watch: Watch) -> Afterwards:
    """Restore a database of the dump once more, beside the first, and say how long that took."""
    server.drop_database(_AGAIN)
    try:
        found = restore(index, server, {name: _AGAIN}, workers=workers, watch=watch)
    except DbauditError as error:
        return Afterwards({"rollback": {"seconds": None, "error": error.what}}, (f"rollback not timed: {error.what}",))
    finally:
        with contextlib.suppress(DbauditError):
            server.drop_database(_AGAIN)
    told = {"seconds": round(found.seconds, 3), "rows": found.rows, "bytes": found.bytes, "error": None}
    return Afterwards(
        {"rollback": told},
        (f"the way back, restoring the dump, takes {found.seconds:.1f} s here; this server does not wait for its disk, "
         "production's does",),
    )  # fmt: skip


def keep(server: Server, database: str) -> Afterwards:
    """Leave the server running, and say how to reach and to end it. No password is in the commands."""
    kept = server.keep()
    connect = f"{kept.connect} {database}"
    return Afterwards(
        {"kept": {"connect": connect, "stop": kept.stop, "database": database}},
        (f"the server is kept; connect: {connect}", f"stop it and remove its data: {kept.stop}"),
    )


def put_away(steps: tuple[StepResult, ...], output: Path | None) -> tuple[StepResult, ...]:
    """The steps with what their tools printed moved to where it outlives the run."""
    if output is None:
        return tuple(replace(step, output=None) for step in steps)
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = []
    for step in steps:
        if step.output is not None:
            place = output / Path(step.output).name
            cut_output(Path(step.output))
            shutil.move(step.output, place)
            step = replace(step, output=str(place))
        kept.append(step)
    return tuple(kept)
