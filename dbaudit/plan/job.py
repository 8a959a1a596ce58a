"""One database of a plan, rehearsed: what a process of this machine or a worker of a cluster is given to do.

Everything in here can be sent to another process or machine. What a machine decides for itself (its temporary
directory, its cache, its PATH) is asked for there, by functions that the command line names.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dbaudit import packs
from dbaudit.dryrun.pipeline import dry_run
from dbaudit.dryrun.request import Request
from dbaudit.errors import DbauditError
from dbaudit.plan.envelope import freeze
from dbaudit.progress import Watch, silent
from dbaudit.server.place import Places


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Functions that say, where they are called, what the environment decides.

    `output` gives a folder of its own for what the tools of one database print.
    """

    places: Callable[[], Places]
    environment: Callable[[], Mapping[str, str]]
    output: Callable[[], Path]


@dataclass(frozen=True, slots=True)
class Job:
    """A database to rehearse; `packs` are folders of further checks."""

    label: str
    request: Request
    surroundings: Surroundings
    packs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a job: a frozen result, or the error that kept it from one. `where` is the machine."""

    label: str
    where: str
    result: str | None = None
    what: str = ""
    hint: str = ""


def rehearse(job: Job, watch: Watch = silent) -> Report:
    """Rehearse one database. An error that a user can act on is a report too: the other databases go on."""
    where = platform.node()
    try:
        for folder in job.packs:
            packs.add(folder)
        for operand in (job.request.operand, *job.request.beside):
            _require(operand, where)
        around = job.surroundings
        request = _with_output(job.request, around.output() / job.label)
        result = dry_run(request, around.places(), around.environment(), watch)
    except DbauditError as error:
        return Report(job.label, where, what=error.what, hint=error.hint)
    return Report(job.label, where, freeze(result))


def _require(operand: str, where: str) -> None:
    if not Path(operand).exists():
        raise DbauditError(
            f"{operand} is not there on {where}, which was to rehearse it",
            "on a cluster every worker must see the dumps under the same path: put them on storage that all share",
        )


def _with_output(request: Request, folder: Path) -> Request:
    runner = request.runner
    if runner is None or runner.output is not None:
        return request
    return replace(request, runner=replace(runner, output=folder))
